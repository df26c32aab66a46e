"""The shapes of what goes over the wire. What comes in is strict; what goes out mirrors the exchange's records."""

from __future__ import annotations

from datetime import datetime
from types import GenericAlias
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    Tag,
    create_model,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from scidex import records
from scidex.exchange.quests.fields import STRATEGY_WORDS
from scidex.settings import DEFAULT_POOL, MOST_TOKENS, TREASURY


def _instant(value: Any) -> Any:
    if not isinstance(value, str):
        return value  # the model says what it wants instead
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("must say its time zone, as in 2026-04-27T12:00:00Z")
    return moment


def _shape(value: Any) -> str:
    return "many" if isinstance(value, list) else "one"


Instant = Annotated[datetime, BeforeValidator(_instant, json_schema_input_type=datetime)]
Tokens = Annotated[int, Field(ge=0, le=MOST_TOKENS)]
Price = Annotated[int, Field(ge=1, le=MOST_TOKENS)]
Id = Annotated[str, Field(min_length=1, max_length=200)]
Usd = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
Impact = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]
Provenance = Literal["billed", "reported", "estimated", "none"]
CostUsd = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Scope = Annotated[str, Field(pattern="^(admin|attest|bid|read|work)$")]
Line = Annotated[str, Field(max_length=2_000)]
Cause = Annotated[str, Field(pattern="^[a-z_]{0,40}$", description="A word for why.")]
StrategyWord = Annotated[str, Field(pattern=f"^({'|'.join(STRATEGY_WORDS)})$")]


class RequestBody(BaseModel):
    """What a client sends: these fields, of these types, and no others. A field that is null was left out."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, sent: Any) -> Any:
        return {name: value for name, value in sent.items() if value is not None} if isinstance(sent, dict) else sent

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        told = handler.resolve_ref_schema(schema)
        for name, field in told.get("properties", {}).items():
            if name not in told.get("required", ()) and {"type": "null"} not in field.get("anyOf", ()):
                about = {key: field.pop(key) for key in ("title", "description", "default") if key in field}
                told["properties"][name] = {"anyOf": [field, {"type": "null"}], **about}
        return schema


class NewBid(RequestBody):
    """A bid for the next slot of a pool. The bidder is the key's account, the time the server's."""

    bidder_id: Id | None = None
    task_id: Id
    max_price_tokens: Price
    expected_value_usd: Usd = 0.0
    ttl_at: Instant | None = None
    pool: Id = DEFAULT_POOL
    time_in_force: Annotated[str, Field(pattern="^(round|gtt)$")] = "round"
    idempotency_key: Id | None = None


NewBids = Annotated[
    Annotated[NewBid, Tag("one")] | Annotated[list[NewBid], Field(max_length=10_000), Tag("many")],
    Discriminator(_shape),
]


class NewAsks(RequestBody):
    """Like slots to offer."""

    count: Annotated[int, Field(ge=1, le=100_000)] = 1
    available_at: Instant | None = None
    expires_at: Instant | None = None
    pool: Id = DEFAULT_POOL
    reserve_price_tokens: Tokens = 0
    provider_id: Id | None = None
    token_allowance: Price | None = None
    max_seconds: Annotated[int, Field(ge=1, le=10 * 365 * 86_400)] | None = None
    idempotency_key: Id | None = None


class NewPool(RequestBody):
    """A pool to open."""

    pool: Id
    mechanism: Id = "uniform_price"
    theta: Annotated[str, Field(max_length=40)] | None = None
    tie_rule: Annotated[str, Field(pattern="^(arrival|lottery)$")] = "arrival"


class PoolSettings(RequestBody):
    """What to set a pool to: a profile, and values in place of the profile's by their names."""

    profile: Id = "recommended"
    only_new: bool = False
    overrides: Annotated[dict[str, Any], Field(max_length=100)] = Field(default_factory=dict)


class KeyWanted(RequestBody):
    """A key to make."""

    account_id: Id
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=5)]
    expires_at: Instant | None = None
    label: Line = ""


class Rotation(RequestBody):
    """How long the old key works on, and when the new one ends."""

    overlap_seconds: Annotated[int, Field(ge=0, le=30 * 86_400)] = 86_400
    expires_at: Instant | None = None


class ClearNow(RequestBody):
    """Which pool to clear, and whether only to say what would happen."""

    pool: Id = DEFAULT_POOL
    dry_run: bool = False


class Settlement(RequestBody):
    """What a slot cost, and what came of it."""

    actual_cost_tokens: Tokens
    actual_impact: Impact | None = None
    attested_by: Id | None = None
    fence: int | None = None


class Attestation(RequestBody):
    """What a settled slot's impact was, and who says so."""

    actual_impact: Impact
    attested_by: Id | None = None


class NewDeclaration(RequestBody):
    """What the run of a won slot will use."""

    declared_tokens: Tokens


class Reason(RequestBody):
    """Why."""

    reason: Line = "voided"


class Interruption(RequestBody):
    """What interrupted a run, and when to try again where that is known."""

    reason: Line = "given back"
    cause: Cause = ""
    retry_at: datetime | None = None


class EvaluatorTime(RequestBody):
    """How long an evaluator may still judge a run."""

    attest_within_hours: Annotated[float, Field(ge=0, le=8_784, allow_inf_nan=False)]


class PauseToEnd(RequestBody):
    """What may offer slots again."""

    kind: Annotated[str, Field(pattern="^(worker|account)$")]
    name: Id
    provider_id: Id = TREASURY


class LeaseRequest(RequestBody):
    """Which worker is to run it."""

    worker_id: Id


class Fence(RequestBody):
    """The number of the lease that is renewed."""

    fence: Annotated[int, Field(ge=1, le=2**63 - 1)]


class NewWorker(RequestBody):
    """A process that runs slots for an account."""

    worker_id: Id
    account_id: Id
    provider_id: Annotated[Id, Field(description="The account that gets what its slots sell for.")] = TREASURY
    draws_on: Annotated[str, Field(max_length=200, description="The account at a provider of models.")] = ""
    pool: Id = DEFAULT_POOL
    seats: Annotated[int, Field(ge=1, le=10_000)] = 1
    lease_seconds: Annotated[float, Field(ge=0.05, le=86_400, allow_inf_nan=False)] | None = None


class Fences(RequestBody):
    """The leases that a worker runs; in the answer, those that it still holds."""

    fences: Annotated[list[Annotated[int, Field(ge=1, le=2**63 - 1)]], Field(max_length=10_000)] = Field(
        default_factory=list
    )


class OffersWanted(RequestBody):
    """How many slots a worker wants on offer, and their terms."""

    wanted: Annotated[int, Field(ge=0, le=10_000)]
    reserve_price_tokens: Tokens = 0
    token_allowance: Price | None = None
    max_seconds: Annotated[int, Field(ge=1, le=10 * 365 * 86_400)] | None = None


class LeaseWanted(RequestBody):
    """What a worker asks for: a slot that was `won`, or an `unsold` one's task."""

    source: Annotated[str, Field(pattern="^(won|unsold)$")] = "won"


class Step(RequestBody):
    """How far a run has come."""

    step: Annotated[str, Field(pattern="^(started|exited|metered)$")]
    note: Line = ""


class NewUsage(RequestBody):
    """What a run used, and where that was learnt from; null is not known, never 0."""

    meter: Id
    provenance: Provenance
    tokens: Tokens | None = None
    input_tokens: Tokens | None = None
    cached_input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cost_usd: CostUsd | None = None
    cost_provenance: Provenance = "none"
    note: Line = ""
    model: Line = ""


class NewOutput(RequestBody):
    """How a run ended, and the last of what it wrote."""

    ended: Literal["exited", "timed_out", "flooded", "swollen", "stopped", "not_started", "lost"]
    exit_code: Annotated[int, Field(ge=-255, le=2**32)] | None = None
    reason: Line = ""
    stdout: Annotated[str, Field(max_length=1_000_000)] = ""
    stderr: Annotated[str, Field(max_length=1_000_000)] = ""
    output_bytes: Annotated[int, Field(ge=0, le=2**53)] = 0
    seconds: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 0.0


class NewPullRequest(RequestBody):
    """A pull request as it was seen."""

    url: Annotated[str, Field(min_length=1, max_length=500)]
    state: Literal["open", "merged", "closed"]
    checks: Literal["pass", "fail", "pending", "none"] = "none"
    merged_at: Instant | None = None


class RunOutcome(RequestBody):
    """What came of a run."""

    succeeded: bool
    actual_cost_tokens: Tokens | None = None
    usage: NewUsage | None = None
    actual_impact: Impact | None = None
    attested_by: Id | None = None
    note: Line = ""
    cause: Cause = ""


class NewAccount(RequestBody):
    """A wallet to open."""

    account_id: Id
    kind: Annotated[str, Field(pattern="^(agent|quest|worker|evaluator)$")] = "agent"
    owner_id: Id | None = None


class NewTransfer(RequestBody):
    """Tokens to move to another account."""

    credit: Id
    amount_tokens: Price
    reason: Line = "transfer"
    idempotency_key: Id | None = None


class NewMint(RequestBody):
    """Tokens to issue."""

    amount_tokens: Price
    reason: Line = "grant"
    idempotency_key: Id | None = None


class NewBurn(RequestBody):
    """Tokens to take out of the market."""

    amount_tokens: Price
    reason: Line = "burn"
    idempotency_key: Id | None = None


class NewQuest(RequestBody):
    """A quest to add; its wallet is opened with it."""

    quest_id: Id
    title: Line = ""
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = 1
    strategy: StrategyWord = "market"
    owner_id: Id | None = None
    account_id: Id | None = None


class QuestChange(RequestBody):
    """What changes about a quest."""

    title: Line | None = None
    priority: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    status: Annotated[str, Field(pattern="^(active|paused)$")] | None = None
    strategy: StrategyWord | None = None


class Entitlement(RequestBody):
    """Whether the floor serves a quest."""

    entitled: bool


class NewTask(RequestBody):
    """A task to add to a quest's backlog."""

    task_id: Id
    quest_id: Id
    title: Line = ""
    expected_value_usd: Usd = 0.0
    estimated_cost_tokens: Tokens | None = None
    depends_on: Annotated[list[Id], Field(max_length=1_000)] = Field(default_factory=list)
    pool: Id = DEFAULT_POOL
    payload: dict[str, Any] = Field(default_factory=dict)
    deadline_at: Instant | None = None


class ImportedTask(NewTask):
    """A task to add, or to change where it is there; what is left out stays as it is."""

    status: Annotated[str, Field(pattern="^(open|running|done|failed|held)$")] = "open"
    status_reason: Line = ""
    kind: Annotated[str, Field(pattern="^(task|group)$")] = "task"
    source: Id = ""


class ImportedQuest(RequestBody):
    """A quest to add with its tasks, or to change."""

    quest_id: Id
    title: Line = ""
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = 1
    strategy: StrategyWord = "market"


class Import(RequestBody):
    """Tasks to add or change, all of them or none, and the quests they belong to."""

    tasks: Annotated[list[ImportedTask], Field(max_length=10_000)]
    quests: Annotated[list[ImportedQuest], Field(max_length=10_000)] = Field(default_factory=list)


class NewStatus(RequestBody):
    """Where to take a task by hand."""

    status: Annotated[str, Field(pattern="^(open|running|done|failed|held)$")]
    reason: Line = ""


def mirror(record: type, **more: Any) -> type[BaseModel]:
    """Return the model of a record of the exchange: its fields and types, and what `more` adds or replaces."""
    fields: dict[str, Any] = {name: (hint, ...) for name, hint in {**get_type_hints(record), **more}.items()}
    config = ConfigDict(from_attributes=True)
    return create_model(record.__name__, __doc__=record.__doc__, __config__=config, **fields)


def _many(model: type[BaseModel]) -> Any:
    return GenericAlias(list, (model,))


Key = mirror(records.Key)
Keys = _many(Key)
NewKeyTold = mirror(records.NewKey, key=Key)
Principal = mirror(records.Principal, is_operator=bool)
Account = mirror(records.Account)
Accounts = _many(Account)
LedgerReport = mirror(records.LedgerReport, ok=bool)
Swept = mirror(records.Swept)
WalletSummaries = _many(mirror(records.WalletSummary, available=int))
Balance = mirror(records.Balance, available=int)
Transfer = mirror(records.Transfer)
Transfers = _many(Transfer)
RefusedAttempts = _many(mirror(records.RefusedAttempt))
Pool = mirror(records.Pool)
MarketSettings = mirror(records.MarketSettings)
Ask = mirror(records.Ask)
Asks = _many(Ask)
Bid = mirror(records.Bid)
Bids = _many(Bid)
OneBidOrMany: Any = Bid | Bids
Declaration = mirror(records.Declaration)
IncomeShares = _many(mirror(records.IncomeShare))
Lottery = mirror(records.Lottery, tickets=list[list[str]])
Clear = mirror(records.Clear, is_judged=bool)
Clears = _many(Clear)
Explanation = mirror(records.Explanation)
ExplainedBid = mirror(records.Bid, explanation=Explanation)
Quote = mirror(records.Quote)
Round = mirror(records.Round, clears=Clears, sold=int)
RoundSummaries = _many(mirror(records.RoundSummary))
Pools = _many(Pool)
BidderStats = _many(mirror(records.BidderStats))
Quest = mirror(records.Quest)
Quests = _many(Quest)
Task = mirror(records.Task)
Tasks = _many(Task)
ScoredTasks = _many(mirror(records.ScoredTask))
Imported = mirror(records.Imported)
Allocations = _many(mirror(records.Allocation, remaining_tokens=int))
QuestTroubles = _many(mirror(records.QuestTrouble))
CycleStatus = mirror(records.CycleStatus)
CycleReport = mirror(records.CycleReport, round=Round | None)
Assignment = mirror(records.Assignment)
Lease = mirror(records.Lease, assignment=Assignment)
OneLeaseOrNone: Any = Lease | None
Leases = _many(Lease)
LeaseState = mirror(records.LeaseState)
LeaseStates = _many(LeaseState)
Worker = mirror(records.Worker)
Workers = _many(Worker)
TimelineEvents = _many(mirror(records.TimelineEvent))
Finished = mirror(records.Finished, clear=Clear | None)
Usages = _many(mirror(records.Usage))
RunOutput = mirror(records.RunOutput)
OneOutputOrNone: Any = RunOutput | None
EvaluatorTerms = mirror(records.EvaluatorTerms)
EvaluatorsTerms = _many(EvaluatorTerms)
RunEnding = mirror(records.RunEnding)
OneEndingOrNone: Any = RunEnding | None
RunEndings = _many(RunEnding)
Pauses = _many(mirror(records.Pause))
PullRequest = mirror(records.PullRequest)
PullRequests = _many(PullRequest)
CostReport = mirror(records.CostReport, tasks=_many(mirror(records.TaskCost)), groups=_many(mirror(records.CostGroup)))
ModeSwitches = _many(mirror(records.ModeSwitch))
OrderBook = create_model(
    "OrderBook", __doc__="Open bids, best first, and slots on offer, soonest first.", bids=(Bids, ...), asks=(Asks, ...)
)

SessionLink = create_model("SessionLink", __doc__="A path that opens the dashboard once.", path=(str, ...))


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    facts: dict[str, Any] | None = None
    errors: list[dict[str, Any]] | None = None
