"""A pool at one moment: its rounds, seats, prices and spending, what runs, and what waits and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from scidex.clock import utc_now
from scidex.errors import NotAllowed, ScidexError, UnknownTask
from scidex.market import Market
from scidex.records import Bid, Clear, CostReport, CycleStatus, Task, Worker

_MOST_ROWS = 50
_MOST_TITLES = 20
_LIVE = frozenset({"won", "running"})

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Waiting:
    """A task that waits: what is bid for it, or what keeps it back."""

    task_id: str
    title: str
    status: str
    price_tokens: int | None
    why: str
    bid_id: int | None


@dataclass(frozen=True)
class Running:
    """A task that runs in a slot that was sold, or outside the auction."""

    task_id: str
    title: str
    slot_id: str
    status: str
    price_tokens: int | None
    started_at: datetime | None


@dataclass(frozen=True)
class Snapshot:
    """What a pool looked like at one moment; None where the key may not see it."""

    at: datetime
    pool: str
    pools: tuple[str, ...]
    status: CycleStatus
    stats: dict[str, Any]
    on_offer: int
    workers: tuple[Worker, ...] | None
    costs: CostReport | None
    running: tuple[Running, ...]
    waiting: tuple[Waiting, ...]


@dataclass
class SnapshotReader:
    """Takes snapshots of a market, and remembers the titles of its tasks."""

    market: Market
    _titles: dict[str, str] = field(default_factory=dict)

    def look(self, pool: str) -> Snapshot:
        """Return what a pool looks like now. Raises ScidexError."""
        book = self.market.get_order_book(pool=pool, limit=_MOST_ROWS)
        live = [one for one in self.market.list_clears(pool=pool, limit=_MOST_ROWS) if one.status in _LIVE]
        bids = [Bid(**one) for one in book["bids"]]
        self._learn_titles([*(one.winning_task_id for one in live), *(one.task_id for one in bids)])
        return Snapshot(
            at=utc_now(),
            pool=pool,
            pools=tuple(one.pool for one in self.market.list_pools()),
            status=self.market.cycle_status(pool),
            stats=self.market.get_recent_stats(pool=pool),
            on_offer=len(book["asks"]),
            workers=_if_allowed(lambda: tuple(one for one in self.market.list_workers() if one.pool == pool)),
            costs=_if_allowed(self.market.report_costs),
            running=(*map(self._sold, live), *self._unsold(pool, {one.winning_task_id for one in live})),
            waiting=(*self._bidding(bids, len(book["asks"])), *self._silent(pool, {one.task_id for one in bids})),
        )

    def why(self, one: Waiting) -> str:
        """Return why a task waits, in a sentence or two. Raises ScidexError."""
        bid_id = one.bid_id
        if bid_id is None and one.status == "open":
            bids = self.market.list_task_bids(one.task_id, limit=1)
            bid_id = bids[0].id if bids else None
        if bid_id is None:
            return f"{one.task_id}: {one.why}"
        return f"{one.task_id}: {self.market.explain(bid_id).sentence}"

    def _sold(self, clear: Clear) -> Running:
        return Running(
            task_id=clear.winning_task_id,
            title=self._titles.get(clear.winning_task_id, ""),
            slot_id=clear.slot_id,
            status=clear.status,
            price_tokens=clear.clearing_price_tokens,
            started_at=clear.slot_started_at,
        )

    def _unsold(self, pool: str, sold: set[str]) -> Iterator[Running]:
        """Yield what runs outside the auction, as in the fallback."""
        for task in self.market.list_tasks(status="running", pool=pool, limit=_MOST_ROWS):
            if task.task_id not in sold:
                yield Running(task.task_id, task.title, "", "running", None, task.updated_at)

    def _bidding(self, bids: list[Bid], slots: int) -> Iterator[Waiting]:
        for place, bid in enumerate(bids, start=1):
            why = bid.reason or (
                f"would win: {place} of {slots} slots" if place <= slots else f"is {place} in the book"
            )
            yield Waiting(bid.task_id, self._titles.get(bid.task_id, ""), "open", bid.max_price_tokens, why, bid.id)

    def _silent(self, pool: str, bidding: set[str]) -> Iterator[Waiting]:
        """Yield what waits without an open bid, the most valuable first of what may run, then what is kept back."""
        for status in ("open", "blocked", "held"):
            found = self.market.list_tasks(status=status, pool=pool, limit=_MOST_ROWS)
            for task in sorted(found, key=lambda task: -task.expected_value_usd):
                if task.task_id not in bidding:
                    yield Waiting(task.task_id, task.title, status, None, _what_keeps(task), None)

    def _learn_titles(self, task_ids: list[str]) -> None:
        unknown = [task_id for task_id in dict.fromkeys(task_ids) if task_id not in self._titles]
        for task_id in unknown[:_MOST_TITLES]:
            try:
                self._titles[task_id] = self.market.get_task(task_id).title
            except UnknownTask:
                self._titles[task_id] = ""


def _what_keeps(task: Task) -> str:
    if task.status == "open":
        return f"no bid; worth {task.expected_value_usd:,.2f} USD"
    if task.status == "held":
        return f"held: {task.status_reason}" if task.status_reason else "held"
    return f"waits for {', '.join(task.depends_on)}"


def _if_allowed(read: Callable[[], Answer]) -> Answer | None:
    try:
        return read()
    except NotAllowed:
        return None


def fault_of(error: ScidexError) -> str:
    """Return a refusal as the line that a screen shows."""
    return f"{type(error).__name__}: {error}"
