"""`scidex doctor`: what is not well with a market or this machine, and the remedy."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from scidex.cli.exits import Exit
from scidex.cli.options import DatabaseOption, JsonOption, KeyOption, UrlOption


def doctor(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="The port to look at.")] = 8787,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """
    Check database, versions, clock, rounds, books, keys and port, and name the remedy; nothing is written.

    With --url it checks a server: that it answers, its version and clock, the key, rounds and books.
    """
    from scidex.cli.checks import FAULT, examine
    from scidex.cli.output import print_json

    if url is None:
        found = list(examine(db, port))
    elif db is not None:
        raise typer.BadParameter("give either --db or --url", param_hint="--url")
    else:
        from scidex.cli.served_checks import examine_served

        found = list(examine_served(url, key))
    if as_json:
        print_json([finding._asdict() for finding in found])
    else:
        for finding in found:
            print(f"{finding.state:<8} {finding.check}: {finding.found}")
            if finding.remedy:
                print(f"         remedy: {finding.remedy}")
    if any(finding.state == FAULT for finding in found):
        sys.exit(Exit.FAULTY)
