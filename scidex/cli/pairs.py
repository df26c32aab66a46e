"""Options that take KEY=VALUE, each value of its key's kind."""

from __future__ import annotations

from typing import Any

import typer


def pairs(given: list[str], option: str, kinds: dict[str, str]) -> dict[str, Any]:
    """Return the values of KEY=VALUE pairs, each of its key's kind; a number with a point where it takes one."""
    values: dict[str, Any] = {}
    for pair in given:
        key, separator, text = pair.partition("=")
        if not separator or key not in kinds:
            raise typer.BadParameter(f"{pair!r} is no KEY=VALUE with a known key", param_hint=option)
        values[key] = _value(text, kinds[key], option)
    return values


def _value(text: str, kind: str, option: str) -> Any:
    words = {"true": True, "false": False}
    try:
        if kind == "bool":
            return words[text]
        return {"int": int, "float": float, "str": str}[kind](text)
    except (KeyError, ValueError):
        raise typer.BadParameter(f"{text!r} is no {kind}", param_hint=option) from None
