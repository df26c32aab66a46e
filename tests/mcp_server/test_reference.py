"""The reference of the tools names every tool with every argument and every field of its answer, and no other."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from mcp_types import Tool

from scidex.mcp_server.tools import server_of
from tests.cli.running import ROOT

PAGE = (ROOT / "docs" / "reference" / "mcp.md").read_text()


def entries() -> dict[str, str]:
    parts = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def tools() -> list[Tool]:
    def nobody(_: Any) -> Any:
        raise AssertionError("nothing is asked of a market here")

    listed: list[Tool] = asyncio.run(server_of(nobody).list_tools())
    return listed


def fields_of(schema: dict[str, Any] | None) -> set[str]:
    assert schema is not None
    kinds = [schema, *schema.get("$defs", {}).values()]
    return {name for kind in kinds for name in kind.get("properties", {})}


TOOLS = [pytest.param(tool, id=tool.name) for tool in tools()]


def test_every_tool_has_its_entry_and_every_entry_its_tool():
    assert sorted(entries()) == sorted(tool.name for tool in tools())
    assert len(TOOLS) == 8


@pytest.mark.parametrize("tool", TOOLS)
def test_an_entry_names_each_argument_with_its_default(tool):
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*)\|", entries()[tool.name], re.MULTILINE))
    arguments = tool.input_schema["properties"]

    assert rows.keys() == arguments.keys()
    for name, argument in arguments.items():
        if name in tool.input_schema.get("required", ()):
            assert rows[name].strip() == ""
        elif argument["default"] not in (None, ""):
            assert rows[name].strip().strip("`") == str(argument["default"])


@pytest.mark.parametrize("tool", TOOLS)
def test_an_entry_names_each_field_of_the_answer_and_no_other(tool):
    answers = entries()[tool.name].partition("\nAnswers ")[2]
    named = set(re.findall(r"`(\w+)`", answers)) - {"bid"}
    fields = fields_of(tool.output_schema)
    if tool.name == "my_bids":  # its open bids are told of with `bid`
        fields -= fields_of(next(one.output_schema for one in tools() if one.name == "bid")) - named

    assert named == fields


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_says_what_it_does_and_what_each_argument_is(tool):
    assert tool.description
    assert all(argument.get("description") for argument in tool.input_schema["properties"].values())
    assert tool.annotations.read_only_hint == (tool.name not in {"bid", "cancel"})
