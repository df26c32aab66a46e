"""The command `scidex`: the market's door for people."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Do what the command line says, and exit with a code that means something (scidex.cli.exits)."""
    from scidex.cli.app import app
    from scidex.cli.exits import exits

    with exits():
        try:
            app(prog_name="scidex")
        finally:
            _let_out()


def _let_out() -> None:
    """Write out what was printed; a reader that has had enough of it is no fault."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left would be tried again, and be complained of, when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
