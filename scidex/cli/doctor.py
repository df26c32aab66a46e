"""`scidex doctor`: what is not well with a market or this machine, and the remedy."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from scidex.cli import output
from scidex.cli.commands import command
from scidex.cli.exits import Exit
from scidex.cli.markets import key_of, server_of
from scidex.cli.options import DatabaseOption, JsonOption, KeyOption, UrlOption


@command("scidex doctor", "scidex doctor --url http://127.0.0.1:8787")
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

    server = server_of(db, url)
    if server is None:
        found = list(examine(db, port))
    else:
        from scidex.cli.served_checks import examine_served

        found = list(examine_served(server, key_of(key)))
    if as_json:
        output.print_json(found)
    else:
        for finding in found:
            print(f"{finding.state:<8} {finding.check}: {finding.found}")
            if finding.remedy:
                print(f"         remedy: {finding.remedy}")
    if any(finding.state == FAULT for finding in found):
        sys.exit(Exit.FAULTY)
