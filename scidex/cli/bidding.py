"""Commands that act in the auction: bid, cancel, offer slots, clear a round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from scidex.cli.options import POOL, DatabaseOption, JsonOption, KeyOption, PoolOption, UrlOption
from scidex.cli.times import instant

if TYPE_CHECKING:
    from scidex.records import Round

slots = typer.Typer(help="Slots: offer them.", no_args_is_help=True)

_SALES = ("slot_id", "winning_task_id", "bidder_id", "clearing_price_tokens", "winning_premium_tokens")

RepeatOption = Annotated[
    str | None,
    typer.Option("--idempotency-key", help="Given again with the same terms, nothing happens.", show_default=False),
]


@slots.callback()
def _slots() -> None:
    """Slots: offer them."""


def bid(
    task_id: Annotated[str, typer.Argument(help="The task that the slot is for.")],
    max_price: Annotated[int, typer.Argument(metavar="TOKENS", help="The most to pay for the slot.")],
    bidder: Annotated[
        str | None,
        typer.Option("--as", help="The account that bids; with --url the key's own unless given.", show_default=False),
    ] = None,
    value_usd: Annotated[float, typer.Option(help="What the task is worth, in USD.")] = 0.0,
    ttl: Annotated[
        str | None,
        typer.Option(help="How long the bid stands: 2h, or 2027-01-31T00:00:00Z. A day unless given."),
    ] = None,
    rest: Annotated[bool, typer.Option("--rest", help="Stay in the book after a lost round, until that time.")] = False,
    pool: PoolOption = POOL,
    idempotency_key: RepeatOption = None,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bid for the next slot; the most that this can come to cost is set aside. Bid again to change the price."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_json

    if bidder is None and url is None:
        raise typer.BadParameter("must be given, unless --url is", param_hint="--as")
    ends_at = instant(ttl, "--ttl")
    with market_at(db, url, key) as market:
        placed = market.place_bid(
            bidder,
            task_id,
            max_price,
            expected_value_usd=value_usd,
            ttl_at=ends_at,
            pool=pool,
            time_in_force="gtt" if rest else "round",
            idempotency_key=idempotency_key,
        )
    if as_json:
        print_json(placed._asdict())
    else:
        print(f"bid {placed.id}: {placed.max_price_tokens:,} tokens for {task_id}, by {placed.bidder_id}")


def cancel(
    bid_id: Annotated[int, typer.Argument(help="The bid's number.")],
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cancel an open bid; what it set aside is free at once."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_json

    with market_at(db, url, key) as market:
        cancelled = market.cancel_bid(bid_id)
    if as_json:
        print_json(cancelled._asdict())
    else:
        print(f"bid {bid_id} is cancelled")


@slots.command("offer")
def offer(
    count: Annotated[int, typer.Argument(help="How many like slots.")] = 1,
    reserve: Annotated[int, typer.Option(help="Least price of a slot, in tokens.")] = 0,
    provider: Annotated[
        str | None,
        typer.Option(
            "--as", help="The account that provides them; the treasury, or the key's own.", show_default=False
        ),
    ] = None,
    available: Annotated[
        str | None, typer.Option(help="From when they can be sold: 2h, or an instant. Now unless given.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="Until when they can be sold: 2h, or an instant. For ever unless given.")
    ] = None,
    allowance: Annotated[int | None, typer.Option(help="Tokens that a run may use.", show_default=False)] = None,
    max_seconds: Annotated[int | None, typer.Option(help="Time that a run may take.", show_default=False)] = None,
    pool: PoolOption = POOL,
    idempotency_key: RepeatOption = None,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Offer slots, each sold once, at no less than the reserve."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_rows

    whose = {} if provider is None else {"provider_id": provider}
    available_at, expires_at = instant(available, "--available"), instant(expires, "--expires")
    with market_at(db, url, key) as market:
        offered = market.offer_slots(
            count,
            available_at=available_at,
            pool=pool,
            reserve_price_tokens=reserve,
            expires_at=expires_at,
            token_allowance=allowance,
            max_seconds=max_seconds,
            idempotency_key=idempotency_key,
            **whose,
        )
    columns = ("slot_id", "provider_id", "reserve_price_tokens", "available_at")
    print_rows([ask._asdict() for ask in offered], columns, as_json=as_json)


def clear(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    pool: PoolOption = POOL,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sell the slots that are available now to the best bids, at one price."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_json, print_rows

    with market_at(db, url, key) as market:
        cleared = market.clear_round(pool=pool, dry_run=dry_run)
    sales = [sale._asdict() for sale in cleared.clears]
    if as_json:
        print_json({**cleared._asdict(), "clears": sales})
        return
    print(in_words(cleared, dry_run=dry_run))
    if sales:
        print_rows(sales, _SALES)


def in_words(cleared: Round, *, dry_run: bool) -> str:
    """Return what a round came to, in a sentence."""
    if cleared.round_id is None:
        return f"No slot of pool {cleared.pool} is on offer now: no round was held, and bids stay open."
    kind = "a round now would sell" if dry_run else f"round {cleared.round_id} sold"
    price = "" if cleared.clearing_price_tokens is None else f", at {cleared.clearing_price_tokens:,} tokens each"
    return f"{kind} {cleared.sold} of {cleared.slots} slots to {cleared.bids} bids{price}"
