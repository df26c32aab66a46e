"""What the verbs answer with: frozen records, tokens as integers, instants in UTC."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from math import ceil
from typing import Any, NamedTuple


class Account(NamedTuple):
    """A wallet's identity: who it is, what it is, and which principal stands behind it."""

    account_id: str
    kind: str
    owner_id: str
    created_at: datetime


class Balance(NamedTuple):
    """A wallet's tokens: all of them, those set aside, and those free to spend."""

    account_id: str
    balance: int
    held: int

    @property
    def available(self) -> int:
        """Tokens that may be bid or transferred now."""
        return self.balance - self.held


class WalletSummary(NamedTuple):
    """A wallet, whose it is, and its tokens."""

    account_id: str
    kind: str
    owner_id: str
    balance: int
    held: int

    @property
    def available(self) -> int:
        """Tokens that may be bid or transferred now."""
        return self.balance - self.held


class Transfer(NamedTuple):
    """One movement of tokens from an account to another."""

    transfer_id: int
    debit_account_id: str
    credit_account_id: str
    amount_tokens: int
    reason: str
    debit_entry: int
    debit_balance_after: int
    credit_entry: int
    credit_balance_after: int
    made_at: datetime


class Pool(NamedTuple):
    """A book of like slots, the rule that clears it, and the commitment to the open round's lottery."""

    pool: str
    mechanism: str
    theta: str | None
    tie_rule: str
    open_round_id: int
    seed_commitment: str
    created_at: datetime


class MarketSettings(NamedTuple):
    """What a pool is set to: a profile's name and every value; `changed_at` is None where it was never configured."""

    pool: str
    profile: str
    settings: dict[str, Any]
    changed_at: datetime | None


class Ask(NamedTuple):
    """A slot on offer."""

    slot_id: str
    pool: str
    provider_id: str
    reserve_price_tokens: int
    available_at: datetime
    expires_at: datetime | None
    token_allowance: int | None
    max_seconds: int | None
    status: str
    sequence: int
    offered_at: datetime


class Bid(NamedTuple):
    """A bid as it stands; `round_id` is the round it is for or was decided in, 0 while it rests."""

    id: int
    bidder_id: str
    task_id: str
    max_price_tokens: int
    expected_value_usd: float
    ttl_at: datetime
    status: str
    pool: str
    placed_at: datetime
    sequence: int
    time_in_force: str
    round_id: int
    reason: str


class Clear(NamedTuple):
    """A slot that was sold, what it sold for, and what came of it."""

    slot_id: str
    clearing_price_tokens: int
    winning_task_id: str
    runner_up_task_id: str | None
    slot_started_at: datetime | None
    slot_finished_at: datetime | None
    pool: str
    round_id: int
    bid_id: int
    bidder_id: str
    provider_id: str
    max_price_tokens: int
    winning_premium_tokens: int
    provider_proceeds_tokens: int
    runner_up_price_tokens: int | None
    actual_cost_tokens: int | None
    actual_impact: float | None
    roi: float | None
    attested_by: str | None
    status: str
    reason: str
    judged_at: datetime | None = None
    """When an evaluator first said what it was worth; None while nobody has."""
    attest_ends_at: datetime | None = None
    """Until then one may still judge it before its bidder's record goes on without it."""

    @property
    def is_judged(self) -> bool:
        """Whether its impact is an evaluator's word."""
        return self.judged_at is not None


class Round(NamedTuple):
    """One clearing of one pool; `round_id` is None where no ask was available, so no round was held."""

    round_id: int | None
    pool: str
    cleared_at: datetime
    slots: int
    bids: int
    clearing_price_tokens: int | None
    runner_up_bid_id: int | None
    mechanism: str
    tie_rule: str
    seed: str | None
    digest: str | None
    previous_digest: str | None
    clears: tuple[Clear, ...]

    @property
    def sold(self) -> int:
        """Slots sold."""
        return len(self.clears)


class RoundSummary(NamedTuple):
    """One clearing of one pool, without the slots it sold."""

    round_id: int
    pool: str
    cleared_at: datetime
    slots: int
    bids: int
    sold: int
    clearing_price_tokens: int | None
    runner_up_bid_id: int | None
    mechanism: str
    tie_rule: str
    digest: str
    previous_digest: str


class BidderStats(NamedTuple):
    """What a bidder won in a span, what it paid for what is settled, and what came of it in USD."""

    bidder_id: str
    slots_won: int
    paid_tokens: int
    actual_cost_tokens: int
    actual_impact: float


class Explanation(NamedTuple):
    """Why a bid stands where it stands."""

    bid_id: int
    status: str
    reason: str
    sentence: str
    max_price_tokens: int
    round_id: int | None
    rank: int | None
    slots: int | None
    clearing_price_tokens: int | None
    price_to_win_tokens: int | None
    margin_missed_tokens: int | None
    available_tokens: int
    calibration_factor: float | None
    competes_next_at: datetime | None


class Quote(NamedTuple):
    """What to bid to win the next round with a chance; `basis` tells what that rests on."""

    pool: str
    probability: float
    max_price_tokens: int
    rounds_seen: int
    basis: str


class LedgerReport(NamedTuple):
    """What was proved of the books at one moment; `problems` is empty where they are right."""

    accounts: int
    transfers: int
    minted_tokens: int
    held_tokens: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every check held."""
        return not self.problems


class SealReport(NamedTuple):
    """What the seals say of the journal: how much is sealed, the chain's head as ENTRY:DIGEST, and each fault."""

    seals: int
    entries: int
    waiting: int
    head: str
    problems: tuple[str, ...]


class AuditReport(NamedTuple):
    """What was proved of a market from its own record; `problems` is empty where all of it holds."""

    ledger: LedgerReport
    rounds: int
    entries: int
    seals: SealReport
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every check held."""
        return not self.problems


class RefusedAttempt(NamedTuple):
    """What was asked of a server and refused: when, by whose key, by which route, and why."""

    attempt_id: int
    refused_at: datetime
    account_id: str | None
    key_id: str | None
    method: str
    route: str
    status: int
    error: str
    request_id: str
    place: str
    attempts: int


class Quest(NamedTuple):
    """A project that bids for its backlog from a wallet of its own."""

    quest_id: str
    title: str
    account_id: str
    priority: int
    status: str
    created_at: datetime
    strategy: str = "market"
    """How it bids: a strategy by name, or `market` for that of its market."""
    floor_entitled: bool = False
    """Whether the floor serves it when it has waited long."""


class Task(NamedTuple):
    """A piece of work; `blocked` until all it depends on is done."""

    task_id: str
    quest_id: str
    title: str
    status: str
    expected_value_usd: float
    estimated_cost_tokens: int | None
    pool: str
    payload: dict[str, Any]
    deadline_at: datetime | None
    attempts: int
    depends_on: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    status_reason: str = ""
    """Why it is held or failed, where that was said."""
    status_by: str = "market"
    """Who gave it its status: `market` by running it, `operator` by hand, or `source`, what it was imported from."""
    kind: str = "task"
    """`task`, or `group`: listed, but neither bid for nor run."""
    source: str = ""
    """The source that it was imported from, where that has a name."""
    written_back_at: datetime | None = None
    """When its end was written back to its source."""


class Imported(NamedTuple):
    """How many tasks an import added, changed, and found as they were."""

    added: int
    updated: int
    unchanged: int


class ImportReport(NamedTuple):
    """What was noticed of a line of an imported text: its field, the fact, and whether the line was left out."""

    line: int
    field: str
    fact: str
    left_out: bool


class ImportedBacklog(NamedTuple):
    """What an import did: tasks added, changed, as they were; lines left out; records passed over; all reports."""

    added: int
    updated: int
    unchanged: int
    left_out: int
    """Lines that could not be read or were refused."""
    missing: int
    """Tasks of the source that a complete list no longer has, held or ended."""
    passed_over: dict[str, int]
    """Records that are not work, by kind."""
    reports: tuple[ImportReport, ...]


class ScoredTask(NamedTuple):
    """A task that may run now, and its place by expected value, 1 the highest."""

    rank: int
    task_id: str
    quest_id: str
    title: str
    pool: str
    expected_value_usd: float
    estimated_cost_tokens: int | None
    deadline_at: datetime | None


class Allocation(NamedTuple):
    """A quest's share of a UTC day's bucket, and what it has used of it outside the auction."""

    quest_id: str
    priority: int
    allocated_tokens: int
    used_tokens: int

    @property
    def remaining_tokens(self) -> int:
        """Tokens that the quest may still use today."""
        return max(0, self.allocated_tokens - self.used_tokens)


class QuestTrouble(NamedTuple):
    """Why a quest with work cannot bid for any of it: a word, the fact, and the remedy."""

    quest_id: str
    account_id: str
    reason: str
    fact: str
    remedy: str


class Assignment(NamedTuple):
    """A task for an agent to run: in a slot that was sold (`auction`), left `unsold`, or by the `fallback`."""

    source: str
    assignment_id: str
    agent_id: str
    task_id: str
    quest_id: str | None
    title: str
    payload: dict[str, Any]
    pool: str
    token_allowance: int | None
    max_seconds: int | None
    expected_value_usd: float
    stop_at_tokens: int | None = None
    """What the run may cost before whoever runs it ends it; None where it may go on."""


class Usage(NamedTuple):
    """
    What a run used, and where that was learnt from; None is not known, which is never the same as 0.

    `provenance` is that of what the run is settled by: its tokens, or where those are not known its USD. It is `billed`
    (by whoever charges for it), `reported` (by the command), `estimated` (by the command or a rate) or `none`.
    """

    meter: str
    provenance: str
    tokens: int | None = None
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    cost_provenance: str = "none"
    note: str = ""
    model: str = ""
    """The models it used, joined by `+`; empty where nobody said."""

    def cost_tokens(self, tokens_per_usd: int) -> int | None:
        """Return the tokens to settle by: those used, else the USD at the operator's rate, else None."""
        if self.tokens is not None or self.cost_usd is None:
            return self.tokens
        return ceil(Fraction(self.cost_usd) * tokens_per_usd)


class RunOutput(NamedTuple):
    """How a run ended, and the last of what it wrote; a run has the id of its slot or assignment."""

    run_id: str
    ended: str
    exit_code: int | None
    reason: str
    stdout: str
    stderr: str
    output_bytes: int
    seconds: float
    recorded_at: datetime


class SeenPullRequest(NamedTuple):
    """A pull request as it was seen: `open`, `merged` or `closed`; its checks `pass`, `fail`, `pending` or `none`."""

    url: str
    state: str
    checks: str = "none"
    merged_at: datetime | None = None


class PullRequest(NamedTuple):
    """A run's pull request, as it was last seen; it `counts_for` the run that named it first, and for no other."""

    run_id: str
    url: str
    state: str
    checks: str
    merged_at: datetime | None
    seen_at: datetime
    counts_for: str


class CostGroup(NamedTuple):
    """What runs of one quest, agent, model or day cost: sums of what is known, beside how many are not."""

    name: str
    runs: int
    runs_unknown: int
    tasks_dispatched: int
    tasks_done: int
    tokens: int
    cost_usd: float
    impact_usd: float | None


class TaskCost(NamedTuple):
    """What the runs of one task used: sums of what is known, without `runs_unknown` runs whose USD are not."""

    task_id: str
    quest_id: str | None
    runs: int
    runs_unknown: int
    tokens: int
    cost_usd: float
    impact_usd: float | None


class CostReport(NamedTuple):
    """
    What runs cost in a span, for each task and for each merged pull request.

    USD are sums of what is known; while runs are unknown they, and the costs for each, are lower bounds.
    `unattributed_usd` is what was billed beyond what runs account for; None where it was not said what was billed.
    """

    since_at: datetime
    until_at: datetime
    runs: int
    runs_unknown: int
    tasks_dispatched: int
    tasks_done: int
    tokens: int
    cost_usd: float
    billed_usd: float
    reported_usd: float
    estimated_usd: float
    cost_given_back_usd: float
    pull_requests: int
    pull_requests_merged: int
    usd_per_task_dispatched: float | None
    usd_per_merged_pull_request: float | None
    charged_usd: float | None
    unattributed_usd: float | None
    tasks: tuple[TaskCost, ...]
    groups: tuple[CostGroup, ...] = ()


class Finished(NamedTuple):
    """What became of a task that was run; `clear` is the settled clear, None where nothing was sold."""

    assignment_id: str
    source: str
    task_id: str
    task_status: str | None
    attempts: int
    clear: Clear | None


class Declaration(NamedTuple):
    """What the winner of a slot declared that its run will use, in tokens."""

    slot_id: str
    declared_tokens: int
    declared_at: datetime


class Lottery(NamedTuple):
    """
    What decided the ties of a cleared round: its seed, the hash that was published of it, and each owner's ticket.

    The lowest ticket stands first; `kept` says whether a hash that somebody noted beforehand is this one.
    """

    round_id: int
    tie_rule: str
    seed: str
    seed_commitment: str
    kept: bool | None
    tickets: tuple[tuple[str, str], ...]


class IncomeShare(NamedTuple):
    """What an account got of a pool's bucket on a day, what of it paid arrears, and what its cap burnt."""

    pool: str
    day: str
    account_id: str
    base_tokens: int
    impact_tokens: int
    garnished_tokens: int
    burnt_tokens: int
    fair_share_tokens: int


class Lease(NamedTuple):
    """The right to run an assignment until `ends_at`, unless a heartbeat with its fence number renews it before."""

    fence: int
    worker_id: str
    lease_seconds: float
    leased_at: datetime
    ends_at: datetime
    assignment: Assignment


class LeaseState(NamedTuple):
    """A lease as it stands, and what its heartbeats said; `run_id` is the sold slot's or the assignment's id."""

    fence: int
    run_id: str
    source: str
    task_id: str
    worker_id: str
    account_id: str
    lease_seconds: float
    status: str
    leased_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    heartbeats: int
    last_heartbeat_at: datetime | None
    started_at: datetime | None
    exited_at: datetime | None
    metered_at: datetime | None
    exit_note: str
    usage_note: str


class Worker(NamedTuple):
    """A process that runs slots: its own account, who gets what its slots sell for, and what it does."""

    worker_id: str
    account_id: str
    provider_id: str
    draws_on: str
    pool: str
    seats: int
    lease_seconds: float
    status: str
    stopped_because: str
    registered_at: datetime
    seen_at: datetime
    ended_at: datetime | None
    running: int
    on_offer: int


class EvaluatorTerms(NamedTuple):
    """How long after a run was settled an evaluator may still judge it."""

    evaluator_id: str
    attest_within_hours: float
    changed_at: datetime


class RunEnding(NamedTuple):
    """How a run ended: its class, a word for why and what was said of it, and when to try again where that is known."""

    run_id: str
    ending: str
    cause: str
    note: str
    retry_at: datetime | None
    task_id: str
    worker_id: str | None
    ended_at: datetime


class Pause(NamedTuple):
    """A worker, or all that draw on an account, that offers nothing until an instant, and then tries with one run."""

    kind: str
    provider_id: str
    name: str
    trips: int
    cause: str
    note: str
    opened_at: datetime
    ends_at: datetime


class TimelineEvent(NamedTuple):
    """One step of a run: what happened, when, and what is to be said about it."""

    at: datetime
    event: str
    note: str


class Swept(NamedTuple):
    """What a sweep ended: leases that ran out, workers not heard of, and slots whose worker is gone."""

    leases_expired: int
    workers_lost: int
    asks_expired: int
    slots_voided: int


class CycleReport(NamedTuple):
    """What one cycle of a pool did; `error` says why its round did not complete."""

    pool: str
    cycle_at: datetime
    income_tokens: int
    bids_placed: int
    round: Round | None
    bids_expired: int
    bids_written: int
    mode: str
    error: str | None


class CycleStatus(NamedTuple):
    """When a pool clears, and whether its agents go by the `auction` or by the `fallback`."""

    pool: str
    paused: bool
    interval_seconds: float
    last_cycle_at: datetime | None
    next_cycle_at: datetime | None
    missed: int
    mode: str
    mode_since_at: datetime
    mode_reason: str


class ModeSwitch(NamedTuple):
    """A change between the auction and the fallback."""

    pool: str
    ordinal: int
    mode: str
    reason: str
    switched_at: datetime


class Key(NamedTuple):
    """A key of the API: for which account it acts, what it may do, and until when. Its secret is kept nowhere."""

    key_id: str
    account_id: str
    scopes: tuple[str, ...]
    label: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    successor_id: str | None
    last_used_at: datetime | None


class NewKey(NamedTuple):
    """A key just made, and its text, which is told this once; None where the same call made it before."""

    key: Key
    text: str | None


class Principal(NamedTuple):
    """Who acts by a key: its account, the owner behind that, and what the key may do."""

    key_id: str
    account_id: str
    owner_id: str
    scopes: frozenset[str]

    @property
    def is_operator(self) -> bool:
        """Whether it acts for the system, and so sees all accounts."""
        return self.owner_id == "system"
