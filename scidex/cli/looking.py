"""Commands that read the market: its book, a quote, a bid's fate, a wallet, a run."""

from __future__ import annotations

from typing import Annotated

import typer

from scidex.cli.bidding import number_of
from scidex.cli.commands import command
from scidex.cli.options import POOL, LimitOption, PoolOption
from scidex.cli.session import Session

_BIDS = ("id", "bidder_id", "task_id", "max_price_tokens", "time_in_force")
_ASKS = ("slot_id", "provider_id", "reserve_price_tokens", "available_at")
_TRANSFERS = ("made_at", "debit_account_id", "credit_account_id", "amount_tokens", "reason")


@command("scidex book --pool gpu --limit 5")
def book(session: Session, pool: PoolOption = POOL, limit: LimitOption = 20) -> None:
    """Show the order book: open bids, best first, and slots on offer, soonest first."""
    found = session.market.get_order_book(pool=pool, limit=limit)
    if session.as_json:
        session.show(found, "")
        return
    session.table(found["bids"], _BIDS, empty="No bid is open.")
    session.table(found["asks"], _ASKS, empty="No slot is on offer. Offer one with: scidex agent run, or slots offer")


@command("scidex quote --probability 0.95")
def quote(
    session: Session,
    probability: Annotated[float, typer.Option(help="The chance to win, above 0 and below 1.")] = 0.9,
    pool: PoolOption = POOL,
) -> None:
    """Say what to bid to win the next round with a chance."""
    found = session.market.quote(probability, pool=pool)
    session.show(found, f"{found.max_price_tokens:,} tokens ({found.basis}; {found.rounds_seen} rounds seen)")


@command("scidex explain 17", "scidex explain --task write")
def explain(
    session: Session,
    bid_id: Annotated[str | None, typer.Argument(help="The bid's number.", show_default=False)] = None,
    task: Annotated[str | None, typer.Option(help="The latest bid for this task.", show_default=False)] = None,
) -> None:
    """Say why a bid won or lost, and the price that would have won."""
    if (bid_id is None) == (task is None):
        raise typer.BadParameter("give a bid's number, or --task", param_hint="BID_ID")
    if bid_id is not None:
        number = number_of(bid_id)
    elif latest := session.market.list_task_bids(str(task), limit=1):
        number = latest[0].id
    else:
        session.show(None, f"No bid was placed for task {task} yet. See its state by: scidex task show {task}")
        return
    found = session.market.explain(number)
    session.show(found, found.sentence)


@command("scidex wallet agent:ada")
def wallet(
    session: Session,
    account_id: Annotated[str, typer.Argument(help="The account.")],
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000, help="The number of transfers at most.")] = 20,
) -> None:
    """Show an account's tokens, and its latest transfers."""
    balance = session.market.get_balance(account_id)
    transfers = session.market.get_transfers(account_id, limit=limit)
    told = {**balance._asdict(), "available": balance.available, "transfers": transfers}
    words = f"{balance.balance:,} tokens: {balance.held:,} set aside, {balance.available:,} available"
    session.show(told, words)
    if not session.as_json:
        session.table(transfers, _TRANSFERS, empty=f"No transfers. Issue tokens with: scidex grant {account_id} 1000")


@command("scidex timeline slot-17")
def timeline(session: Session, slot_id: Annotated[str, typer.Argument(help="The slot, or an assignment.")]) -> None:
    """Show the steps of a run: offered, won, leased, started, ended, settled."""
    session.table(session.market.timeline(slot_id), ("at", "event", "note"))


@command("scidex sweep")
def sweep(session: Session) -> None:
    """End leases that ran out and workers that went silent, and seal the journal; servers do so anyway."""
    swept = {**session.market.sweep()._asdict(), "entries_sealed": session.market.seal_journal()}
    session.show(swept, ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in swept.items()))
