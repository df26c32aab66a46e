"""`scidex pool …`: the books of slots, and what each is set to."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated

import typer

from scidex.cli.options import POOL, DatabaseOption, JsonOption, KeyOption, UrlOption

app = typer.Typer(help="Pools: list them, and say what one is set to.", no_args_is_help=True)

_COLUMNS = ("pool", "mechanism", "theta", "tie_rule", "open_round_id")

PoolArgument = Annotated[str, typer.Argument(metavar="POOL", help="The book of slots.")]


@app.command("list")
def list_(
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List pools by name, and how each clears."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_rows

    with market_at(db, url, key) as market:
        found = market.list_pools()
    print_rows([pool._asdict() for pool in found], _COLUMNS, as_json=as_json)


@app.command("show")
def show(
    pool: PoolArgument = POOL,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a pool is set to."""
    from scidex.cli.markets import market_at

    with market_at(db, url, key) as market:
        _show(market.get_market_settings(pool)._asdict(), as_json=as_json)


@app.command("set")
def set_(
    pool: PoolArgument = POOL,
    profile: Annotated[
        str | None,
        typer.Option(help="brief, recommended or generous; the one it goes by unless given.", show_default=False),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A value in place of its own; may be given again."),
    ] = None,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set a pool to a profile, or some of its values, from its open round on; without a profile the others stay."""
    from scidex.cli.markets import market_at
    from scidex.cli.pairs import pairs
    from scidex.profiles import Profile

    given = pairs(values or [], "--set", {one.name: str(one.type) for one in fields(Profile)})
    if profile is None and not given:
        raise typer.BadParameter("give a profile, or a value by --set", param_hint="--profile")
    with market_at(db, url, key) as market:
        if profile is None:
            known = market.get_market_settings(pool)
            profile, given = known.profile, {**known.settings, **given}
        _show(market.configure_pool(pool, profile, **given)._asdict(), as_json=as_json)


def _show(told: dict[str, object], *, as_json: bool) -> None:
    from scidex.cli.output import print_json, print_rows

    if as_json:
        print_json(told)
        return
    print(f"pool {told['pool']} goes by the profile {told['profile']}")
    settings = told["settings"]
    assert isinstance(settings, dict), "every value by its name"
    print_rows([{"key": name, "value": str(value)} for name, value in settings.items()], ("key", "value"))
