"""Commands that read the market: its book, a quote, a bid's fate, a wallet."""

from __future__ import annotations

from typing import Annotated

import typer

from scidex.cli.options import POOL, DatabaseOption, JsonOption, KeyOption, PoolOption, UrlOption


def book(
    pool: PoolOption = POOL,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many of each.")] = 20,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the order book: open bids, best first, and slots on offer, soonest first."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_json, print_rows

    with market_at(db, url, key) as market:
        found = market.get_order_book(pool=pool, limit=limit)
    if as_json:
        print_json(found)
        return
    print_rows(found["bids"], ("id", "bidder_id", "task_id", "max_price_tokens", "time_in_force"))
    print_rows(found["asks"], ("slot_id", "provider_id", "reserve_price_tokens", "available_at"))


def quote(
    probability: Annotated[float, typer.Option(help="The chance to win, above 0 and below 1.")] = 0.9,
    pool: PoolOption = POOL,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what to bid to win the next round with a chance."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_json

    with market_at(db, url, key) as market:
        found = market.quote(probability, pool=pool)
    if as_json:
        print_json(found._asdict())
    else:
        print(f"{found.max_price_tokens:,} tokens ({found.basis}; {found.rounds_seen} rounds seen)")


def explain(
    bid_id: Annotated[int, typer.Argument(help="The bid's number.")],
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why a bid won or lost, and the price that would have won."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_json

    with market_at(db, url, key) as market:
        found = market.explain(bid_id)
    if as_json:
        print_json(found._asdict())
    else:
        print(found.sentence)


def wallet(
    account_id: Annotated[str, typer.Argument(help="The account.")],
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an account's tokens, and its latest transfers."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_json, print_rows

    with market_at(db, url, key) as market:
        balance = market.get_balance(account_id)
        transfers = [one._asdict() for one in market.get_transfers(account_id, limit=20)]
    if as_json:
        print_json({**balance._asdict(), "available": balance.available, "transfers": transfers})
        return
    print(f"{balance.balance:,} tokens: {balance.held:,} set aside, {balance.available:,} available")
    print_rows(transfers, ("made_at", "debit_account_id", "credit_account_id", "amount_tokens", "reason"))


def timeline(
    slot_id: Annotated[str, typer.Argument(help="The slot, or an assignment.")],
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the steps of a run: offered, won, leased, started, ended, settled."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_rows

    with market_at(db, url, key) as market:
        told = [event._asdict() for event in market.timeline(slot_id)]
    print_rows(told, ("at", "event", "note"), as_json=as_json)


def sweep(
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """End leases that ran out and workers not heard of, and seal the journal; servers do so anyway."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_json

    with market_at(db, url, key) as market:
        swept = {**market.sweep()._asdict(), "entries_sealed": market.seal_journal()}
    if as_json:
        print_json(swept)
    else:
        print(", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in swept.items()))
