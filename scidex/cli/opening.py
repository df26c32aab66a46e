"""`scidex init` and `scidex db migrate`: a market's database with its schema, set to a profile."""

from __future__ import annotations

from typing import Annotated

import typer

from scidex.cli import output
from scidex.cli.commands import command
from scidex.cli.help import Command, Group
from scidex.cli.options import POOL, DatabaseOption, JsonOption, PoolOption

RECOMMENDED = "recommended"

database = typer.Typer(cls=Group, help="The database: bring its schema up to date.", no_args_is_help=True)


@database.callback()
def _database() -> None:
    """The database: bring its schema up to date."""


@command("scidex init", "scidex init --db postgresql://market@db/market --profile brief")
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
    from scidex.exchange import compute_auction
    from scidex.store import connect

    with connect(db) as market:
        compute_auction.ensure_schema(db=market)
        if pool not in {known.pool for known in compute_auction.list_pools(db=market)}:
            compute_auction.create_pool(pool, db=market)
        settings = compute_auction.configure_pool(pool, profile or RECOMMENDED, only_new=profile is None, db=market)
    if as_json:
        output.print_json(settings)
    else:
        print(f"pool {settings.pool} uses the profile {settings.profile}")


@database.command("migrate", cls=Command)
@command("scidex db migrate", "scidex db migrate --role scidex_server")
def migrate(
    role: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A role of PostgreSQL for servers, loops and workers: it gets what they need, and nothing else.",
            show_default=False,
        ),
    ] = None,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the database's schema up to date, and say which steps were taken."""
    from scidex.exchange import compute_auction
    from scidex.store import connect
    from scidex.store.roles import grant_role

    with connect(db) as market:
        taken = compute_auction.ensure_schema(db=market)
        if role is not None:
            grant_role(role, db=market)
    if as_json:
        output.print_json(taken)
        return
    print("\n".join(taken) or "The schema was up to date.")
    if role is not None:
        print(f"The role {role} may do what a server does, and nothing else.")
