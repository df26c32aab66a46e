"""`scidex pool …`: the books of slots, and what each is set to."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated

import typer

from scidex.cli.commands import command
from scidex.cli.help import Command, Group
from scidex.cli.options import POOL
from scidex.cli.session import Session

if TYPE_CHECKING:
    from scidex.records import MarketSettings

app = typer.Typer(cls=Group, help="Pools: list them, and show or set what one is set to.", no_args_is_help=True)

_COLUMNS = ("pool", "mechanism", "theta", "tie_rule", "open_round_id")

PoolArgument = Annotated[str, typer.Argument(metavar="POOL", help="The pool of slots.")]


@app.command("list", cls=Command)
@command("scidex pool list")
def list_(session: Session) -> None:
    """List pools by name, and how each clears."""
    session.table(session.market.list_pools(), _COLUMNS)


@app.command("create", cls=Command)
@command("scidex pool create gpu", "scidex pool create gpu --profile generous")
def create(
    session: Session,
    pool: Annotated[str, typer.Argument(metavar="POOL", help="The new pool.")],
    profile: Annotated[str, typer.Option(help="brief, recommended or generous.")] = "recommended",
    mechanism: Annotated[str, typer.Option(help="The clearing rule.")] = "uniform_price",
) -> None:
    """Open a pool and set it to a profile; markets that are up clear it from then on."""
    session.market.create_pool(pool, mechanism=mechanism)
    _show(session, session.market.configure_pool(pool, profile))


@app.command("show", cls=Command)
@command("scidex pool show gpu")
def show(session: Session, pool: PoolArgument = POOL) -> None:
    """Show what a pool is set to."""
    _show(session, session.market.get_market_settings(pool))


@app.command("set", cls=Command)
@command("scidex pool set --set refill_percent=55", "scidex pool set gpu --profile generous")
def set_(
    session: Session,
    pool: PoolArgument = POOL,
    profile: Annotated[
        str | None,
        typer.Option(help="brief, recommended or generous; its present one unless given.", show_default=False),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A value in place of its own; may be given again."),
    ] = None,
) -> None:
    """Set a pool to a profile, or some of its values, from its open round on; without a profile the others stay."""
    from scidex.cli.pairs import pairs
    from scidex.profiles import Profile

    given = pairs(values or [], "--set", {one.name: str(one.type) for one in fields(Profile)})
    if profile is None and not given:
        raise typer.BadParameter("give a profile, or a value by --set", param_hint="--profile")
    if profile is None:
        known = session.market.get_market_settings(pool)
        profile, given = known.profile, {**known.settings, **given}
    _show(session, session.market.configure_pool(pool, profile, **given))


def _show(session: Session, found: MarketSettings) -> None:
    session.show(found, f"pool {found.pool} uses the profile {found.profile}")
    if not session.as_json:
        session.table([{"key": name, "value": value} for name, value in found.settings.items()], ("key", "value"))
