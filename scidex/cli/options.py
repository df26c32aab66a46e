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
        help="The market's database: sqlite:///market.db or postgresql://… [SCIDEX_DATABASE_URL]",
        show_default=False,
    ),
]
PoolOption = Annotated[str, typer.Option("--pool", help="The pool of slots.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="The market's server instead, as http://127.0.0.1:8787 [SCIDEX_URL]",
        show_default=False,
    ),
]
KeyOption = Annotated[
    str | None,
    typer.Option("--key", help="The key for that server [SCIDEX_KEY]", show_default=False),
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="The number of lines at most.")]
IdempotencyOption = Annotated[
    str | None,
    typer.Option(
        "--idempotency-key", help="Repeated with this key and the same terms, it acts once.", show_default=False
    ),
]
