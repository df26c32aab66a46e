"""Commands that act in the auction: bid, cancel, offer slots, clear a round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from scidex.cli.commands import command
from scidex.cli.help import Command, Group
from scidex.cli.options import POOL, IdempotencyOption, PoolOption
from scidex.cli.session import Session
from scidex.cli.times import instant

if TYPE_CHECKING:
    from scidex.records import Round

slots = typer.Typer(cls=Group, help="Slots: offer or withdraw them.", no_args_is_help=True)

CLEARS = ("slot_id", "winning_task_id", "bidder_id", "clearing_price_tokens", "winning_premium_tokens")
_ASKS = ("slot_id", "provider_id", "reserve_price_tokens", "available_at")

BidNumber = Annotated[str, typer.Argument(metavar="BID_ID", help="The bid's number.")]


def number_of(text: str) -> int:
    """Return a bid's or a round's number as it was printed, with its commas. Raises BadParameter."""
    digits = text.replace(",", "").removeprefix("bid ").removeprefix("#").strip()
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 18):
        raise typer.BadParameter(f"{text!r} is not a number", param_hint="BID_ID")
    return int(digits)


@command("scidex bid write 300 --as agent:ada", "scidex bid write 300 --as agent:ada --rest --ttl 2h")
def bid(
    session: Session,
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
    idempotency_key: IdempotencyOption = None,
) -> None:
    """Bid for the next slot; the most that this can come to cost is set aside. Bid again to change the price."""
    if bidder is None and not session.is_served:
        raise typer.BadParameter("must be given, unless --url is", param_hint="--as")
    placed = session.market.place_bid(
        bidder,
        task_id,
        max_price,
        expected_value_usd=value_usd,
        ttl_at=instant(ttl, "--ttl"),
        pool=pool,
        time_in_force="gtt" if rest else "round",
        idempotency_key=idempotency_key,
    )
    session.show(placed, f"bid {placed.id}: {placed.max_price_tokens:,} tokens for {task_id}, by {placed.bidder_id}")


@command("scidex cancel 17")
def cancel(session: Session, bid_id: BidNumber) -> None:
    """Cancel an open bid; what it set aside is free at once."""
    cancelled = session.market.cancel_bid(number_of(bid_id))
    session.show(cancelled, f"bid {cancelled.id} is cancelled")


@slots.command("offer", cls=Command)
@command("scidex slots offer 4 --reserve 10", "scidex slots offer 1 --available 2h --expires 6h")
def offer(
    session: Session,
    count: Annotated[int, typer.Argument(help="The number of like slots.")] = 1,
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
    idempotency_key: IdempotencyOption = None,
) -> None:
    """Offer slots, each sold once, at no less than the reserve."""
    available_at, expires_at = instant(available, "--available"), instant(expires, "--expires")
    offered = session.market.offer_slots(
        count,
        available_at=available_at,
        pool=pool,
        reserve_price_tokens=reserve,
        provider_id=provider,
        expires_at=expires_at,
        token_allowance=allowance,
        max_seconds=max_seconds,
        idempotency_key=idempotency_key,
    )
    session.table(offered, _ASKS)


@slots.command("withdraw", cls=Command)
@command("scidex slots withdraw slot-17")
def withdraw(session: Session, slot_id: Annotated[str, typer.Argument(help="A slot that is not sold.")]) -> None:
    """Take an unsold slot off the market."""
    withdrawn = session.market.withdraw_slot(slot_id)
    session.show(withdrawn, f"{withdrawn.slot_id} is withdrawn")


@command("scidex clear --dry-run", "scidex clear --pool gpu")
def clear(
    session: Session,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    pool: PoolOption = POOL,
) -> None:
    """Sell the slots that are available now to the best bids, at one price."""
    cleared = session.market.clear_round(pool=pool, dry_run=dry_run)
    session.show(cleared, in_words(cleared, dry_run=dry_run))
    if cleared.clears and not session.as_json:
        session.table(cleared.clears, CLEARS)


def in_words(cleared: Round, *, dry_run: bool) -> str:
    """Return what a round came to, in a sentence."""
    if cleared.round_id is None:
        return f"No slot of pool {cleared.pool} is on offer now: no round was held, and bids stay open."
    kind = "a round now would sell" if dry_run else f"round {cleared.round_id} sold"
    price = "" if cleared.clearing_price_tokens is None else f", at {cleared.clearing_price_tokens:,} tokens each"
    return f"{kind} {cleared.sold} of {cleared.slots} slots to {cleared.bids} bids{price}"
