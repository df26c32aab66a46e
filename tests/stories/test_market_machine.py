"""
Whatever agents do, in whatever order: the market's promises hold after every step, on both databases alike.

One machine tells the same steps to a market on SQLite and to one on PostgreSQL, keeps the simplest books it can beside
them, and compares the three. At the end of a run it must have seen what it is there to see.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, currently_in_test_context, event, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from scidex.errors import AlreadySettled, InsufficientTokens, ScidexError
from scidex.exchange import compute_auction, token_ledger
from scidex.mechanism.lifecycle import BID_STEPS, may_step
from scidex.records import Bid, Clear, Round
from scidex.store import Database, connect
from scidex.store.migrate import migrate
from tests.databases import assert_journal_tells_all, differences, query
from tests.histories import AGENTS, GRANT, POOLS, PROVIDER, SCRIPT, STEPS, History, Step
from tests.postgres_server import PostgresServer, database_name

EVERYBODY = (*AGENTS, PROVIDER, "system:treasury", "system:issuance")

WANTED = {
    "a bid amended",
    "a bid cancelled",
    "a bid expired",
    "a bid superseded",
    "a bid that lost",
    "a repeat answered alike",
    "a round without a trade",
    "a slot settled",
    "a slot settled twice",
    "a slot voided",
    "a tie for the last slot",
    "a trial round",
    "an overdraft refused",
    "other numbers refused",
}
ALWAYS = {"cancel": "a bid cancelled", "void": "a slot voided", "try_clear": "a trial round"}
SEEN: Counter[str] = Counter()


def saw(what: str) -> None:
    assert what in WANTED, what
    SEEN[what] += 1
    if currently_in_test_context():
        event(what)


class Books:
    """The simplest books: what each has, and what has been settled."""

    def __init__(self) -> None:
        self.balance = dict.fromkeys(EVERYBODY, 0)
        for name in AGENTS:
            self.move("system:issuance", name, GRANT)
        self.bids: dict[int, Bid] = {}
        self.clears: dict[str, Clear] = {}
        self.due: Counter[str] = Counter()
        self.arrears: Counter[str] = Counter()

    def refill(self, clear: Clear) -> None:
        """Issue what attested impact is due, or take back as much of it as is free and remember the rest."""
        assert clear.actual_impact is not None
        name, due = clear.bidder_id, math.floor(Decimal(str(clear.actual_impact)) * 1000 * 70 / 100)
        change, self.due[clear.slot_id] = due - self.due[clear.slot_id], due
        free = self.balance[name] - self.owed(name)
        repaid = min(change, self.arrears[name]) if change > 0 else 0
        moved = change - repaid if change > 0 else max(change, -free)
        self.arrears[name] -= repaid if change > 0 else change - moved
        self.move("system:issuance", name, moved)

    def move(self, debit: str, credit: str, amount: int) -> None:
        self.balance[debit] -= amount
        self.balance[credit] += amount

    def owed(self, name: str) -> int:
        """Return the most that somebody can come to owe: by open bids in each pool, and for slots won."""
        prices: dict[str, list[int]] = defaultdict(list)
        for bid in self.bids.values():
            if bid.bidder_id == name and bid.status == "open" and bid.reason != "suspended":
                prices[bid.pool].append(bid.max_price_tokens)
        won = sum(c.clearing_price_tokens for c in self.clears.values() if c.bidder_id == name and c.status == "won")
        return won + sum(
            max(n * price for n, price in enumerate(sorted(of_pool, reverse=True), start=1))
            for of_pool in prices.values()
        )

    def best_bids(self, cleared: Round) -> list[int] | None:
        """Return who should win a round, best first; None where that hangs on what tokens covered just then."""
        open_bids = [bid for bid in self.bids.values() if bid.pool == cleared.pool and bid.status == "open"]
        if any(bid.reason == "suspended" for bid in open_bids):
            return None
        tasks = {clear.winning_task_id for clear in self.clears.values() if clear.status == "won"}
        best = []
        for bid in sorted(open_bids, key=lambda b: (-b.max_price_tokens, b.time_in_force == "round", b.sequence)):
            if bid.ttl_at > cleared.cleared_at and bid.task_id not in tasks:
                tasks.add(bid.task_id)
                best.append(bid.id)
        return best


class Market:
    """Both markets, told the same steps, and the simple books beside them."""

    def __init__(self, sqlite: Database, postgres: Database) -> None:
        self.histories = [History(sqlite), History(postgres)]
        for history in self.histories:
            history.open()
        self.books = Books()

    @property
    def db(self) -> Database:
        return self.histories[0].db

    def take(self, step: Step) -> Any:
        """Take a step on both databases; they answer the same, and the books follow."""
        clear_before = self._clear_named(step)
        answer, other = (history.take(step) for history in self.histories)
        assert type(answer) is type(other), step
        assert str(answer) == str(other), step
        self._follow(step, answer, clear_before)
        self._notice(step, answer, clear_before)
        self._refresh()
        return answer

    def _clear_named(self, step: Step) -> Clear | None:
        if step[0] in ("settle", "void"):
            return self.books.clears.get(self.histories[0]._slot(step[1]))
        return None

    def _follow(self, step: Step, answer: Any, before: Clear | None) -> None:
        books, verb = self.books, step[0]
        if isinstance(answer, ScidexError):
            return
        if verb == "mint":
            books.move("system:issuance", AGENTS[step[1]], step[2])
        elif verb == "burn":
            books.move(AGENTS[step[1]], "system:issuance", step[2])
        elif verb == "give":
            books.move(AGENTS[step[1]], AGENTS[step[2]], step[3])
        elif verb == "settle" and before is not None and before.status == "won":
            rest = answer.clearing_price_tokens - answer.provider_proceeds_tokens
            books.move(answer.bidder_id, answer.provider_id, answer.provider_proceeds_tokens)
            books.move(answer.bidder_id, "system:treasury", rest)
        elif verb == "attest":
            books.refill(answer)
        elif verb == "clear":
            self._check_round(answer)
            books.clears.update({clear.slot_id: clear for clear in answer.clears})

    def _check_round(self, cleared: Round) -> None:
        """One price for all, within each winner's bid and at no less than what any loser would have paid."""
        if cleared.round_id is None:
            return
        assert cleared.sold <= cleared.slots
        assert len({clear.winning_task_id for clear in cleared.clears}) == cleared.sold
        for history in self.histories:
            assert compute_auction.recompute(cleared.round_id, db=history.db) == cleared
        if cleared.mechanism != "uniform_price":
            return
        if cleared.tie_rule == "arrival":
            best = self.books.best_bids(cleared)
            assert best is None or {clear.bid_id for clear in cleared.clears} == set(best[: cleared.sold])
        price = cleared.clearing_price_tokens
        assert {clear.clearing_price_tokens for clear in cleared.clears} <= {price}
        assert all(clear.max_price_tokens >= clear.clearing_price_tokens for clear in cleared.clears)
        if cleared.runner_up_bid_id is not None and price is not None:
            assert self.books.bids[cleared.runner_up_bid_id].max_price_tokens <= price

    def _notice(self, step: Step, answer: Any, before: Clear | None) -> None:
        verb = step[0]
        if isinstance(answer, InsufficientTokens):
            saw("an overdraft refused")
        elif isinstance(answer, AlreadySettled) and verb == "settle":
            saw("other numbers refused")
        if isinstance(answer, ScidexError):
            return
        if verb in ALWAYS:
            saw(ALWAYS[verb])
        elif verb == "bid":
            self._notice_bid(answer, keyed=step[-1] is not None)
        elif verb == "settle" and before is not None:
            saw("a slot settled" if before.status == "won" else "a slot settled twice")
        elif verb == "clear" and answer.round_id is not None:
            self._notice_round(answer)

    def _notice_bid(self, bid: Bid, *, keyed: bool) -> None:
        known = self.books.bids.get(bid.id)
        if known is not None and keyed and known.placed_at == bid.placed_at:
            saw("a repeat answered alike")
        elif known is not None and known.max_price_tokens != bid.max_price_tokens:
            saw("a bid amended")

    def _notice_round(self, cleared: Round) -> None:
        if cleared.sold == 0:
            saw("a round without a trade")
        lowest = min((clear.max_price_tokens for clear in cleared.clears), default=None)
        runner_up = cleared.clears[0].runner_up_price_tokens if cleared.clears else None
        if lowest is not None and runner_up == lowest:
            saw("a tie for the last slot")

    def _refresh(self) -> None:
        """Read every bid and every sale again; each may only have gone where its state lets it go."""
        books, history = self.books, self.histories[0]
        for bid_id in history.bids:
            bid = compute_auction.get_bid(bid_id, db=history.db)
            was = books.bids.get(bid_id)
            if was is not None and was.status != bid.status:
                # A clear may have been settled in the same step that a reader first sees it won.
                assert may_step(BID_STEPS, was.status, bid.status), (was, bid)
                if bid.status == "expired":
                    saw("a bid expired")
                if bid.status == "lost":
                    saw("a bid that lost")
            if bid.reason == "superseded" and (was is None or was.reason != "superseded"):
                saw("a bid superseded")
            books.bids[bid_id] = bid
        for clear in books.clears.values():
            stands = books.bids[clear.bid_id].status
            books.clears[clear.slot_id] = clear._replace(status=stands)

    # --- the promises

    def check(self) -> None:
        for history in self.histories:
            self._check_wallets(history.db)
        self._check_sales()

    def _check_wallets(self, db: Database) -> None:
        report = token_ledger.verify(db)
        assert report.ok, report.problems
        wallets = [token_ledger.get_balance(name, db=db) for name in EVERYBODY]
        assert sum(wallet.balance for wallet in wallets) == 0
        assert {wallet.account_id: wallet.balance for wallet in wallets} == self.books.balance
        for wallet in wallets:
            assert wallet.account_id == "system:issuance" or 0 <= wallet.held <= wallet.balance
            assert wallet.held == self.books.owed(wallet.account_id), wallet

    def _check_sales(self) -> None:
        paid = Counter(reason for (reason,) in query(self.db, "SELECT reason FROM token_transfers"))
        for clear in self.books.clears.values():
            shares = {clear.provider_proceeds_tokens, clear.clearing_price_tokens - clear.provider_proceeds_tokens}
            times = len(shares - {0}) if clear.status == "settled" else 0
            assert paid[f"settle {clear.slot_id}"] <= max(1, times)
            assert (paid[f"settle {clear.slot_id}"] > 0) == (clear.status == "settled" and times > 0)
        live = [c.winning_task_id for c in self.books.clears.values() if c.status in ("won", "running")]
        assert len(live) == len(set(live))

    def compare_readers(self) -> None:
        """Ask both databases everything that readers may ask."""
        one, other = self.histories
        for ask in _questions(one):
            assert ask(db=one.db) == ask(db=other.db)

    def compare_tables(self) -> None:
        sqlite, postgres = (history.db for history in self.histories)
        assert differences(sqlite, postgres) == []
        assert_journal_tells_all(sqlite)
        assert_journal_tells_all(postgres)


def _questions(history: History) -> Iterator[Callable[..., Any]]:
    for pool in POOLS:
        for reader in (compute_auction.get_order_book, compute_auction.get_recent_stats, compute_auction.quote):
            yield partial(reader, pool=pool, now=history.now)
        yield partial(compute_auction.get_pool, pool)
    for bid_id in history.bids:
        yield partial(compute_auction.explain, bid_id)
    for name in AGENTS:
        yield partial(token_ledger.get_transfers, name)


class MarketMachine(RuleBasedStateMachine):
    server: PostgresServer
    template: str

    @initialize()
    def open(self) -> None:
        self.stack = ExitStack()
        url = self.stack.enter_context(self.server.new_database(template=self.template))
        sqlite = self.stack.enter_context(connect("sqlite:///:memory:"))
        self.market = Market(sqlite, self.stack.enter_context(connect(url)))

    @invariant()
    def promises_hold(self) -> None:
        if hasattr(self, "market"):
            self.market.check()

    def teardown(self) -> None:
        if not hasattr(self, "stack"):
            return
        with self.stack:
            self.market.compare_readers()
            self.market.compare_tables()


def _rule(verb: str) -> Callable[..., None]:
    def take(self: MarketMachine, told: tuple[Any, ...]) -> None:
        self.market.take((verb, *told))

    take.__name__ = verb
    return rule(told=STEPS[verb])(take)


for _verb in STEPS:
    setattr(MarketMachine, _verb, _rule(_verb))
# Bids make the rest possible, so they come more often.
for _n in range(4):
    setattr(MarketMachine, f"bid_{_n}", _rule("bid"))
    setattr(MarketMachine, f"clear_{_n}", _rule("clear"))


@pytest.fixture(scope="module")
def machine(postgres_server: PostgresServer) -> Iterator[type[MarketMachine]]:
    with postgres_server.new_database() as url:
        with connect(url) as db:
            migrate(db)
        MarketMachine.server, MarketMachine.template = postgres_server, database_name(url)
        yield MarketMachine


@pytest.mark.slow
def test_promises_hold_whatever_happens_and_both_databases_agree(machine):
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_promises_hold_in_a_history_in_which_everything_happens(machine):
    run = machine()
    run.open()
    try:
        for step in SCRIPT:
            run.market.take(step)
            run.market.check()
    finally:
        run.teardown()


def test_everything_that_the_machine_watches_for_was_seen():
    assert WANTED - SEEN.keys() == set()
