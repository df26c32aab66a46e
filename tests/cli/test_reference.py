"""The reference of the command line names every command and every option, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

from scidex.cli.app import app
from tests.cli.running import ROOT

PAGE = (ROOT / "docs" / "reference" / "cli.md").read_text()


def options_by_command(command: Any, name: str = "scidex") -> Iterator[tuple[str, set[str]]]:
    if hasattr(command, "commands"):
        for word, inner in command.commands.items():
            yield from options_by_command(inner, f"{name} {word}")
    else:
        yield name, {option for one in command.params for option in one.opts if option.startswith("--")}


def sections() -> dict[str, set[str]]:
    parts = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)[1:]
    texts = zip(parts[::2], parts[1::2], strict=True)
    return {name: set(re.findall(r"`(--[a-z-]+)`", re.sub(r"with `--demo`", "", text))) for name, text in texts}


def test_every_command_has_its_entry_with_every_option():
    known = {name: options - {"--help"} for name, options in options_by_command(typer.main.get_command(app))}

    assert sections() == known
