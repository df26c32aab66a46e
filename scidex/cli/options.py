"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from scidex.settings import DEFAULT_POOL

POOL = DEFAULT_POOL

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="URL",
        help="sqlite:///market.db or postgresql://…; SCIDEX_DATABASE_URL unless given.",
        show_default=False,
    ),
]
PoolOption = Annotated[str, typer.Option("--pool", help="The book of slots.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
