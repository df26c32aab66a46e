"""The command `scidex`: the market's door for people."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Do what the command line says, and exit with a code that means something (scidex.cli.exits)."""
    from scidex.cli.app import app
    from scidex.cli.exits import exits

    with exits():
        app(prog_name="scidex")
