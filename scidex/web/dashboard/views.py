"""What each tab of the dashboard shows, gathered from the exchange's readers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from scidex import mechanism
from scidex.exchange import (
    backlog,
    compute_auction,
    cycle,
    ev_scorer,
    leases,
    runs,
    services,
    token_ledger,
    workers,
)
from scidex.mechanism import Ask as OfferedSlot
from scidex.mechanism import Bid as StandingBid
from scidex.records import Allocation, Balance, Bid, BidderStats, LeaseState, Quest, QuestTrouble, RoundSummary
from scidex.senate import epistemic_health, market_health
from scidex.store import Database
from scidex.web.dashboard import figures

_BOOK_PAGE = 1_000
_BOOK_ROWS = 12
_CHART_POINTS = 480
_TABLE_ROUNDS = 20
_LOST_ROWS = 6
_SLICES = 8
_MOST_QUESTS = 100
_MOST_WALLETS = 100
_MOST_WORKERS = 100
_LATEST_RUNS = 12
_DAYS = 7


class QuestRow(NamedTuple):
    """A quest on the Budget tab."""

    quest: Quest
    slice: int
    share: float
    allocation: Allocation | None
    wallet: Balance
    tasks: Mapping[str, int]
    stats: BidderStats | None
    trouble: QuestTrouble | None


def status(db: Database, pool: str, now: datetime) -> dict[str, Any]:
    """Return what stands above every tab: the pool, its next clearing, what agents use, and what failed."""
    return {
        "cycle": cycle.cycle_status(pool, db=db),
        "pools": [one.pool for one in compute_auction.list_pools(db=db)],
        "endings": market_health.endings(now, db=db),
    }


def auction(db: Database, pool: str, now: datetime) -> dict[str, Any]:
    """Return what the Auction tab shows."""
    stats = compute_auction.get_recent_stats(pool=pool, now=now, db=db)
    book = compute_auction.get_order_book(pool=pool, limit=_BOOK_PAGE, now=now, db=db)
    last, last_bids = _last_round(db, pool)
    lost = [bid for bid in last_bids if bid.status == "lost"][:_LOST_ROWS]
    is_empty = not book["bids"] and not book["asks"]
    shown = [bid["task_id"] for bid in book["bids"][:_BOOK_ROWS]] + [bid.task_id for bid in lost]
    return {
        "stats": stats,
        "prices": _chart(stats["prices"]),
        "recent_rounds": list(reversed(stats["prices"][-_TABLE_ROUNDS:])),
        "price_range": _range(stats["prices"]),
        "quote": compute_auction.quote(pool=pool, now=now, db=db),
        "wins": _with_bars(_with_endings(stats["top_wins"], db)),
        "book": {side: rows[:_BOOK_ROWS] for side, rows in book.items()},
        "book_size": {"bids": market_health.open_bids(pool, db=db), "asks": len(book["asks"])},
        "depth": _depth_of_last(last, last_bids) if is_empty and last and last_bids else _depth(book, now),
        "lost": lost,
        "titles": backlog.get_titles([*shown, *(win["winning_task_id"] for win in stats["top_wins"])], db=db),
        "switches": cycle.list_mode_switches(pool, limit=8, db=db),
    }


def budget(db: Database, pool: str, now: datetime) -> dict[str, Any]:
    """Return what the Budget tab shows: the proportional split, and each quest's wallet and results."""
    allocations = {one.quest_id: one for one in ev_scorer.get_quest_budget_allocation(now, db=db)}
    bucket = sum(one.allocated_tokens for one in allocations.values())
    quests = backlog.list_quests(limit=1_000, db=db)
    stats = {one.bidder_id: one for one in compute_auction.get_bidder_stats(pool=pool, now=now, db=db)}
    tasks = backlog.count_tasks(db=db)
    troubles = {one.quest_id: one for one in ev_scorer.list_quest_troubles(now, db=db)}

    shares = {one.quest_id: one.allocated_tokens / bucket for one in allocations.values() if bucket}
    ranked = sorted(quests, key=lambda quest: (-shares.get(quest.quest_id, 0.0), quest.quest_id))[:_MOST_QUESTS]
    rows = [
        QuestRow(
            quest=quest,
            slice=min(place, _SLICES - 1),
            share=shares.get(quest.quest_id, 0.0),
            allocation=allocations.get(quest.quest_id),
            wallet=token_ledger.get_balance(quest.account_id, db=db),
            tasks=tasks.get(quest.quest_id, {}),
            stats=stats.get(quest.account_id),
            trouble=troubles.get(quest.quest_id),
        )
        for place, quest in enumerate(ranked)
    ]
    days, parts = market_health.income_by_day(pool, days=_DAYS, db=db)
    paid = {quest.quest_id: parts.get(quest.account_id, 0) for quest in quests}
    return {
        "rows": rows,
        "bucket": bucket,
        "slices": _slices({row.quest: row.share for row in rows}),
        "quests": len(quests),
        "days": days,
        "paid": _slices(_shares({quest: paid[quest.quest_id] for quest in quests})),
        "paid_of": paid,
    }


def wallets(db: Database) -> dict[str, Any]:
    """Return what the Wallets tab shows: who has what."""
    totals = market_health.wallet_totals(most=_MOST_WALLETS, db=db)
    return {
        "wallets": totals.fullest,
        "most": max([one.balance for one in totals.fullest], default=0),
        "system": totals.system,
        "count": totals.wallets,
        "in_circulation": totals.in_circulation,
        "held": totals.held,
    }


def fleet(db: Database) -> dict[str, Any]:
    """Return what the Fleet tab shows: workers, what they hold, and the story of the latest runs."""
    everybody = workers.list_workers(ended_too=True, limit=_MOST_WORKERS, db=db)
    totals = market_health.fleet_totals(db)
    latest = leases.list_leases(ended_too=True, limit=_LATEST_RUNS, db=db)
    return {
        "workers": everybody,
        "totals": totals,
        "runs": [_run(one, db) for one in latest],
        "endings": market_health.endings_of([one.run_id for one in latest], db=db),
        "titles": backlog.get_titles([one.task_id for one in latest], db=db),
    }


def _run(lease: LeaseState, db: Database) -> dict[str, Any]:
    return {
        "lease": lease,
        "timeline": services.timeline(lease.run_id, db=db),
        "output": runs.get_output(lease.run_id, db=db),
    }


def health(db: Database, pool: str, now: datetime) -> dict[str, Any]:
    """Return what the Health tab shows: whether the books are right, and whether bidders' claims come true."""
    return {
        "books": token_ledger.verify(db),
        "proved_at": now,
        "claims": epistemic_health.report(pool, now=now, db=db)[:_MOST_WALLETS],
        "cycle": cycle.cycle_status(pool, db=db),
    }


def _chart(prices: Sequence[Mapping[str, Any]]) -> str:
    """Return the prices as two columns, seconds and tokens, for the chart: few enough that each can be seen."""
    points = list(_extremes(prices, _CHART_POINTS))
    columns = [[p["cleared_at"].timestamp() for p in points], [p["clearing_price_tokens"] for p in points]]
    return json.dumps(columns, separators=(",", ":"))


def _extremes(prices: Sequence[Mapping[str, Any]], most: int) -> Iterator[Mapping[str, Any]]:
    """Yield the lowest and the highest price of each of at most `most` / 2 spans, in their order, and the last one."""
    if len(prices) <= most:
        yield from prices
        return
    width = -(-2 * len(prices) // most)
    for start in range(0, len(prices), width):
        span = range(start, min(start + width, len(prices)))
        sold = [place for place in span if prices[place]["clearing_price_tokens"] is not None] or list(span)
        shown = {
            min(sold, key=lambda place: prices[place]["clearing_price_tokens"] or 0),
            max(sold, key=lambda place: prices[place]["clearing_price_tokens"] or 0),
        }
        if span[-1] == len(prices) - 1:
            shown.add(span[-1])
        yield from (prices[place] for place in sorted(shown))


def _range(prices: Iterable[Mapping[str, Any]]) -> tuple[int, int] | None:
    known = [p["clearing_price_tokens"] for p in prices if p["clearing_price_tokens"] is not None]
    return (min(known), max(known)) if known else None


def _with_endings(wins: list[dict[str, Any]], db: Database) -> list[dict[str, Any]]:
    """Return the wins with how their runs ended in place of a bare `settled`: a failed run is settled as well."""
    known = market_health.endings_of([win["slot_id"] for win in wins], db=db)
    return [{**win, "status": known.get(win["slot_id"], (win["status"], ""))[0]} for win in wins]


def _with_bars(wins: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the wins with the lengths of their bars: the bid and the impact, each against the largest of its kind."""
    most_bid = max([win["max_price_tokens"] for win in wins], default=0) or 1
    most_impact = max([abs(win["actual_impact"] or 0.0) for win in wins], default=0.0) or 1.0
    return [
        {
            **win,
            "bid_bar": round(100 * win["max_price_tokens"] / most_bid, 1),
            "impact_bar": round(100 * abs(win["actual_impact"] or 0.0) / most_impact, 1),
        }
        for win in wins
    ]


def _depth(book: Mapping[str, list[dict[str, Any]]], now: datetime) -> dict[str, Any]:
    """Return the figure of a book's depth, and what would be sold at which price if it cleared now."""
    bids = [bid for bid in book["bids"] if not bid["reason"]]
    asks = sorted((ask for ask in book["asks"] if ask["available_at"] <= now), key=_by_reserve)
    clearing = mechanism.clear(
        "uniform_price",
        [StandingBid(b["id"], b["bidder_id"], b["max_price_tokens"], b["sequence"]) for b in bids],
        [OfferedSlot(a["slot_id"], a["provider_id"], a["reserve_price_tokens"]) for a in asks],
    )
    price = None if clearing.price is None else int(clearing.price)
    sold = len(clearing.trades)
    prices = [bid["max_price_tokens"] for bid in bids], [ask["reserve_price_tokens"] for ask in asks]
    figure = figures.depth(*prices, None if price is None else (sold, price))
    return {"figure": figure, "round": None, "price": price, "sold": sold, "bids": len(bids), "asks": len(asks)}


def _depth_of_last(last: RoundSummary, bids: Sequence[Bid]) -> dict[str, Any]:
    """Return the figure of what was asked for in a round that has cleared, for when the book is empty."""
    price = last.clearing_price_tokens
    figure = figures.depth([bid.max_price_tokens for bid in bids], [], None if price is None else (last.sold, price))
    return {"figure": figure, "round": last, "price": price, "sold": last.sold, "bids": last.bids, "asks": last.slots}


def _by_reserve(ask: Mapping[str, Any]) -> tuple[int, int]:
    return ask["reserve_price_tokens"], ask["sequence"]


def _last_round(db: Database, pool: str) -> tuple[RoundSummary | None, list[Bid]]:
    """Return the last round and the best bids that competed in it."""
    for last in compute_auction.list_rounds(pool=pool, limit=1, db=db):
        page = min(max(12, 3 * last.sold) + _LOST_ROWS, _BOOK_PAGE)
        return last, compute_auction.list_round_bids(last.round_id, limit=page, db=db)
    return None, []


def _shares(tokens: Mapping[Quest, int]) -> dict[Quest, float]:
    total = sum(tokens.values())
    ranked = sorted(tokens.items(), key=lambda item: (-item[1], item[0].quest_id))
    return {quest: part / total for quest, part in ranked if total}


def _slices(shares: Mapping[Quest, float]) -> list[dict[str, Any]]:
    """Return the slices of a pie: the largest quests, which come first, and the rest together."""
    with_share = [(quest.title or quest.quest_id, share) for quest, share in shares.items() if share > 0]
    large, rest = with_share[: _SLICES - 1], with_share[_SLICES - 1 :]
    named = [*large, *rest[:1]]
    if len(rest) > 1:
        named[-1] = (f"{len(rest)} others", 1 - sum(share for _, share in large))
    paths = figures.ring([share for _, share in named])
    return [
        {"name": name, "share": share, "path": path, "slice": place}
        for place, ((name, share), path) in enumerate(zip(named, paths, strict=True))
    ]
