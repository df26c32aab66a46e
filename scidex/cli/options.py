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
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url", metavar="URL", help="A market's server instead, as http://127.0.0.1:8787.", show_default=False
    ),
]
KeyOption = Annotated[
    str | None,
    typer.Option("--key", envvar="SCIDEX_KEY", help="The key for that server.", show_default=False),
]
