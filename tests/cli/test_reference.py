"""The reference of the command line names every command and every option, and no other; examples are what they show."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from scidex.cli.app import app
from scidex.cli.help import PURPOSES
from tests.cli.running import ROOT, scidex

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


# What every command that reaches a market takes: said once, at the top of the page.
SHARED = {"--db", "--url", "--key", "--json"}


def test_every_command_has_its_entry_with_every_option():
    known = {name: options - {"--help"} for name, options in options_by_command(typer.main.get_command(app))}

    told = sections()
    assert told.keys() == known.keys()
    for name, options in known.items():
        said_once = SHARED if options >= SHARED else set()
        assert told[name] - said_once == options - said_once, name


def commands(group: Any, *words: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for word, inner in group.commands.items():
        if hasattr(inner, "commands"):
            yield from commands(inner, *words, word)
        else:
            yield (*words, word), inner


@pytest.mark.parametrize(
    ("words", "command"), [pytest.param(*one, id=" ".join(one[0])) for one in commands(typer.main.get_command(app))]
)
def test_the_help_of_a_command_ends_with_examples_that_it_takes(words, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("issues.json").touch()
    assert command.callback.examples
    for example in command.callback.examples:
        name, *typed = shlex.split(example)
        assert (name, *typed[: len(words)]) == ("scidex", *words)
        context = command.make_context(words[-1], typed[len(words) :])
        assert context.params


def test_a_summary_of_help_is_never_cut_short(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = scidex("--help", COLUMNS="80")

    assert "..." not in out.partition("Start a market:")[2]
    assert re.findall(r"^(\S[^:]+):$", out, re.MULTILINE) == ["Options", *PURPOSES]
