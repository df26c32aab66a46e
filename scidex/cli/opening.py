"""`scidex init` and `scidex db …`: a market's database with its schema, set to a profile, copied and brought back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scidex.cli import output
from scidex.cli.commands import command
from scidex.cli.help import Command, Group
from scidex.cli.options import POOL, DatabaseOption, JsonOption, PoolOption
from scidex.settings import from_environment

RECOMMENDED = "recommended"

database = typer.Typer(
    cls=Group, help="The database: bring its schema up to date, back it up, bring a backup back.", no_args_is_help=True
)


@database.callback()
def _database() -> None:
    """The database: bring its schema up to date, back it up, bring a backup back."""


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


@database.command("backup", cls=Command)
@command(
    "scidex db backup market-2026-11-30.backup", "scidex db backup /backups/market.dump --db postgresql://db/market"
)
def backup(
    path: Annotated[Path, typer.Argument(help="The file to write; it must not be there yet.")],
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the database to a file, whole as of one moment, while the market is at work."""
    from scidex.cli.progress import progress_on_terminal
    from scidex.store.backups import back_up

    with progress_on_terminal() as tell:
        made = back_up((db or from_environment().database_url), path, on_progress=tell)
    if as_json:
        output.print_json({"path": str(made.path), "size_bytes": made.size_bytes})
    else:
        print(f"{made.path}, {made.size_bytes:,} bytes")


@database.command("restore", cls=Command)
@command("scidex db restore market.backup --db sqlite:///restored.db")
def restore_(
    path: Annotated[Path, typer.Argument(help="A file that `scidex db backup` wrote.")],
    db: DatabaseOption = None,
) -> None:
    """Bring a backup back into a database that is not there yet; `scidex audit` proves it."""
    from scidex.cli.progress import progress_on_terminal
    from scidex.store.backups import restore

    with progress_on_terminal() as tell:
        restore(path, (db or from_environment().database_url), on_progress=tell)
    print("restored; prove it with scidex audit")
