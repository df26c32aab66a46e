"""What programs ask of a market, wherever it is: behind a server (`Client`) or behind a database (`EmbeddedMarket`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from scidex.records import (
    Account,
    Allocation,
    Ask,
    AuditReport,
    Balance,
    Bid,
    BidderStats,
    Clear,
    CostReport,
    CycleReport,
    CycleStatus,
    Declaration,
    EvaluatorTerms,
    Explanation,
    Finished,
    Imported,
    IncomeShare,
    Key,
    Lease,
    LedgerReport,
    Lottery,
    MarketSettings,
    ModeSwitch,
    NewKey,
    Pause,
    Pool,
    Principal,
    PullRequest,
    Quest,
    QuestTrouble,
    Quote,
    RefusedAttempt,
    Round,
    RoundSummary,
    RunEnding,
    RunOutput,
    ScoredTask,
    SeenPullRequest,
    Swept,
    Task,
    TimelineEvent,
    Transfer,
    Usage,
    WalletSummary,
    Worker,
)
from scidex.settings import DEFAULT_POOL, TREASURY


class AuctionVerbs(Protocol):
    """The verbs of the auction."""

    def get_order_book(self, *, pool: str = DEFAULT_POOL, limit: int = 1_000) -> dict[str, list[dict[str, Any]]]:
        """Return a pool's open bids, best first, and its slots on offer, soonest first."""

    def get_recent_stats(self, *, hours: float = 24, pool: str = DEFAULT_POOL) -> dict[str, Any]:
        """Return a pool's recent prices, fill rate and top wins."""

    def get_bidder_stats(self, *, hours: float = 24, pool: str = DEFAULT_POOL, limit: int = 1_000) -> list[BidderStats]:
        """Return what each bidder won lately, and paid; most paid first."""

    def quote(self, probability: float = 0.9, *, pool: str = DEFAULT_POOL) -> Quote:
        """Return what to bid to win the next round with a probability."""

    def get_pool(self, pool: str = DEFAULT_POOL) -> Pool:
        """Return how a pool clears."""

    def list_pools(self) -> list[Pool]:
        """Return every pool, by name."""

    def create_pool(
        self, pool: str, *, mechanism: str = "uniform_price", theta: str | None = None, tie_rule: str = "arrival"
    ) -> Pool:
        """Open a pool."""

    def get_bid(self, bid_id: int) -> Bid:
        """Return a bid as it stands."""

    def explain(self, bid_id: int) -> Explanation:
        """Return why a bid won or lost, and the price that would have won."""

    def list_open_bids(
        self, bidder_id: str | None = None, *, after: int | None = None, limit: int = 1_000
    ) -> list[Bid]:
        """Return a bidder's open bids, the highest price first; of one's own account unless another is named."""

    def list_task_bids(self, task_id: str, *, before: int | None = None, limit: int = 100) -> list[Bid]:
        """Return the bids for a task, newest first, those before one of them."""

    def list_won_slots(self, bidder_id: str | None = None, *, after: str = "", limit: int = 1_000) -> list[Clear]:
        """Return the slots that a bidder has won and that are not settled, the oldest first."""

    def get_round(self, round_id: int) -> Round:
        """Return a cleared round as it was recorded."""

    def list_rounds(
        self, *, pool: str = DEFAULT_POOL, before: int | None = None, limit: int = 100
    ) -> list[RoundSummary]:
        """Return a pool's rounds, newest first."""

    def list_round_bids(self, round_id: int, *, after: int | None = None, limit: int = 1_000) -> list[Bid]:
        """Return the bids that competed in a cleared round, best first."""

    def check_lottery(self, round_id: int, seed_commitment: str | None = None) -> Lottery:
        """Return what decided the ties of a cleared round, and whether its seed is the one that was committed to."""

    def recompute(self, round_id: int) -> Round:
        """Decide a cleared round again from what is stored of it, and return the outcome: the same."""

    def list_clears(
        self,
        *,
        pool: str = DEFAULT_POOL,
        before_round: int | None = None,
        before_bid: int | None = None,
        limit: int = 100,
    ) -> list[Clear]:
        """Return the slots a pool sold, newest round first."""

    def place_bid(
        self,
        bidder_id: str | None,
        task_id: str,
        max_price_tokens: int,
        expected_value_usd: float = 0.0,
        ttl_at: datetime | None = None,
        pool: str = DEFAULT_POOL,
        time_in_force: str = "round",
        idempotency_key: str | None = None,
    ) -> Bid:
        """Bid for the next slot of a pool, once; as one's own account where `bidder_id` is None."""

    def place_bids(self, bids: Iterable[Mapping[str, Any]]) -> list[Bid]:
        """Place bids given by place_bid's argument names, all of them or none."""

    def cancel_bid(self, bid_id: int) -> Bid:
        """Cancel an open bid; what it set aside is free at once."""

    def wait_for_round(self, pool: str, after: int, seconds: float) -> int:
        """Wait until a pool's open round is not `after`, for at most `seconds`; return the open round."""

    def offer_slots(
        self,
        count: int,
        *,
        available_at: datetime | None = None,
        pool: str = DEFAULT_POOL,
        reserve_price_tokens: int = 0,
        provider_id: str | None = None,
        expires_at: datetime | None = None,
        token_allowance: int | None = None,
        max_seconds: int | None = None,
        idempotency_key: str | None = None,
    ) -> list[Ask]:
        """Offer like slots, each sold once; as one's own account, or for an operator as the treasury."""

    def withdraw_slot(self, slot_id: str) -> Ask:
        """Take an unsold slot off the market."""

    def clear_round(self, *, pool: str = DEFAULT_POOL, dry_run: bool = False) -> Round:
        """Sell the slots that are available now to the best bids; as a dry run, only say what would happen."""

    def declare_allowance(self, slot_id: str, declared_tokens: int) -> Declaration:
        """Say what the run of a slot that one has won will use, before it is started."""

    def settle(
        self,
        slot_id: str,
        actual_cost_tokens: int,
        actual_impact: float | None = None,
        attested_by: str | None = None,
        fence: int | None = None,
    ) -> Clear:
        """Debit a slot's winner by the clearing price, and record cost, impact and ROI."""

    def attest(self, slot_id: str, actual_impact: float, attested_by: str | None = None) -> Clear:
        """Record what a settled slot's impact was, as one's own account, an evaluator, unless one is named."""

    def void(self, slot_id: str, reason: str = "voided") -> Clear:
        """Undo a clear whose slot died."""


class WalletVerbs(Protocol):
    """The verbs of the ledger."""

    def create_account(self, account_id: str, kind: str = "agent", owner_id: str | None = None) -> Account:
        """Open an account."""

    def get_balance(self, account_id: str) -> Balance:
        """Return an account's tokens."""

    def get_account(self, account_id: str) -> Account:
        """Return an account's kind and owner."""

    def list_accounts(self, *, after: str = "", limit: int = 1_000) -> list[Account]:
        """Return accounts in the order of their ids."""

    def list_wallets(self, *, after: str = "", limit: int = 1_000) -> list[WalletSummary]:
        """Return wallets in the order of their ids."""

    def get_transfers(self, account_id: str, *, before: int | None = None, limit: int = 100) -> list[Transfer]:
        """Return an account's movements, newest first."""

    def list_income(self, account_id: str, *, before: str | None = None, limit: int = 100) -> list[IncomeShare]:
        """Return an account's shares of the daily buckets, the newest first."""

    def list_transfers(self, *, after: int = 0, limit: int = 1_000) -> list[Transfer]:
        """Return the movements of all accounts, the oldest first."""

    def transfer(
        self,
        debit: str,
        credit: str,
        amount_tokens: int,
        reason: str = "transfer",
        idempotency_key: str | None = None,
    ) -> Transfer:
        """Move available tokens from one account to another, once."""

    def mint(
        self, account_id: str, amount_tokens: int, reason: str = "grant", idempotency_key: str | None = None
    ) -> Transfer:
        """Issue new tokens to an account, once."""

    def burn(
        self, account_id: str, amount_tokens: int, reason: str = "burn", idempotency_key: str | None = None
    ) -> Transfer:
        """Take available tokens of an account out of the market, once."""


class BacklogVerbs(Protocol):
    """The verbs of quests and tasks."""

    def add_quest(
        self,
        quest_id: str,
        title: str = "",
        *,
        priority: int = 1,
        strategy: str = "market",
        owner_id: str | None = None,
        account_id: str | None = None,
    ) -> Quest:
        """Add a quest, and open its wallet."""

    def set_quest(
        self,
        quest_id: str,
        *,
        title: str | None = None,
        priority: int | None = None,
        status: str | None = None,
        strategy: str | None = None,
    ) -> Quest:
        """Change a quest."""

    def entitle_quest(self, quest_id: str, entitled: bool = True) -> Quest:
        """Entitle a quest to the floor of its pools, or end that."""

    def get_quest(self, quest_id: str) -> Quest:
        """Return a quest."""

    def list_quests(self, *, after: str = "", limit: int = 1_000) -> list[Quest]:
        """Return quests in the order of their ids."""

    def get_quest_budget_allocation(self) -> list[Allocation]:
        """Return the proportional split of today's bucket."""

    def add_task(
        self,
        task_id: str,
        quest_id: str,
        title: str = "",
        *,
        expected_value_usd: float = 0.0,
        estimated_cost_tokens: int | None = None,
        depends_on: Iterable[str] = (),
        pool: str = DEFAULT_POOL,
        payload: Mapping[str, Any] | None = None,
        deadline_at: datetime | None = None,
    ) -> Task:
        """Add a task to a quest's backlog."""

    def put_tasks(self, tasks: Iterable[Mapping[str, Any]], *, quests: Iterable[Mapping[str, Any]] = ()) -> Imported:
        """Add tasks, or change those that are there, all of them or none."""

    def get_task(self, task_id: str) -> Task:
        """Return a task."""

    def list_tasks(
        self,
        *,
        quest_id: str | None = None,
        status: str | None = None,
        pool: str | None = None,
        source: str | None = None,
        after: str = "",
        limit: int = 1_000,
    ) -> list[Task]:
        """Return tasks in the order of their ids."""

    def set_task_status(self, task_id: str, status: str, *, reason: str = "") -> Task:
        """Take a task to another status by hand, with the reason where it is held or given up."""

    def note_written_back(self, task_id: str) -> Task:
        """Note that a task's end was written back to its source."""

    def list_quest_troubles(self) -> list[QuestTrouble]:
        """Return every active quest that has work and cannot bid for any of it, with why and the remedy."""

    def score_all(self) -> list[ScoredTask]:
        """Return the unblocked tasks, the highest expected value first."""


class WorkerVerbs(Protocol):
    """The verbs of workers, and of what they lease and run."""

    def open_account(self, account_id: str) -> None:
        """Open a worker's account where it is missing."""

    def register_worker(
        self,
        worker_id: str,
        account_id: str,
        *,
        pool: str,
        seats: int,
        lease_seconds: float,
        provider_id: str = TREASURY,
        draws_on: str = "",
    ) -> Worker:
        """Make a worker of an account known, or alive again; it offers its slots for `provider_id`."""

    def check_in(self, worker_id: str, fences: Sequence[int]) -> list[int]:
        """Say that a worker lives and runs these leases; return those that it still holds, renewed."""

    def keep_offers(
        self,
        worker_id: str,
        wanted: int,
        *,
        reserve_price_tokens: int = 0,
        token_allowance: int | None = None,
        max_seconds: int | None = None,
    ) -> list[Ask]:
        """Offer slots, or withdraw some, until `wanted` are on offer or sold and not leased; return new ones."""

    def lease_next(self, worker_id: str) -> Lease | None:
        """Lease the oldest won slot that waits for this worker."""

    def lease_task(self, worker_id: str) -> Lease | None:
        """Lease a task outside the auction, where there is one for this worker."""

    def held_by(self, worker_id: str) -> list[Lease]:
        """Return what a worker holds, for one that never heard whether it got it."""

    def note_step(self, fence: int, step: str, note: str = "") -> object:
        """Note how far a run has come, and renew its lease."""

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

    def give_back(self, lease: Lease, reason: str, *, cause: str = "", retry_at: datetime | None = None) -> None:
        """Undo a lease that was interrupted; what caused that pauses its worker, or all that draw on its account."""

    def stop_worker(self, worker_id: str) -> None:
        """Take a worker's slots off the market; what it holds it may finish."""

    def list_workers(self, *, ended_too: bool = False, limit: int = 1_000) -> list[Worker]:
        """Return the workers that are alive, the latest first, and on request those that ended."""

    def record_usage(self, run_id: str, usage: Usage) -> None:
        """Keep what a run used that is not settled, or what was learnt of it later."""

    def get_usage(self, run_id: str) -> list[Usage]:
        """Return every record of what a run used, the latest last."""

    def record_output(self, run_id: str, output: Mapping[str, Any]) -> None:
        """Keep how a run ended and the last of what it wrote."""

    def get_output(self, run_id: str) -> RunOutput | None:
        """Return how a run ended and the last of what it wrote; None where that is not recorded."""

    def get_ending(self, run_id: str) -> RunEnding | None:
        """Return how a run ended and why; None where that is not known."""

    def list_endings(self, ending: str | None = None, *, limit: int = 100) -> list[RunEnding]:
        """Return how runs ended, the latest first; those of one class, or all."""

    def list_evaluators(self, *, limit: int = 1_000) -> list[EvaluatorTerms]:
        """Return how long evaluators may still judge a run, those of which that was said."""

    def set_evaluator(self, evaluator_id: str, attest_within_hours: float) -> EvaluatorTerms:
        """Say how long after a run was settled an evaluator may still judge it."""

    def list_pauses(self, *, limit: int = 1_000) -> list[Pause]:
        """Return the workers and provider accounts that are paused, or were until their next run decides."""

    def end_pause(self, kind: str, name: str, *, provider_id: str = TREASURY) -> bool:
        """Let a worker, or all that draw on an account, offer slots again at once; return whether there was a pause."""

    def record_pull_request(self, run_id: str, seen: SeenPullRequest) -> PullRequest:
        """Keep how a run's pull request was seen, and return which run it counts for."""

    def timeline(self, slot_id: str) -> list[TimelineEvent]:
        """Return the steps of a run in order of time."""


class OperatorVerbs(Protocol):
    """The verbs of an operator: settings, cycles, keys, proofs and costs."""

    def whoami(self) -> Principal:
        """Return which account one acts for, and what one may do."""

    def get_market_settings(self, pool: str = DEFAULT_POOL) -> MarketSettings:
        """Return what a pool is set to."""

    def configure_pool(
        self, pool: str = DEFAULT_POOL, profile: str = "recommended", *, only_new: bool = False, **overrides: Any
    ) -> MarketSettings:
        """Set a pool to a profile's values, some of them replaced by name, from its open round on."""

    def cycle_status(self, pool: str = DEFAULT_POOL) -> CycleStatus:
        """Return when a pool clears next, and what its agents go by."""

    def list_mode_switches(
        self, pool: str = DEFAULT_POOL, *, before: int | None = None, limit: int = 100
    ) -> list[ModeSwitch]:
        """Return a pool's changes between the auction and the fallback, newest first."""

    def pause(self, pool: str = DEFAULT_POOL) -> CycleStatus:
        """Hold a pool's cycle until it is resumed."""

    def resume(self, pool: str = DEFAULT_POOL) -> CycleStatus:
        """Let a paused pool's cycle go on."""

    def run_cycle(self, pool: str = DEFAULT_POOL) -> CycleReport:
        """Do a cycle of a pool at once."""

    def create_key(
        self, account_id: str, scopes: Iterable[str], *, expires_at: datetime | None = None, label: str = ""
    ) -> NewKey:
        """Make a key; its text is shown once."""

    def rotate_key(self, key_id: str, *, overlap_seconds: int = 86_400, expires_at: datetime | None = None) -> NewKey:
        """Make a key that takes another one's place."""

    def revoke_key(self, key_id: str) -> Key:
        """End a key at once."""

    def list_keys(self, *, account_id: str | None = None, after: str = "", limit: int = 1_000) -> list[Key]:
        """Return keys in the order of their ids."""

    def verify(self) -> LedgerReport:
        """Prove the books."""

    def audit(
        self, *, expect_seal: str | None = None, on_progress: Callable[[str, int, int], None] | None = None
    ) -> AuditReport:
        """Prove the market from its own record; `on_progress` is called with how far it is."""

    def list_refusals(self, *, before: int | None = None, limit: int = 100) -> list[RefusedAttempt]:
        """Return what servers of the market refused, the latest first."""

    def sweep(self) -> Swept:
        """End leases that ran out and workers that went silent, and free what they held."""

    def seal_journal(self) -> int:
        """Chain the entries of the journal that are not sealed yet, and return how many there were."""

    def report_costs(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        hours: float = 24,
        charged_usd: float | None = None,
        by: str | None = None,
    ) -> CostReport:
        """Return what the runs that ended in a span cost; the last `hours` before its end unless `since` is given."""


class Market(AuctionVerbs, WalletVerbs, BacklogVerbs, WorkerVerbs, OperatorVerbs, Protocol):
    """A market's verbs. Each raises ScidexError where the market refuses or cannot be reached."""
