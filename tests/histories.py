"""What may happen to a market, as data: steps that can be told to several databases and drawn by chance."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from hypothesis import strategies as st

from scidex.errors import ScidexError
from scidex.exchange import compute_auction, leases, sealing, services, sweeper, token_ledger, workers
from scidex.exchange.work import leases as work_leases
from scidex.exchange.work import workers as work_workers
from scidex.records import Bid, Clear, Round
from scidex.store import Database
from scidex.store.db_writes import execute_journaled

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
AGENTS = ("ada", "bob", "eve")
PROVIDER = "wim"
JUDGE = "judge"
GRANT = 200
POOLS = ("scidex-agent", "gpu", "draw", "fleet")
# Workers of the provider's in the last pool: one that may be silent for five minutes, and one for a day.
WORKERS = {"silent": 300.0, "heard": 86_400.0}

Step = tuple[Any, ...]
"""A verb's name and what it is told; bids and slots are told by their place among those made so far."""


@dataclass
class History:
    """One database, what its past steps made, and its time."""

    db: Database
    now: datetime = NOON
    steps: int = 0
    bids: list[int] = field(default_factory=list)
    slots: list[str] = field(default_factory=list)

    def open(self) -> None:
        """Set up what the steps take for granted: three agents, a provider of their kind, a judge, and three pools."""
        with same_chance(0), mock.patch.object(type(self.db), "now", return_value=NOON):
            compute_auction.ensure_schema(db=self.db)
            compute_auction.create_pool("gpu", mechanism="mcafee", now=NOON, db=self.db)
            compute_auction.create_pool("draw", tie_rule="lottery", now=NOON, db=self.db)
            compute_auction.create_pool("fleet", now=NOON, db=self.db)
        for name in (*AGENTS, PROVIDER):
            kind, owner = ("worker", "ada's lab") if name == PROVIDER else ("agent", None)
            token_ledger.create_account(name, kind, owner, now=NOON, db=self.db)
        token_ledger.create_account(JUDGE, "evaluator", now=NOON, db=self.db)
        for name in AGENTS:
            token_ledger.mint(name, GRANT, now=NOON, db=self.db)

    def take(self, step: Step) -> Any:
        """Take a step; return its answer, or its refusal."""
        verb, *told = step
        self.steps += 1
        try:
            # Lotteries are drawn alike wherever the same step is taken.
            with same_chance(self.steps):
                return getattr(self, verb)(*told)
        except ScidexError as refusal:
            return refusal

    # --- the steps

    def tick(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    def bid(self, who: int, task: int, price: int, pool: int, rests: bool, minutes: int, key: int | None) -> Bid:
        placed = compute_auction.place_bid(
            **self._terms(who, task, price, pool, rests, minutes, key), now=self.now, db=self.db
        )
        self._note([placed])
        return placed

    def batch(self, *bids: tuple[Any, ...]) -> list[Bid]:
        placed = compute_auction.place_bids([self._terms(*bid) for bid in bids], now=self.now, db=self.db)
        self._note(placed)
        return placed

    def cancel(self, bid: int) -> Bid:
        return compute_auction.cancel_bid(self._bid(bid), now=self.now, db=self.db)

    def offer(self, count: int, reserve: int, pool: int, by_provider: bool, minutes: int | None) -> list[Any]:
        asks = compute_auction.offer_slots(
            count,
            pool=POOLS[pool],
            reserve_price_tokens=reserve,
            provider_id=PROVIDER if by_provider else "system:treasury",
            expires_at=None if minutes is None else self.now + timedelta(minutes=minutes),
            now=self.now,
            db=self.db,
        )
        self.slots += [ask.slot_id for ask in asks]
        return asks

    def withdraw(self, slot: int) -> Any:
        return compute_auction.withdraw_slot(self._slot(slot), now=self.now, db=self.db)

    def clear(self, pool: int) -> Round:
        return compute_auction.clear_round(self.now, pool=POOLS[pool], db=self.db)

    def try_clear(self, pool: int) -> Round:
        return compute_auction.clear_round(self.now, pool=POOLS[pool], dry_run=True, db=self.db)

    def settle(self, slot: int, cost: int, impact: float | None) -> Clear:
        return compute_auction.settle(self._slot(slot), cost, impact, now=self.now, db=self.db)

    def attest(self, slot: int, impact: float) -> Clear:
        return compute_auction.attest(self._slot(slot), impact, JUDGE, now=self.now, db=self.db)

    def void(self, slot: int) -> Clear:
        return compute_auction.void(self._slot(slot), now=self.now, db=self.db)

    def refund(self) -> int:
        return compute_auction.refund_unfilled(self.now, db=self.db)

    def write_down(self, most: int) -> int:
        return compute_auction.write_decided_bids(most=most, now=self.now, db=self.db)

    def mint(self, who: int, amount: int) -> Any:
        return token_ledger.mint(AGENTS[who], amount, now=self.now, db=self.db)

    def burn(self, who: int, amount: int) -> Any:
        return token_ledger.burn(AGENTS[who], amount, now=self.now, db=self.db)

    def give(self, who: int, whom: int, amount: int) -> Any:
        return token_ledger.transfer(AGENTS[who], AGENTS[whom], amount, now=self.now, db=self.db)

    # --- the steps of workers

    def enlist(self, who: str) -> Any:
        # The first works for the treasury, the others sell for their own account.
        whose = "system:treasury" if who == min(WORKERS) else PROVIDER
        terms = {"pool": "fleet", "seats": 9, "lease_seconds": WORKERS[who], "provider_id": whose}
        return workers.register_worker(who, PROVIDER, **terms, now=self.now, db=self.db)

    def seats(self, who: str, wanted: int) -> Any:
        return workers.keep_offers(who, wanted, now=self.now, db=self.db)

    def check_in(self, who: str) -> Any:
        return workers.check_in(who, [held.fence for held in leases.held_by(who, db=self.db)], now=self.now, db=self.db)

    def stop(self, who: str) -> Any:
        return execute_journaled(self.db, work_workers.stop_worker, {"worker_id": who}, now=self.now)

    def lose(self, who: str) -> Any:
        return execute_journaled(self.db, work_workers.lose_worker, {"worker_id": who}, now=self.now)

    def clear_away(self, who: str) -> Any:
        with self.db.reading() as tx:
            slots = [slot for of in work_workers.slots_of(tx, who) for slot in of]
        told = {"slot_id": slots[0], "worker_id": who}
        return execute_journaled(self.db, work_workers.clear_away_slot, told, now=self.now)

    def lease(self, who: str) -> Any:
        return leases.lease_next(who, now=self.now, db=self.db)

    def finish(self, who: str, cost: int) -> Any:
        held = leases.held_by(who, db=self.db)[0]
        terms = {"succeeded": True, "actual_cost_tokens": cost, "fence": held.fence}
        return services.finish(held.assignment, **terms, now=self.now, db=self.db)

    def give_back(self, who: str) -> Any:
        held = leases.held_by(who, db=self.db)[0]
        return services.give_back(held.assignment, fence=held.fence, now=self.now, db=self.db)

    def expire(self, who: str) -> Any:
        held = leases.held_by(who, db=self.db)[0]
        told = {"run_id": held.assignment.assignment_id, "fence": held.fence, "source": held.assignment.source}
        return execute_journaled(self.db, work_leases.expire_lease, told, now=self.now)

    def void_held(self, who: str) -> Any:
        held = leases.held_by(who, db=self.db)[0]
        return compute_auction.void(held.assignment.assignment_id, now=self.now, db=self.db)

    def seal(self) -> int:
        return sealing.seal_journal(now=self.now, db=self.db)

    def sweep(self) -> Any:
        return sweeper.sweep(self.now, db=self.db)

    # --- what they are told by

    def _terms(
        self, who: int, task: int, price: int, pool: int, rests: bool, minutes: int, key: int | None
    ) -> dict[str, Any]:
        return {
            "bidder_id": AGENTS[who],
            "task_id": f"task-{task}",
            "max_price_tokens": price,
            "expected_value_usd": float(task),
            "ttl_at": NOON + timedelta(minutes=minutes),
            "pool": POOLS[pool],
            "time_in_force": "gtt" if rests else "round",
            "idempotency_key": None if key is None else f"key-{key}",
        }

    def _note(self, placed: Iterable[Bid]) -> None:
        self.bids += [bid.id for bid in placed if bid.id not in self.bids]

    def _bid(self, place: int) -> int:
        return self.bids[place % len(self.bids)] if self.bids else 10**9

    def _slot(self, place: int) -> str:
        return self.slots[place % len(self.slots)] if self.slots else "slot-none"


@contextmanager
def same_chance(seed: int) -> Iterator[None]:
    """Make lottery seeds and fence numbers that depend on `seed` alone."""
    chance = random.Random(seed)
    drawn = {"token_hex": lambda size: chance.randbytes(size).hex(), "randbelow": chance.randrange}
    with mock.patch.multiple(secrets, **drawn):
        yield


# --- steps by chance

_small = st.integers(0, 40)
_bids = st.tuples(
    st.integers(0, 2),
    st.integers(0, 6),
    st.one_of(st.sampled_from([10, 20, 40]), st.integers(1, 120)),
    st.sampled_from([0, 0, 0, 1, 2]),
    st.booleans(),
    st.integers(0, 90),
    st.one_of(st.none(), st.none(), st.integers(0, 2)),
)

STEPS: dict[str, st.SearchStrategy[Any]] = {
    "tick": st.tuples(st.integers(1, 20)),
    "bid": _bids,
    "batch": st.lists(_bids, min_size=1, max_size=4).map(tuple),
    "cancel": st.tuples(_small),
    "offer": st.tuples(
        st.integers(1, 3),
        st.sampled_from([0, 0, 0, 15, 50]),
        st.sampled_from([0, 0, 0, 1, 2]),
        st.booleans(),
        st.one_of(st.none(), st.integers(1, 30)),
    ),
    "withdraw": st.tuples(_small),
    "clear": st.tuples(st.sampled_from([0, 0, 1, 2])),
    "try_clear": st.tuples(st.sampled_from([0, 1, 2])),
    "settle": st.tuples(_small, st.sampled_from([0, 7, 30]), st.sampled_from([None, -1.5, 2.0])),
    "attest": st.tuples(_small, st.sampled_from([0.01, 0.05, 0.2])),
    "void": st.tuples(_small),
    "refund": st.tuples(),
    "write_down": st.tuples(st.sampled_from([1, 100])),
    "mint": st.tuples(st.integers(0, 2), st.integers(1, 90)),
    "burn": st.tuples(st.integers(0, 2), st.integers(1, 150)),
    "give": st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 150)),
}


def steps() -> st.SearchStrategy[Step]:
    """Draw any step, those that make things happen more often."""
    often = ("bid", "bid", "bid", "batch", "offer", "clear", "clear", "settle")
    return st.one_of([st.tuples(st.just(verb), STEPS[verb]).map(_joined) for verb in (*STEPS, *often)])


def _joined(drawn: tuple[str, tuple[Any, ...]]) -> Step:
    verb, told = drawn
    return (verb, *told)


# To go before a tick of ten minutes: then one worker's lease has run out, and the other holds one; slots of both wait,
# and are on offer.
AT_WORK: tuple[Step, ...] = (
    ("enlist", "silent"),
    ("enlist", "heard"),
    ("seats", "silent", 2),
    ("seats", "heard", 3),
    ("bid", 0, 20, 4, 3, False, 90, None),
    ("bid", 0, 21, 4, 3, False, 90, None),
    ("bid", 1, 22, 4, 3, False, 90, None),
    ("bid", 1, 23, 4, 3, False, 90, None),
    ("bid", 1, 24, 4, 3, False, 90, None),
    ("clear", 3),
    ("lease", "silent"),
    ("lease", "heard"),
    ("seats", "silent", 3),
    ("seats", "heard", 4),
)


# A history in which everything happens once: every verb, every refusal that leaves a mark, every end of a bid.
SCRIPT: tuple[Step, ...] = (
    ("bid", 0, 0, 50, 0, False, 90, 0),
    ("bid", 0, 0, 50, 0, False, 90, 0),  # the same again
    ("bid", 0, 0, 40, 0, False, 90, 0),  # another under the same key
    ("bid", 1, 1, 40, 0, False, 90, None),
    ("bid", 1, 1, 45, 0, False, 90, None),  # amended
    ("bid", 2, 2, 45, 0, True, 90, None),  # a tie, and one that rests
    ("bid", 2, 2, 999, 0, True, 90, None),  # more than the wallet has
    ("batch", (1, 3, 30, 0, True, 90, None), (2, 3, 35, 0, True, 90, 1)),  # two for one task
    ("batch", (0, 4, 10, 2, False, 90, None), (1, 5, 10, 2, False, 90, None), (2, 6, 10, 2, False, 90, None)),
    ("bid", 0, 5, 20, 1, False, 90, None),
    ("bid", 1, 6, 10, 1, False, 90, None),
    ("bid", 0, 6, 5, 0, False, 10, None),  # expires
    ("bid", 2, 4, 5, 0, True, 10, None),  # expires while it rests
    ("bid", 1, 4, 7, 0, False, 90, None),
    ("cancel", 12),
    ("try_clear", 0),
    ("offer", 2, 0, 0, False, None),
    ("offer", 1, 50, 0, True, None),  # dearer than any bid that is left
    ("offer", 1, 0, 0, False, 5),  # ends
    ("offer", 2, 0, 2, False, None),
    ("offer", 3, 1, 1, False, None),
    ("offer", 1, 0, 0, False, None),
    ("withdraw", 9),
    ("tick", 20),
    ("try_clear", 0),
    ("refund",),
    ("clear", 0),
    ("clear", 0),  # a round in which nothing trades
    ("clear", 1),
    ("clear", 2),
    ("write_down", 1),
    ("settle", 0, 30, 2.0),
    ("settle", 0, 30, 2.0),  # the same again
    ("settle", 0, 7, 2.0),  # other numbers
    ("attest", 0, 0.05),
    ("attest", 0, 0.01),
    ("void", 1),
    ("void", 1),
    ("settle", 1, 30, 2.0),  # after it was voided
    ("settle", 4, 0, None),
    ("settle", 2, 7, None),  # never sold
    ("give", 0, 1, 60),
    ("burn", 1, 20),
    ("burn", 1, 9_999),
    ("mint", 2, 33),
    ("bid", 2, 1, 120, 0, True, 90, None),
    ("bid", 2, 0, 60, 0, True, 90, None),
    ("offer", 1, 0, 0, True, None),
    ("clear", 0),
    ("give", 1, 2, 20),
    ("clear", 0),
    ("write_down", 100),
    ("mint", 0, 90),
    ("mint", 1, 90),
    ("bid", 0, 0, 25, 0, False, 90, None),
    ("bid", 1, 2, 25, 0, True, 90, None),  # rests, so it stands before the round's at the same price
    ("offer", 1, 0, 0, False, None),
    ("clear", 0),
    ("tick", 100),
    ("refund",),
)


def told(db: Database, script: Iterable[Step], check: Callable[[History], None] = lambda _: None) -> History:
    """Tell a whole history to a database."""
    history = History(db)
    history.open()
    for step in script:
        history.take(step)
        check(history)
    return history
