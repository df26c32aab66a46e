"""`scidex config show`: what this process is set to, and where each value comes from."""

from __future__ import annotations

import os
from dataclasses import fields

import typer

from scidex.cli import output
from scidex.cli.commands import command
from scidex.cli.help import Command, Group
from scidex.cli.options import JsonOption

app = typer.Typer(cls=Group, help="Settings: show them, with their origins.", no_args_is_help=True)


@app.callback()
def _config() -> None:
    """Settings: show them, with their origins."""


@app.command("show", cls=Command)
@command("scidex config show", "scidex config show --json")
def show(as_json: JsonOption = False) -> None:
    """Show the settings of commands started here, and whether each is the environment's or the default."""
    from scidex.settings import Settings, from_environment

    settings = from_environment()
    rows = [_row(one.name, getattr(settings, one.name)) for one in fields(Settings)]
    rows += [_row(name, os.environ.get(f"SCIDEX_{name.upper()}")) for name in ("url", "key")]
    output.print_table(rows, ("setting", "value", "origin"), as_json=as_json)


def _row(name: str, value: object) -> dict[str, object]:
    variable = f"SCIDEX_{name.upper()}"
    is_set = variable in os.environ
    shown = "set" if name == "key" and is_set else without_password(value) if name == "database_url" else value
    return {"setting": name, "value": shown, "origin": variable if is_set else "default"}


def without_password(address: object) -> str:
    """Return an address as it may be shown."""
    scheme, separator, rest = str(address).partition("://")
    login, at, place = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    return f"{scheme}{separator}{user}{':***' if colon else ''}{at}{place}"
