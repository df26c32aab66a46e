"""`scidex init`: a market's database with its schema, set to a profile."""

from __future__ import annotations

from typing import Annotated

import typer

from scidex.cli.options import POOL, DatabaseOption, JsonOption, PoolOption

RECOMMENDED = "recommended"


def init(
    pool: PoolOption = POOL,
    profile: Annotated[
        str | None,
        typer.Option(help="brief, recommended or generous; a new market gets recommended.", show_default=False),
    ] = None,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a market's database, or bring one up to date; set its pool to a profile where one is named or it is new."""
    from scidex.cli.markets import opened, print_json
    from scidex.exchange import compute_auction

    with opened(db) as market:
        if pool not in {known.pool for known in compute_auction.list_pools(db=market)}:
            compute_auction.create_pool(pool, db=market)
        settings = compute_auction.configure_pool(pool, profile or RECOMMENDED, only_new=profile is None, db=market)
    if as_json:
        print_json(settings._asdict())
    else:
        print(f"pool {settings.pool} goes by the profile {settings.profile}")
