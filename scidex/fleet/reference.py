"""The reference of `scidex.toml`, and its JSON Schema, both from the schema that validates it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from scidex.fleet.schema import Account, Agent, Fleet, Pool, Quest, Server, Source

SCHEMA_FILE = ".scidex/scidex.schema.json"
"""Where `scidex start` puts the JSON Schema, for editors that read the first line of the file."""

_SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("[server]", Server),
    ("[pools.NAME]", Pool),
    ("[quests.ID]", Quest),
    ("[accounts.ID]", Account),
    ("[[sources]]", Source),
    ("[[agents]]", Agent),
)
_HEAD = """\
# The fleet's file

`scidex.toml` describes a whole fleet. [`scidex start`](cli.md#scidex-start) writes one where there is none, and runs
it; [`scidex check`](cli.md#scidex-check) finds its faults, each by its line; [`scidex apply`](cli.md#scidex-apply)
brings a market in line with it and prints the difference first. Commands in its directory, or below, use its database
where none is given. A name that is not listed here is refused.

Paths are meant from the directory of the file. Times are seconds, or a number with `s`, `m`, `h` or `d`, as `"15m"`.
Secrets are named, never written: `pass` has names of variables, and `database = "env:NAME"` takes the address from one.

This page and the JSON Schema (`scidex check --schema`) are made from the schema that validates the file.
"""
_WORDS = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "Path": "path"}


def json_schema() -> str:
    """Return the JSON Schema of the file."""
    return (
        json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **Fleet.model_json_schema()}, indent=2)
        + "\n"
    )


def page() -> str:
    """Return the reference page."""
    parts = [_HEAD, *_table("At the top", Fleet, own_only=True)]
    for name, section in _SECTIONS:
        parts += _table(f"`{name}`", section)
    return "\n".join(parts)


def _table(title: str, section: type[BaseModel], *, own_only: bool = False) -> Iterator[str]:
    yield f"## {title}\n"
    if not own_only:
        yield f"{(section.__doc__ or '').strip()}\n"
    yield "| key | takes | default | meaning |\n|---|---|---|---|"
    for name, field in section.model_fields.items():
        if not (own_only and _is_section(field)):
            yield f"| `{field.alias or name}` | {_kind(field.annotation)} | {_default(field)} | {field.description} |"
    yield ""


def _is_section(field: FieldInfo) -> bool:
    return any(one.__module__ == Fleet.__module__ for one in _classes(field.annotation))


def _classes(kind: Any) -> Iterator[type]:
    if isinstance(kind, type):
        yield kind
    for one in get_args(kind):
        yield from _classes(one)


def _kind(kind: Any) -> str:
    inner = [one for one in get_args(kind) if one not in (type(None), Ellipsis)]
    name = getattr(kind, "__name__", "")
    if name in _WORDS:
        return _WORDS[name]
    if name == "dict":
        return "table"
    if name == "tuple":
        return f"list of {_kind(inner[0])}s"
    if all(isinstance(one, str) for one in inner):
        return "text"
    return _kind(inner[0])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is PydanticUndefined or value is None or value in ((), "", False):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
