"""Any input gets an answer: a correct result, or a refusal that names the argument and writes nothing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from types import ModuleType
from typing import Any

import pytest

from scidex.errors import BidsRefused, InvalidArgument, ScidexError
from scidex.exchange import compute_auction, token_ledger
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

A_NAME = {"text", "injection", "path"}
A_LINE = A_NAME | {"empty", "leading space", "right-to-left", "zero width", "decomposed"}
A_KNOWN_THING: set[str] = set()
A_POSITIVE_NUMBER: set[str] = set()
A_DATABASE: set[str] = set()  # None is legal too; what it means has a test of its own
A_WORD: set[str] = set()
A_CURSOR = {"none", "zero", "minus one", "2**53"}

# The nasty values that each argument takes all the same; "verb.argument" wins over "argument".
LEGAL: dict[str, set[str]] = {
    "account_id": A_KNOWN_THING,
    "actual_cost_tokens": {"zero"},
    "actual_impact": {"zero", "minus zero", "minus one", "float"},
    "after": A_NAME | {"empty"},
    "amount_tokens": A_POSITIVE_NUMBER,
    "attested_by": A_KNOWN_THING,
    "available_at": {"none"},
    "before": {"none"},
    "before_bid": A_CURSOR,
    "before_round": A_CURSOR,
    "bid_id": A_KNOWN_THING,
    "bidder_id": A_KNOWN_THING,
    "bids": {"list"},
    "count": A_POSITIVE_NUMBER,
    "create_account.account_id": A_NAME,
    "create_pool.pool": A_NAME,
    "credit": A_KNOWN_THING,
    "db": A_DATABASE,
    "debit": A_KNOWN_THING,
    "dry_run": {"true"},
    "expected_value_usd": {"zero", "minus zero", "float"},
    "expires_at": {"none"},
    "fence": {"none"},
    "hours": {"float"},
    "idempotency_key": A_NAME | {"none"},
    "kind": A_WORD,
    "limit": A_POSITIVE_NUMBER,
    "max_price_tokens": A_POSITIVE_NUMBER,
    "max_seconds": {"none"},
    "list_open_bids.after": A_CURSOR,
    "list_round_bids.after": A_CURSOR,
    "list_rounds.before": A_CURSOR,
    "mechanism": A_WORD,
    "most": A_POSITIVE_NUMBER,
    "now": {"none"},
    "owner_id": A_NAME | {"none"},
    "pool": A_KNOWN_THING,
    "probability": A_POSITIVE_NUMBER,
    "provider_id": A_KNOWN_THING,
    "reason": A_LINE,
    "reserve_price_tokens": {"zero"},
    "round_id": A_KNOWN_THING,
    "settle.actual_impact": {"none", "zero", "minus zero", "minus one", "float"},
    "settle.attested_by": {"none"},
    "slot_id": A_KNOWN_THING,
    "task_id": A_NAME,
    "theta": {"none", "zero", "minus zero"},
    "tie_rule": A_WORD,
    "time_in_force": A_WORD,
    "token_allowance": {"none"},
    "ttl_at": {"none"},
}


class Market:
    """A market with something of everything, and a supply of things that no call has used yet."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.numbers = count()
        fund(db, 10**9, "a", "b")
        fund(db, 0, "judge", kind="evaluator")

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

    def settled_slot(self) -> str:
        return settle(self.db, self.sold_slot()).slot_id

    def round_id(self) -> int:
        self.open_slot()
        return clear(self.db).round_id or 0

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

    def amount(self, **accounts: str) -> dict[str, Any]:
        return {**accounts, "amount_tokens": 1, "reason": "because", "idempotency_key": self.name()}


# Arguments that each verb takes, all of them: a verb or an argument that is not here fails a test below.
CALLS: dict[str, Callable[[Market], dict[str, Any]]] = {
    "attest": lambda m: {"slot_id": m.settled_slot(), "actual_impact": 1.0, "attested_by": "judge"},
    "burn": lambda m: m.amount(account_id="a"),
    "cancel_bid": lambda m: {"bid_id": m.open_bid(), "reason": "because"},
    "clear_round": lambda _: {"pool": "scidex-agent", "dry_run": True},
    "create_account": lambda m: {"account_id": m.name(), "kind": "agent", "owner_id": "team"},
    "create_pool": lambda m: {
        "pool": m.name(),
        "mechanism": "k_double_auction",
        "theta": "1/2",
        "tie_rule": "arrival",
    },
    "ensure_schema": lambda _: {},
    "explain": lambda m: {"bid_id": m.open_bid()},
    "get_bidder_stats": lambda _: {"pool": "scidex-agent", "hours": 1, "limit": 1},
    "get_account": lambda _: {"account_id": "a"},
    "get_balance": lambda _: {"account_id": "a"},
    "get_bid": lambda m: {"bid_id": m.open_bid()},
    "get_order_book": lambda _: {"pool": "scidex-agent", "limit": 1},
    "get_pool": lambda _: {"pool": "scidex-agent"},
    "get_recent_stats": lambda _: {"pool": "scidex-agent", "hours": 1},
    "get_round": lambda m: {"round_id": m.round_id()},
    "get_transfers": lambda _: {"account_id": "a", "before": 1, "limit": 1},
    "list_accounts": lambda _: {"after": "a", "limit": 1},
    "list_clears": lambda _: {"pool": "scidex-agent", "before_round": 1, "before_bid": 1, "limit": 1},
    "list_open_bids": lambda _: {"bidder_id": "a", "after": 1, "limit": 1},
    "list_pools": lambda _: {},
    "list_round_bids": lambda m: {"round_id": m.round_id(), "after": 1, "limit": 1},
    "list_rounds": lambda _: {"pool": "scidex-agent", "before": 1, "limit": 1},
    "list_wallets": lambda _: {"after": "a", "limit": 1},
    "list_won_slots": lambda _: {"bidder_id": "a", "after": "slot-1", "limit": 1},
    "mint": lambda m: m.amount(account_id="a"),
    "offer_slots": lambda m: m.offer(),
    "place_bid": lambda m: m.bid(),
    "place_bids": lambda m: {"bids": [m.bid()]},
    "quote": lambda _: {"probability": 0.5, "pool": "scidex-agent"},
    "recompute": lambda m: {"round_id": m.round_id()},
    "refund_unfilled": lambda _: {},
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


def verbs_of(module: ModuleType) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, verb in inspect.getmembers(module, inspect.isfunction):
        if verb.__module__ == module.__name__ and not name.startswith("_"):
            yield name, verb


VERBS = {name: verb for module in (compute_auction, token_ledger) for name, verb in verbs_of(module)}


def arguments_of(verb: str) -> set[str]:
    return set(inspect.signature(VERBS[verb]).parameters)


def legal_values(verb: str, argument: str) -> set[str]:
    return LEGAL[f"{verb}.{argument}" if f"{verb}.{argument}" in LEGAL else argument]


def whole_call(verb: str, market: Market) -> dict[str, Any]:
    """Every argument that the verb takes, with a value that it accepts."""
    call = {**CALLS[verb](market), "db": market.db}
    return {**call, "now": NOON} if "now" in arguments_of(verb) else call


@pytest.fixture
def market(db) -> Market:
    return Market(db)


# --- the table is whole


def test_every_verb_that_is_offered_is_found():
    assert set(compute_auction.__all__) <= VERBS.keys()
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


def faults_of(answer: Any, argument: str) -> Iterator[str]:
    """What is wrong with a refusal of an argument."""
    if not isinstance(answer, ScidexError):
        yield f"{type(answer).__name__} is no refusal: {str(answer)[:200]}"
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
        for fault in faults_of(answer_to(verb, {**good, argument: value}), argument)
    ]

    assert faults == []
    assert contents(market.db) == before
    assert token_ledger.verify(market.db).ok


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
