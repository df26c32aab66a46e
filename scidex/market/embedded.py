"""A market whose database this process opens: the exchange's own verbs, by the names and arguments of a client."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar, cast

from scidex.errors import AccountExists, InvalidArgument, ScidexError
from scidex.exchange import (
    attempts,
    auditing,
    backlog,
    compute_auction,
    cycle,
    ev_scorer,
    keys,
    leases,
    ownership,
    runs,
    sealing,
    services,
    sweeper,
    token_ledger,
    workers,
)
from scidex.records import (
    Account,
    Ask,
    Bid,
    Clear,
    Explanation,
    Finished,
    Lease,
    Principal,
    PullRequest,
    SeenPullRequest,
    Usage,
)
from scidex.settings import TREASURY
from scidex.store import Database

_log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

_OPERATOR = Principal("", TREASURY, "system", frozenset({"admin", "attest", "bid", "read", "work"}))


class _Verb(Generic[P, R]):
    """A verb of the exchange, on the database of the market that it is asked of."""

    def __init__(self, verb: Callable[P, R]) -> None:
        self._verb = verb
        self._takes_now = "now" in inspect.signature(verb).parameters

    def __get__(self, market: EmbeddedMarket, kind: type[EmbeddedMarket] | None = None) -> Callable[P, R]:
        given: dict[str, Any] = {"db": market.db}
        if self._takes_now and market.clock is not None:
            given["now"] = market.clock()
        return cast("Callable[P, R]", partial(self._verb, **given))


class EmbeddedMarket:
    """
    A market behind a database, with the verbs of `scidex.market.Market`.

    Anyone who may open the database may act for every account. With an `account_id` this acts for that one: calls that
    name no account mean it, and bids of others are refused. Times are the database's, unless a clock is given.
    """

    def __init__(
        self, db: Database, *, account_id: str | None = None, clock: Callable[[], datetime] | None = None
    ) -> None:
        """Open a market, for one account where it is named. Raises UnknownAccount."""
        self.db = db
        self.clock = clock
        self._who = _OPERATOR if account_id is None else _bidder(token_ledger.get_account(account_id, db=db))
        self._acts_for_one = account_id is not None

    def whoami(self) -> Principal:
        """Return which account this acts for, the treasury's where none was named."""
        return self._who

    # --- the auction

    get_order_book = _Verb(compute_auction.get_order_book)
    get_recent_stats = _Verb(compute_auction.get_recent_stats)
    get_bidder_stats = _Verb(compute_auction.get_bidder_stats)
    quote = _Verb(compute_auction.quote)
    get_pool = _Verb(compute_auction.get_pool)
    list_pools = _Verb(compute_auction.list_pools)
    create_pool = _Verb(compute_auction.create_pool)
    get_bid = _Verb(compute_auction.get_bid)
    check_lottery = _Verb(compute_auction.check_lottery)
    declare_allowance = _Verb(compute_auction.declare_allowance)
    get_round = _Verb(compute_auction.get_round)
    recompute = _Verb(compute_auction.recompute)
    list_task_bids = _Verb(compute_auction.list_task_bids)
    list_rounds = _Verb(compute_auction.list_rounds)
    list_round_bids = _Verb(compute_auction.list_round_bids)
    list_clears = _Verb(compute_auction.list_clears)
    place_bids = _Verb(compute_auction.place_bids)
    withdraw_slot = _Verb(compute_auction.withdraw_slot)
    clear_round = _Verb(compute_auction.clear_round)
    settle = _Verb(compute_auction.settle)
    void = _Verb(compute_auction.void)
    _place_bid = _Verb(compute_auction.place_bid)
    _cancel_bid = _Verb(compute_auction.cancel_bid)
    _explain = _Verb(compute_auction.explain)
    _list_open_bids = _Verb(compute_auction.list_open_bids)
    _list_won_slots = _Verb(compute_auction.list_won_slots)
    _offer_slots = _Verb(compute_auction.offer_slots)
    _attest = _Verb(compute_auction.attest)
    _wait_for_round = _Verb(leases.wait_for_round)

    def place_bid(self, bidder_id: str | None, task_id: str, max_price_tokens: int, *terms: Any, **named: Any) -> Bid:
        """Bid for the next slot of a pool, as one's own account where `bidder_id` is None."""
        return self._place_bid(self._named(bidder_id, "bidder_id"), task_id, max_price_tokens, *terms, **named)

    def cancel_bid(self, bid_id: int) -> Bid:
        """Cancel an open bid; what it set aside is free at once."""
        if self._acts_for_one:
            ownership.check_acts_on_bid(self._who, bid_id, db=self.db)
        return self._cancel_bid(bid_id)

    def explain(self, bid_id: int) -> Explanation:
        """Return why a bid won or lost, and the price that would have won."""
        if self._acts_for_one:
            ownership.check_sees_bid(self._who, bid_id, db=self.db)
        return self._explain(bid_id)

    def list_open_bids(
        self, bidder_id: str | None = None, *, after: int | None = None, limit: int = 1_000
    ) -> list[Bid]:
        """Return a bidder's open bids, the highest price first."""
        return self._list_open_bids(self._named(bidder_id, "bidder_id"), after=after, limit=limit)

    def list_won_slots(self, bidder_id: str | None = None, *, after: str = "", limit: int = 1_000) -> list[Clear]:
        """Return the slots that a bidder has won and that are not settled, the oldest first."""
        return self._list_won_slots(self._named(bidder_id, "bidder_id"), after=after, limit=limit)

    def offer_slots(self, count: int, *, provider_id: str | None = None, **terms: Any) -> list[Ask]:
        """Offer like slots, as one's own account or as the treasury unless a provider is named."""
        return self._offer_slots(count, provider_id=provider_id or self._who.account_id, **terms)

    def attest(self, slot_id: str, actual_impact: float, attested_by: str | None = None) -> Clear:
        """Record what a settled slot's impact was."""
        return self._attest(slot_id, actual_impact, self._named(attested_by, "attested_by"))

    def wait_for_round(self, pool: str, after: int, seconds: float) -> int:
        """Wait until a pool's open round is not `after`, for at most `seconds`; return the open round."""
        return self._wait_for_round(after, seconds, pool=pool)

    # --- the ledger

    get_account = _Verb(token_ledger.get_account)
    create_account = _Verb(token_ledger.create_account)
    get_balance = _Verb(token_ledger.get_balance)
    list_accounts = _Verb(token_ledger.list_accounts)
    list_wallets = _Verb(token_ledger.list_wallets)
    get_transfers = _Verb(token_ledger.get_transfers)
    list_income = _Verb(token_ledger.list_income)
    list_transfers = _Verb(token_ledger.list_transfers)
    transfer = _Verb(token_ledger.transfer)
    mint = _Verb(token_ledger.mint)
    burn = _Verb(token_ledger.burn)
    verify = _Verb(token_ledger.verify)

    # --- the backlog

    add_quest = _Verb(backlog.add_quest)
    set_quest = _Verb(backlog.set_quest)
    entitle_quest = _Verb(backlog.entitle_quest)
    get_quest = _Verb(backlog.get_quest)
    list_quests = _Verb(backlog.list_quests)
    add_task = _Verb(backlog.add_task)
    put_tasks = _Verb(backlog.put_tasks)
    get_task = _Verb(backlog.get_task)
    list_tasks = _Verb(backlog.list_tasks)
    set_task_status = _Verb(backlog.set_task_status)
    note_written_back = _Verb(backlog.note_written_back)
    get_quest_budget_allocation = _Verb(ev_scorer.get_quest_budget_allocation)
    list_quest_troubles = _Verb(ev_scorer.list_quest_troubles)
    score_all = _Verb(ev_scorer.score_all)

    # --- workers and runs

    register_worker = _Verb(workers.register_worker)
    keep_offers = _Verb(workers.keep_offers)
    stop_worker = _Verb(workers.stop_worker)
    list_workers = _Verb(workers.list_workers)
    lease_next = _Verb(leases.lease_next)
    lease_task = _Verb(leases.lease_task)
    held_by = _Verb(leases.held_by)
    note_step = _Verb(leases.note_step)
    record_usage = _Verb(runs.record_usage)
    get_usage = _Verb(runs.get_usage)
    get_output = _Verb(runs.get_output)
    get_ending = _Verb(runs.get_ending)
    list_endings = _Verb(runs.list_endings)
    list_evaluators = _Verb(runs.list_evaluators)
    set_evaluator = _Verb(runs.set_evaluator)
    list_pauses = _Verb(workers.list_pauses)
    end_pause = _Verb(workers.end_pause)
    report_costs = _Verb(runs.report_costs)
    timeline = _Verb(services.timeline)
    _check_in = _Verb(workers.check_in)
    _finish = _Verb(services.finish)
    _give_back = _Verb(services.give_back)
    _record_output = _Verb(runs.record_output)
    _record_pull_request = _Verb(runs.record_pull_request)

    def open_account(self, account_id: str) -> None:
        """Open a worker's account where it is missing."""
        with suppress(AccountExists):
            self.create_account(account_id, "worker")

    def check_in(self, worker_id: str, fences: Sequence[int]) -> list[int]:
        """
        Say that a worker lives and runs these leases; return those that it still holds, renewed.

        This also ends the leases that others let run out, so that a fleet on one database needs no server.
        """
        held = self._check_in(worker_id, list(fences))
        try:
            self.sweep()
        except ScidexError as refusal:
            _log.warning("a sweep could not be done: %s", refusal)
        return held

    def finish(
        self,
        lease: Lease,
        *,
        succeeded: bool,
        usage: Usage | None = None,
        actual_cost_tokens: int | None = None,
        actual_impact: float | None = None,
        attested_by: str | None = None,
        note: str = "",
        cause: str = "",
    ) -> Finished:
        """Settle a run, its cost by its usage unless it is given."""
        return self._finish(
            lease.assignment,
            succeeded=succeeded,
            usage=usage,
            actual_cost_tokens=actual_cost_tokens,
            actual_impact=actual_impact,
            attested_by=attested_by,
            note=note,
            cause=cause,
            fence=lease.fence,
        )

    def give_back(self, lease: Lease, reason: str, *, cause: str = "", retry_at: datetime | None = None) -> None:
        """Undo a lease that was interrupted; what caused that pauses its worker, or all that draw on its account."""
        self._give_back(lease.assignment, reason, cause=cause, retry_at=retry_at, fence=lease.fence)

    def record_output(self, run_id: str, output: Mapping[str, Any]) -> None:
        """Keep how a run ended and the last of what it wrote."""
        self._record_output(run_id, **output)

    def record_pull_request(self, run_id: str, seen: SeenPullRequest) -> PullRequest:
        """Keep how a run's pull request was seen, and return which run it counts for."""
        return self._record_pull_request(run_id, **seen._asdict())

    # --- operating

    get_market_settings = _Verb(compute_auction.get_market_settings)
    configure_pool = _Verb(compute_auction.configure_pool)
    cycle_status = _Verb(cycle.cycle_status)
    list_mode_switches = _Verb(cycle.list_mode_switches)
    pause = _Verb(cycle.pause)
    resume = _Verb(cycle.resume)
    run_cycle = _Verb(cycle.run_cycle)
    create_key = _Verb(keys.create_key)
    rotate_key = _Verb(keys.rotate_key)
    revoke_key = _Verb(keys.revoke_key)
    list_keys = _Verb(keys.list_keys)
    audit = _Verb(auditing.audit)
    list_refusals = _Verb(attempts.list_refusals)
    sweep = _Verb(sweeper.sweep)
    seal_journal = _Verb(sealing.seal_journal)

    def _named(self, account_id: str | None, field: str) -> str:
        """Return the account that a call names, or one's own. Raises NotYourAccount, InvalidArgument."""
        if self._acts_for_one:
            return ownership.check_named(self._who, account_id, field)
        if account_id is None:
            raise InvalidArgument(field=field, value=None, fact="must name an account")
        return account_id


def _bidder(account: Account) -> Principal:
    return Principal("", account.account_id, account.owner_id, frozenset({"bid", "read"}))
