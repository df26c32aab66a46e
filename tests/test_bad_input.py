"""Any input gets an answer: a correct result, or a refusal that names the argument and writes nothing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from types import ModuleType
from typing import Any

import pytest

from scidex.errors import BidsRefused, InvalidArgument, NotAuthenticated, ScidexError
from scidex.exchange import (
    attempts,
    backlog,
    compute_auction,
    cycle,
    ev_scorer,
    keys,
    leases,
    runs,
    sealing,
    services,
    sweeper,
    token_ledger,
    workers,
)
from scidex.records import Assignment, NewKey, Usage
from scidex.senate import epistemic_health
from scidex.store import Database, default_database
from tests.databases import contents
from tests.market import NOON, bid, clear, fund, offer, settle

FAR = datetime(2100, 1, 1, tzinfo=UTC)

NASTY: dict[str, Any] = {
    "true": True,
    "float": 1.5,
    "zero": 0,
    "minus one": -1,
    "minus zero": -0.0,
    "nan": float("nan"),
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "2**53": 2**53,
    "2**63": 2**63,
    "10**400": 10**400,
    "text": "nobody-knows-this",
    "injection": "a'; DROP TABLE journal; --",
    "path": "../../health",
    "bytes": b"a",
    "none": None,
    "list": [],
    "dict": {},
    "10 MB": "x" * 10_000_000,
    "nul": "a\x00b",
    "newline": "a\nb",
    "lone surrogate": "a\ud800b",
    "right-to-left": "a\u202eb",
    "zero width": "a\u200bb",
    "decomposed": "e\u0301",
    "empty": "",
    "leading space": " a",
    "naive datetime": datetime(2099, 5, 1, 12),  # noqa: DTZ001
    "greatest datetime": datetime.max.replace(tzinfo=UTC),
    "least datetime": datetime.min.replace(tzinfo=UTC),
}

# What is no key is refused without a word on why: nobody learns from a refusal which part of it was right.
SAYS_NOTHING = {"authenticate.text", "id_of.text", "principal_of.key_id"}

A_NAME = {"text", "injection", "path"}
A_LINE = A_NAME | {"empty", "leading space", "right-to-left", "zero width", "decomposed"}
A_KNOWN_THING: set[str] = set()
A_POSITIVE_NUMBER: set[str] = set()
A_DATABASE: set[str] = set()  # None is legal too; what it means has a test of its own
A_WORD: set[str] = set()
A_TEXT = A_LINE | {"10 MB", "nul", "newline", "lone surrogate"}
A_CURSOR = {"none", "zero", "minus one", "2**53"}

# The nasty values that each argument takes all the same; "verb.argument" wins over "argument".
LEGAL: dict[str, set[str]] = {
    "account_id": A_KNOWN_THING,
    "actual_cost_tokens": {"zero"},
    "actual_impact": {"zero", "minus zero", "minus one", "float"},
    "add_quest.account_id": A_NAME | {"none"},
    "add_quest.quest_id": A_NAME,
    "add_quest.strategy": A_WORD,
    "add_task.task_id": A_NAME,
    "after": A_NAME | {"empty"},
    "agent_id": A_KNOWN_THING,
    "attempts": {"list"},
    "label": A_LINE,
    "key_id": A_KNOWN_THING,
    "least": A_POSITIVE_NUMBER,
    "list_keys.account_id": A_NAME | {"none"},
    "list_refusals.before": {"none", "2**53"},
    "overlap_seconds": {"zero"},
    "scopes": A_WORD,
    "text": A_KNOWN_THING,
    "uses": {"dict"},
    "ended_too": {"true"},
    "fences": {"list"},
    "find_lease.fence": A_KNOWN_THING,
    "get_lease.fence": A_KNOWN_THING,
    "heartbeat.fence": A_KNOWN_THING,
    "lease_seconds": {"none", "float"},
    "list_transfers.after": {"zero"},
    "list_leases.worker_id": A_NAME | {"none"},
    "note_step.fence": A_KNOWN_THING,
    "register_worker.worker_id": A_NAME,
    "draws_on": A_NAME | {"empty"},
    "name": A_NAME,
    "end_pause.provider_id": A_NAME,
    "ending": {"none"},
    "run_id": A_KNOWN_THING,
    "seats": A_POSITIVE_NUMBER,
    "seconds": {"zero", "minus zero", "float"},
    "step": A_WORD,
    "wait_for_round.after": {"zero", "2**53"},
    "wanted": {"zero"},
    "worker_id": A_KNOWN_THING,
    "amount_tokens": A_POSITIVE_NUMBER,
    "assignment": A_KNOWN_THING,
    "attest_within_hours": {"zero", "minus zero", "float"},
    "attested_by": A_KNOWN_THING,
    "evaluator_id": A_KNOWN_THING,
    "available_at": {"none"},
    "before": {"none"},
    "before_bid": A_CURSOR,
    "before_round": A_CURSOR,
    "bid_id": A_KNOWN_THING,
    "bidder_id": A_KNOWN_THING,
    "bids": {"list"},
    "cause": {"empty"},
    "charged_usd": {"none", "zero", "minus zero", "float"},
    "by": {"none"},
    "checks": A_WORD,
    "count": A_POSITIVE_NUMBER,
    "create_account.account_id": A_NAME,
    "create_pool.pool": A_NAME,
    "credit": A_KNOWN_THING,
    "db": A_DATABASE,
    "deadline_at": {"none"},
    "debit": A_KNOWN_THING,
    "depends_on": {"list"},
    "declared_tokens": A_POSITIVE_NUMBER,
    "dry_run": {"true"},
    "entitled": {"true"},
    "ended": A_WORD,
    "estimated_cost_tokens": {"none", "zero"},
    "exit_code": {"none", "zero", "minus one"},
    "expected_value_usd": {"zero", "minus zero", "float"},
    "expires_at": {"none"},
    "fence": {"none"},
    "finish.actual_cost_tokens": {"none", "zero"},
    "finish.usage": {"none"},
    "finish.actual_impact": {"none", "zero", "minus zero", "minus one", "float"},
    "finish.attested_by": {"none"},
    "hours": {"float"},
    "idempotency_key": A_NAME | {"none"},
    "kind": A_WORD,
    "limit": A_POSITIVE_NUMBER,
    "list_income.before": A_NAME | {"none"},
    "list_pull_requests.run_id": {"none"},
    "list_rounds.before": A_CURSOR,
    "list_tasks.pool": A_NAME | {"none"},
    "list_tasks.quest_id": A_NAME | {"none"},
    "source": A_NAME | {"none"},
    "list_tasks.status": {"none"},
    "list_task_bids.before": A_CURSOR,
    "list_task_bids.task_id": A_NAME,
    "max_price_tokens": A_POSITIVE_NUMBER,
    "max_seconds": {"none"},
    "merged_days": {"zero", "minus zero", "float"},
    "list_open_bids.after": A_CURSOR,
    "list_round_bids.after": A_CURSOR,
    "mechanism": A_WORD,
    "merged_at": A_KNOWN_THING,
    "most": A_POSITIVE_NUMBER,
    "note": A_LINE,
    "now": {"none"},
    "only_new": {"true"},
    "output_bytes": {"zero"},
    "owner_id": A_NAME | {"none"},
    "payload": {"none", "dict"},
    "place_bid.task_id": A_NAME,
    "pool": A_KNOWN_THING,
    "priority": {"zero"},
    "probability": A_POSITIVE_NUMBER,
    "profile": A_WORD,
    "provider_id": A_KNOWN_THING,
    "quest_id": A_KNOWN_THING,
    "quests": {"list"},
    "reason": A_LINE,
    "reserve_price_tokens": {"zero"},
    "round_id": A_KNOWN_THING,
    "seed_commitment": A_LINE | {"none"},
    "set_quest.priority": {"none", "zero"},
    "set_quest.status": {"none"},
    "set_quest.title": A_LINE | {"none"},
    "settle.actual_impact": {"none", "zero", "minus zero", "minus one", "float"},
    "settle.attested_by": {"none"},
    "retry_at": {"none"},
    "since": {"none"},
    "slot_id": A_KNOWN_THING,
    "state": A_WORD,
    "status": A_WORD,
    "stderr": A_TEXT,
    "stdout": A_TEXT,
    "strategy": {"none"},
    "submit_bids_for_tasks.pool": {"none"},
    "succeeded": {"true"},
    "task_id": A_KNOWN_THING,
    "task_ids": {"list"},
    "tasks": {"list"},
    "theta": {"none", "zero", "minus zero"},
    "tie_rule": A_WORD,
    "time_in_force": A_WORD,
    "title": A_LINE,
    "token_allowance": {"none"},
    "ttl_at": {"none"},
    "until": {"none"},
    "url": A_WORD,
    "usage": A_KNOWN_THING,
}


class Market:
    """A market with something of everything, and a supply of things that no call has used yet."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.numbers = count()
        fund(db, 10**9, "a", "b")
        fund(db, 0, "judge", kind="evaluator")
        backlog.add_quest("q", now=NOON, db=db)

    def name(self) -> str:
        return f"name-{next(self.numbers)}"

    def open_bid(self) -> int:
        return bid(self.db, "a", self.name(), 5, ttl_at=FAR).id

    def open_slot(self) -> str:
        return offer(self.db, 1)[0].slot_id

    def sold_slot(self) -> str:
        self.open_bid()
        self.open_slot()
        return clear(self.db).clears[0].slot_id

    def declarable_slot(self) -> str:
        compute_auction.configure_pool(declared_allowance=True, now=NOON, db=self.db)
        self.open_bid()
        offer(self.db, 1, token_allowance=100)
        return clear(self.db).clears[0].slot_id

    def settled_slot(self) -> str:
        return settle(self.db, self.sold_slot()).slot_id

    def round_id(self) -> int:
        self.open_slot()
        return clear(self.db).round_id or 0

    def open_task(self) -> str:
        return backlog.add_task(self.name(), "q", now=NOON, db=self.db).task_id

    def won(self) -> Assignment:
        """A slot that was sold and that nobody has started."""
        self.sold_slot()
        return services.won_slots("a", db=self.db)[-1]

    def started(self) -> Assignment:
        return services.start(self.won(), now=NOON, db=self.db)

    def offer(self) -> dict[str, Any]:
        return {
            "count": 1,
            "available_at": NOON,
            "pool": "scidex-agent",
            "reserve_price_tokens": 1,
            "provider_id": "b",
            "expires_at": FAR,
            "token_allowance": 1,
            "max_seconds": 1,
            "idempotency_key": self.name(),
        }

    def bid(self) -> dict[str, Any]:
        return {
            "bidder_id": "a",
            "task_id": self.name(),
            "max_price_tokens": 5,
            "expected_value_usd": 1.0,
            "ttl_at": FAR,
            "pool": "scidex-agent",
            "time_in_force": "round",
            "idempotency_key": self.name(),
        }

    def worker(self) -> str:
        workers.register_worker("w", "a", lease_seconds=86_400.0, db=self.db)
        return "w"

    def lease(self) -> int:
        return leases.lease(self.sold_slot(), self.worker(), db=self.db).fence

    def key(self) -> NewKey:
        return keys.create_key("a", ["bid"], now=NOON, db=self.db)

    def amount(self, **accounts: str) -> dict[str, Any]:
        return {**accounts, "amount_tokens": 1, "reason": "because", "idempotency_key": self.name()}


# Arguments that each verb takes, all of them: a verb or an argument that is not here fails a test below.
CALLS: dict[str, Callable[[Market], dict[str, Any]]] = {
    "add_quest": lambda m: {
        "quest_id": m.name(),
        "title": "Title",
        "priority": 1,
        "strategy": "market",
        "owner_id": None,
        "account_id": None,
    },
    "add_task": lambda m: {
        "task_id": m.name(),
        "quest_id": "q",
        "title": "Title",
        "expected_value_usd": 1.0,
        "estimated_cost_tokens": 1,
        "depends_on": [],
        "pool": "scidex-agent",
        "payload": {},
        "deadline_at": FAR,
    },
    "count_tasks": lambda _: {},
    "current_mode": lambda _: {"pool": "scidex-agent"},
    "cycle_status": lambda _: {"pool": "scidex-agent"},
    "entitle_quest": lambda _: {"quest_id": "q", "entitled": True},
    "finish": lambda m: {
        "assignment": m.started(),
        "fence": None,
        "succeeded": True,
        "actual_cost_tokens": 1,
        "usage": None,
        "actual_impact": 1.0,
        "attested_by": "judge",
        "note": "note",
        "cause": "done",
    },
    "get_quest": lambda _: {"quest_id": "q"},
    "get_quest_budget_allocation": lambda _: {},
    "get_task": lambda m: {"task_id": m.open_task()},
    "get_titles": lambda m: {"task_ids": [m.open_task()]},
    "give_back": lambda m: {
        "assignment": m.won(),
        "reason": "because",
        "cause": "quota",
        "retry_at": None,
        "fence": None,
    },
    "list_mode_switches": lambda _: {"pool": "scidex-agent", "before": 1, "limit": 1},
    "list_quests": lambda _: {"after": "a", "limit": 1},
    "list_tasks": lambda _: {
        "quest_id": "q",
        "status": "open",
        "pool": "scidex-agent",
        "source": "s",
        "after": "a",
        "limit": 1,
    },
    "next_task": lambda _: {"agent_id": "a", "pool": "scidex-agent"},
    "pause": lambda _: {"pool": "scidex-agent"},
    "note_written_back": lambda m: {"task_id": m.open_task()},
    "put_tasks": lambda m: {"tasks": [{"task_id": m.name(), "quest_id": "q"}], "quests": [{"quest_id": "q"}]},
    "report": lambda _: {"pool": "scidex-agent"},
    "resume": lambda _: {"pool": "scidex-agent"},
    "run_cycle": lambda _: {"pool": "scidex-agent", "strategy": "clamp"},
    "list_quest_troubles": lambda _: {},
    "score_all": lambda _: {},
    "set_quest": lambda _: {"quest_id": "q", "title": "T", "priority": 1, "status": "active", "strategy": "market"},
    "set_task_status": lambda m: {"task_id": m.open_task(), "status": "done", "reason": "because"},
    "start": lambda m: {"assignment": m.won()},
    "submit_bids_for_tasks": lambda _: {"pool": "scidex-agent", "strategy": "clamp"},
    "won_slots": lambda _: {"agent_id": "a"},
    "authenticate": lambda m: {"text": m.key().text},
    "create_key": lambda m: {"account_id": "a", "scopes": ["bid", "read"], "expires_at": FAR, "label": "because"},
    "get_key": lambda m: {"key_id": m.key().key.key_id},
    "has_live_key": lambda _: {},
    "id_of": lambda m: {"text": m.key().text},
    "list_keys": lambda _: {"account_id": "a", "after": "a", "limit": 1},
    "note_key_uses": lambda m: {"uses": {m.key().key.key_id: NOON}},
    "principal_of": lambda m: {"key_id": m.key().key.key_id},
    "revoke_key": lambda m: {"key_id": m.key().key.key_id},
    "rotate_key": lambda m: {"key_id": m.key().key.key_id, "overlap_seconds": 1, "expires_at": FAR},
    "list_refusals": lambda _: {"before": 1, "limit": 1},
    "note_refusals": lambda _: {"attempts": [attempt()]},
    "seal_journal": lambda _: {"most": 1, "least": 1},
    "check_in": lambda m: {"worker_id": m.worker(), "fences": [m.lease()]},
    "find_lease": lambda m: {"fence": m.lease()},
    "get_lease": lambda m: {"fence": m.lease()},
    "heartbeat": lambda m: {"fence": m.lease()},
    "held_by": lambda m: {"worker_id": m.worker()},
    "keep_offers": lambda m: {
        "worker_id": m.worker(),
        "wanted": 1,
        "reserve_price_tokens": 1,
        "token_allowance": 1,
        "max_seconds": 1,
    },
    "lease": lambda m: {"run_id": m.sold_slot(), "worker_id": m.worker()},
    "lease_next": lambda m: {"worker_id": m.worker()},
    "lease_task": lambda m: {"worker_id": m.worker()},
    "list_leases": lambda m: {"worker_id": m.worker(), "ended_too": False, "limit": 1},
    "list_workers": lambda _: {"ended_too": False, "limit": 1},
    "note_step": lambda m: {"fence": m.lease(), "step": "started", "note": "because"},
    "register_worker": lambda m: {
        "worker_id": m.name(),
        "account_id": "a",
        "pool": "scidex-agent",
        "seats": 1,
        "lease_seconds": 60.0,
        "provider_id": "a",
        "draws_on": "plan",
    },
    "stop_worker": lambda m: {"worker_id": m.worker()},
    "sweep": lambda _: {"most": 1},
    "timeline": lambda m: {"slot_id": m.open_slot()},
    "wait_for_round": lambda _: {"after": 0, "seconds": 0.0, "pool": "scidex-agent"},
    "attest": lambda m: {"slot_id": m.settled_slot(), "actual_impact": 1.0, "attested_by": "judge"},
    "burn": lambda m: m.amount(account_id="a"),
    "cancel_bid": lambda m: {"bid_id": m.open_bid(), "reason": "because"},
    "clear_round": lambda _: {"pool": "scidex-agent", "dry_run": True},
    "configure_pool": lambda _: {"pool": "scidex-agent", "profile": "recommended", "only_new": False},
    "check_lottery": lambda m: {"round_id": m.round_id(), "seed_commitment": "a hash"},
    "create_account": lambda m: {"account_id": m.name(), "kind": "agent", "owner_id": "team"},
    "create_pool": lambda m: {
        "pool": m.name(),
        "mechanism": "k_double_auction",
        "theta": "1/2",
        "tie_rule": "arrival",
    },
    "declare_allowance": lambda m: {"slot_id": m.declarable_slot(), "declared_tokens": 1},
    "ensure_schema": lambda _: {},
    "explain": lambda m: {"bid_id": m.open_bid()},
    "get_bidder_stats": lambda _: {"pool": "scidex-agent", "hours": 1, "limit": 1},
    "get_account": lambda _: {"account_id": "a"},
    "get_balance": lambda _: {"account_id": "a"},
    "get_bid": lambda m: {"bid_id": m.open_bid()},
    "get_market_settings": lambda _: {"pool": "scidex-agent"},
    "get_order_book": lambda _: {"pool": "scidex-agent", "limit": 1},
    "get_ending": lambda m: {"run_id": m.sold_slot()},
    "list_endings": lambda _: {"ending": "failed", "limit": 1},
    "list_evaluators": lambda _: {"limit": 1},
    "set_evaluator": lambda _: {"evaluator_id": "judge", "attest_within_hours": 24.0},
    "list_pauses": lambda _: {"limit": 1},
    "end_pause": lambda _: {"kind": "worker", "name": "w", "provider_id": "a"},
    "get_output": lambda m: {"run_id": m.sold_slot()},
    "get_pool": lambda _: {"pool": "scidex-agent"},
    "get_recent_stats": lambda _: {"pool": "scidex-agent", "hours": 1},
    "get_round": lambda m: {"round_id": m.round_id()},
    "get_sale": lambda m: {"run_id": m.sold_slot()},
    "get_transfers": lambda _: {"account_id": "a", "before": 1, "limit": 1},
    "get_usage": lambda m: {"run_id": m.sold_slot()},
    "list_accounts": lambda _: {"after": "a", "limit": 1},
    "list_clears": lambda _: {"pool": "scidex-agent", "before_round": 1, "before_bid": 1, "limit": 1},
    "list_income": lambda _: {"account_id": "a", "before": "2026-05-01", "limit": 1},
    "list_open_bids": lambda _: {"bidder_id": "a", "after": 1, "limit": 1},
    "list_pools": lambda _: {},
    "list_pull_requests": lambda m: {"run_id": m.sold_slot(), "merged_days": 1, "limit": 1},
    "list_round_bids": lambda m: {"round_id": m.round_id(), "after": 1, "limit": 1},
    "list_task_bids": lambda _: {"task_id": "t", "before": 1, "limit": 1},
    "list_rounds": lambda _: {"pool": "scidex-agent", "before": 1, "limit": 1},
    "list_transfers": lambda _: {"after": 1, "limit": 1},
    "list_wallets": lambda _: {"after": "a", "limit": 1},
    "list_won_slots": lambda _: {"bidder_id": "a", "after": "slot-1", "limit": 1},
    "mint": lambda m: m.amount(account_id="a"),
    "offer_slots": lambda m: m.offer(),
    "place_bid": lambda m: m.bid(),
    "place_bids": lambda m: {"bids": [m.bid()]},
    "quote": lambda _: {"probability": 0.5, "pool": "scidex-agent"},
    "recompute": lambda m: {"round_id": m.round_id()},
    "record_output": lambda m: {
        "run_id": m.sold_slot(),
        "ended": "exited",
        "exit_code": 0,
        "reason": "because",
        "stdout": "a",
        "stderr": "b",
        "output_bytes": 2,
        "seconds": 1.0,
    },
    "record_pull_request": lambda m: {
        "run_id": m.sold_slot(),
        "url": "https://git.example/a/b/pull/1",
        "state": "merged",
        "checks": "pass",
        "merged_at": NOON,
    },
    "record_usage": lambda m: {"run_id": m.sold_slot(), "usage": Usage("file", "reported", 5)},
    "refund_unfilled": lambda _: {},
    "report_costs": lambda _: {
        "since": NOON - timedelta(days=1),
        "until": FAR,
        "hours": 24,
        "charged_usd": 1.0,
        "by": "day",
    },
    "settle": lambda m: {
        "slot_id": m.sold_slot(),
        "actual_cost_tokens": 1,
        "actual_impact": 1.0,
        "attested_by": "judge",
        "fence": None,
    },
    "transfer": lambda m: m.amount(debit="a", credit="b"),
    "verify": lambda _: {},
    "void": lambda m: {"slot_id": m.sold_slot(), "reason": "because"},
    "withdraw_slot": lambda m: {"slot_id": m.open_slot()},
    "write_decided_bids": lambda _: {"pool": "scidex-agent", "most": 1},
}


def attempt(**facts: Any) -> dict[str, Any]:
    texts = {"method": "GET", "route": "/", "error": "NotAuthenticated", "request_id": "r", "place": "::1"}
    return {"refused_at": NOON, "account_id": "a", "key_id": "k", "status": 401, "attempts": 1, **texts, **facts}


def verbs_of(module: ModuleType) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, verb in inspect.getmembers(module, inspect.isfunction):
        if verb.__module__ == module.__name__ and not name.startswith("_"):
            yield name, verb


MODULES = (
    compute_auction,
    token_ledger,
    backlog,
    ev_scorer,
    runs,
    services,
    leases,
    workers,
    sweeper,
    cycle,
    epistemic_health,
    keys,
    attempts,
    sealing,
)
VERBS = {name: verb for module in MODULES for name, verb in verbs_of(module)}


def arguments_of(verb: str) -> set[str]:
    """The verb's arguments by name; settings that it takes by any name have tests of their own."""
    parameters = inspect.signature(VERBS[verb]).parameters.values()
    return {one.name for one in parameters if one.kind is not one.VAR_KEYWORD}


def legal_values(verb: str, argument: str) -> set[str]:
    return LEGAL[f"{verb}.{argument}" if f"{verb}.{argument}" in LEGAL else argument]


def whole_call(verb: str, market: Market) -> dict[str, Any]:
    """Every argument that the verb takes, with a value that it accepts."""
    given = {"db": market.db, "now": NOON}
    return {**CALLS[verb](market), **{name: given[name] for name in given.keys() & arguments_of(verb)}}


@pytest.fixture
def market(db) -> Market:
    return Market(db)


# --- the table is whole


def test_every_verb_that_is_offered_is_found():
    assert set(compute_auction.__all__) <= VERBS.keys()
    assert sum(len(list(verbs_of(module))) for module in MODULES) == len(VERBS)
    assert {"create_account", "mint", "burn", "transfer", "get_balance", "verify"} <= VERBS.keys()


def test_the_table_has_every_verb():
    assert CALLS.keys() == VERBS.keys()


@pytest.mark.parametrize("verb", sorted(CALLS))
def test_the_table_has_every_argument(verb, tmp_path):
    from scidex.store import connect

    with connect(f"sqlite:///{tmp_path}/market.db") as db:
        compute_auction.ensure_schema(db=db)
        assert whole_call(verb, Market(db)).keys() == arguments_of(verb)
    assert [argument for argument in arguments_of(verb) if argument not in LEGAL] == []


def test_the_table_has_nothing_else():
    known = {name for verb in VERBS for name in arguments_of(verb)} | set(
        inspect.signature(compute_auction.place_bid).parameters
    )

    assert {name.rpartition(".")[2] for name in LEGAL} == known
    assert {name.rpartition(".")[0] for name in LEGAL} <= {"", *VERBS}
    assert set().union(*LEGAL.values()) <= NASTY.keys()


# --- every nasty value is refused, or legal and accepted


def answer_to(verb: str, call: dict[str, Any]) -> Any:
    """What the verb answers, or the error that it raises, whatever it is."""
    try:
        return VERBS[verb](**call)
    except Exception as error:
        return error


def faults_of(answer: Any, argument: str, verb: str = "") -> Iterator[str]:
    """What is wrong with a refusal of an argument."""
    if not isinstance(answer, ScidexError):
        yield f"{type(answer).__name__} is no refusal: {str(answer)[:200]}"
    elif isinstance(answer, NotAuthenticated):
        if f"{verb}.{argument}" not in SAYS_NOTHING or answer.facts:
            yield f"{type(answer).__name__} with {answer.facts}"
    elif getattr(answer, "field", None) != argument:
        yield f"{type(answer).__name__} names {getattr(answer, 'field', None)!r}"
    elif not (message := str(answer)).isprintable() or len(message) > 1_000:
        yield f"the message is not one readable line: {message[:200]!a}"


@pytest.mark.parametrize("verb", sorted(CALLS))
def test_bad_input_is_refused_by_name_and_changes_nothing(verb, market):
    good = whole_call(verb, market)
    before = contents(market.db)
    faults = [
        f"{argument} = {name}: {fault}"
        for argument in sorted(arguments_of(verb))
        for name, value in NASTY.items()
        if name not in legal_values(verb, argument) and not (argument == "db" and value is None)
        for fault in faults_of(answer_to(verb, {**good, argument: value}), argument, verb)
    ]

    assert faults == []
    assert contents(market.db) == before
    assert token_ledger.verify(market.db).ok


@pytest.mark.parametrize("field", sorted(attempt()))
def test_bad_input_in_a_refused_attempt_is_refused_by_name(field, market):
    fine = {"account_id": A_NAME | {"none"}, "key_id": A_NAME | {"none"}, "attempts": set(), "status": set()}
    before = contents(market.db)
    faults = [
        f"{name}: {fault}"
        for name, value in NASTY.items()
        if name not in fine.get(field, A_LINE if field != "refused_at" else set())
        for fault in faults_of(
            answer_to("note_refusals", {"attempts": [attempt(), attempt(**{field: value})], "db": market.db}), field
        )
    ]

    assert faults == []
    assert contents(market.db) == before


@pytest.mark.parametrize("odd", [{}, {"status": 401}, {**attempt(), "more": 1}, [], None, "attempt", 7])
def test_an_attempt_has_its_fields_and_no_others(odd, market):
    assert list(faults_of(answer_to("note_refusals", {"attempts": [odd], "db": market.db}), "attempts")) == []


@pytest.mark.parametrize("argument", sorted(arguments_of("place_bid") - {"db", "now"}))
def test_bad_input_in_a_batch_is_refused_by_index_and_name(argument, market):
    good = market.bid()
    before = contents(market.db)
    faults = []
    for name, value in NASTY.items():
        if name in legal_values("place_bid", argument):
            continue
        answer = answer_to("place_bids", {"bids": [good, {**market.bid(), argument: value}], "db": market.db})
        if not isinstance(answer, BidsRefused) or answer.errors.keys() != {1}:
            faults.append(f"{name}: {type(answer).__name__}: {str(answer)[:200]}")
        else:
            faults += [f"{name}: {fault}" for fault in faults_of(answer.errors[1], argument)]

    assert faults == []
    assert contents(market.db) == before


@pytest.mark.parametrize("verb", sorted(CALLS))
def test_what_looks_odd_and_is_legal_is_accepted(verb, market):
    refused = {
        f"{argument} = {name}": answer
        for argument in arguments_of(verb)
        for name in sorted(legal_values(verb, argument))
        if isinstance(answer := answer_to(verb, {**whole_call(verb, market), argument: NASTY[name]}), Exception)
    }

    assert refused == {}
    assert token_ledger.verify(market.db).ok


# --- what no table holds


@pytest.mark.parametrize("theta", ["1e400000000", "9" * 5_000, "1/0", "0.5/2", "2/1", "٠", " 1/2", "1_0/20", 1.0000001])
def test_odd_weights_are_refused_at_once(db, theta):
    with pytest.raises(InvalidArgument) as refused:
        compute_auction.create_pool("p", mechanism="k_double_auction", theta=theta, db=db)

    assert refused.value.field == "theta"


def test_a_weight_is_for_the_rules_that_have_one(db):
    with pytest.raises(InvalidArgument, match="theta is not for this mechanism"):
        compute_auction.create_pool("p", theta="1/2", db=db)


@pytest.mark.parametrize("kind", [type("Text", (str,), {}), type("Number", (int,), {})])
def test_a_type_made_to_look_like_another_is_refused(db, kind):
    fund(db, 100, "a")
    call: dict[str, Any] = {"bidder_id": "a", "task_id": "t", "max_price_tokens": 5}
    field = "task_id" if issubclass(kind, str) else "max_price_tokens"

    with pytest.raises(ScidexError) as refused:
        compute_auction.place_bid(**{**call, field: kind(call[field])}, db=db)

    assert refused.value.facts["field"] == field


def test_without_a_database_the_one_of_the_environment_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIDEX_DATABASE_URL", f"sqlite:///{tmp_path}/default.db")

    compute_auction.ensure_schema()
    token_ledger.create_account("a")

    assert token_ledger.get_balance("a").available == 0
    assert (tmp_path / "default.db").exists()
    default_database().close()


@pytest.mark.parametrize("left_out", ["bidder_id", "task_id", "max_price_tokens"])
def test_a_bid_of_a_batch_needs_its_arguments(db, left_out):
    terms = {"bidder_id": "a", "task_id": "t", "max_price_tokens": 5}
    del terms[left_out]

    with pytest.raises(BidsRefused) as refused:
        compute_auction.place_bids([terms], db=db)

    assert refused.value.errors[0].facts["field"] == left_out
