"""The journal tells all: replayed into an empty database of either kind it rebuilds the very same tables."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scidex.errors import JournalMismatch, ScidexError
from scidex.exchange import compute_auction, token_ledger
from scidex.store import Database, connect, db_writes
from scidex.store.db_writes import JournalEntry, acting_as, read_journal, replay
from scidex.store.migrate import migrate
from tests.databases import contents, differences, query
from tests.histories import NOON, SCRIPT, History, Step, steps, told

NewUrl = Callable[[str], str]


@pytest.fixture
def new_url(tmp_path, new_database) -> NewUrl:
    """A maker of addresses of empty databases of a kind."""
    made = iter(range(1000))
    return lambda kind: f"sqlite:///{tmp_path}/{next(made)}.db" if kind == "sqlite" else new_database()


def verbs_of(db: Database) -> Counter[str]:
    return Counter(entry.verb for entry in read_journal(db))


# Verbs of the backlog and its cycles are replayed after each of their own tests.
MARKET_ROOMS = {f"scidex.exchange.book.{noun}" for noun in ("pools", "asks", "bids", "endings")}
MARKET_ROOMS |= {"scidex.exchange.rounds.clearing", "scidex.exchange.work.settlement", "scidex.exchange.token_ledger"}


def market_effects() -> set[str]:
    return {verb for verb, effect in db_writes._EFFECTS.items() if effect.__module__ in MARKET_ROOMS}


def test_the_script_writes_by_every_verb_there_is(db):
    told(db, SCRIPT)

    assert set(verbs_of(db)) == market_effects()


@pytest.mark.parametrize("into", ["sqlite", "postgres"])
def test_a_replay_rebuilds_every_table(db, new_url, into):
    told(db, SCRIPT)
    with connect(new_url(into)) as again:
        migrate(again)

        assert replay(db, again) == sum(verbs_of(db).values())
        assert differences(db, again) == []
        assert {table for table, rows in contents(db).items() if rows} >= {
            "token_accounts",
            "token_transfers",
            "token_bid_holds",
            "compute_auction_bids",
            "compute_auction_clears",
            "compute_auction_attestations",
            "compute_auction_rounds",
            "idempotency_keys",
            "journal",
        }


def test_there_and_back_again_nothing_is_lost(db, new_url):
    told(db, SCRIPT)
    other = "postgres" if db.dialect == "sqlite" else "sqlite"
    with connect(new_url(other)) as there, connect(new_url(db.dialect)) as back:
        for database in (there, back):
            migrate(database)
        replay(db, there)
        replay(there, back)

        assert differences(db, back) == []


def test_a_rebuilt_market_goes_on_where_the_first_one_stands(db, new_url):
    first = told(db, SCRIPT)
    with connect(new_url(db.dialect)) as again:
        migrate(again)
        replay(db, again)
        second = replace(first, db=again, bids=list(first.bids), slots=list(first.slots))
        more: tuple[Step, ...] = (
            ("mint", 0, 90),
            ("offer", 2, 0, 0, False, None),
            ("bid", 0, 6, 12, 0, False, 900, None),
            ("clear", 0),
        )

        for step in more:
            assert first.take(step) == second.take(step)
        assert differences(db, again) == []


@settings(max_examples=150)
@given(script=st.lists(steps(), min_size=5, max_size=40))
def test_whatever_happens_a_replay_rebuilds_it(script):
    with connect("sqlite:///:memory:") as db, connect("sqlite:///:memory:") as again:
        told(db, script)
        migrate(again)
        replay(db, again)

        assert differences(db, again) == []


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(steps(), min_size=10, max_size=40))
def test_whatever_happens_the_other_kind_of_database_rebuilds_it(script, postgres_template, postgres_server):
    with (
        postgres_server.new_database() as url,
        connect(url) as db,
        connect("sqlite:///:memory:") as again,
        postgres_server.new_database() as back_url,
        connect(back_url) as back,
    ):
        told(db, script)
        for database in (again, back):
            migrate(database)
        replay(db, again)
        replay(again, back)

        assert differences(db, again) == []
        assert differences(db, back) == []


# --- what is in it, and what is not


def test_refusals_repeats_and_trials_leave_no_trace(db):
    history = History(db)
    history.open()
    idle, after = 0, contents(db)
    for step in SCRIPT:
        before = after
        answer = history.take(step)
        after = contents(db)
        changed = after != before
        wrote = len(after["journal"]) - len(before["journal"])

        assert wrote == int(changed), step
        if isinstance(answer, ScidexError) or step[0] in ("try_clear", "tick"):
            assert not changed, step
            idle += 1
    assert idle > 8


def test_a_repeated_call_answers_the_same_and_is_journaled_once(db):
    history = History(db)
    history.open()
    bid: Step = ("bid", 0, 0, 50, 0, False, 90, 0)
    settle: Step = ("settle", 0, 30, 2.0)
    first = history.take(bid)
    history.take(("offer", 1, 0, 0, False, None))
    history.take(("clear", 0))
    settled = history.take(settle)
    before = contents(db)

    assert (history.take(bid), history.take(settle)) == (first, settled)
    assert contents(db) == before


def test_each_entry_says_who_did_what_when(db):
    compute_auction.ensure_schema(db=db)
    with acting_as("key:7"):
        token_ledger.create_account("ada", now=NOON, db=db)
    token_ledger.mint("ada", 5, reason="grant", now=NOON, db=db)

    created, minted = list(read_journal(db))[-2:]
    assert (created.verb, created.actor, created.made_at) == ("create_account", "key:7", NOON)
    assert (minted.verb, minted.actor) == ("mint", "system:operator")
    assert minted.arguments == {"account_id": "ada", "amount_tokens": 5, "reason": "grant", "idempotency_key": None}
    assert minted.generated == {"transfer_numbers": [1, 1]}


def test_the_journals_numbers_have_no_gap_where_nobody_was_refused_late(db):
    told(db, SCRIPT)

    numbers = [entry.entry_id for entry in read_journal(db)]
    assert numbers == list(range(1, len(numbers) + 1))


READERS = {
    "explain",
    "get_bid",
    "get_order_book",
    "get_pool",
    "get_recent_stats",
    "get_round",
    "quote",
    "recompute",
    "get_market_settings",
    "check_lottery",
    "get_account",
    "get_balance",
    "get_transfers",
    "get_bidder_stats",
    "list_accounts",
    "list_clears",
    "list_income",
    "list_open_bids",
    "list_task_bids",
    "list_pools",
    "list_round_bids",
    "list_rounds",
    "list_transfers",
    "list_wallets",
    "list_won_slots",
    "verify",
}
WRITERS = {
    "attest": "attest",
    "burn": "burn",
    "cancel_bid": "cancel_bid",
    "clear_round": "clear_round",
    "create_account": "create_account",
    "create_pool": "create_pool",
    "ensure_schema": "open_market",
    "mint": "mint",
    "offer_slots": "offer_slots",
    "place_bid": "place_bids",
    "place_bids": "place_bids",
    "refund_unfilled": "refund_unfilled",
    "settle": "settle",
    "transfer": "transfer",
    "void": "void",
    "withdraw_slot": "withdraw_slot",
    "write_decided_bids": "write_decided_bids",
}
# Their own tests replay them.
WRITERS_OF_OTHER_ROOMS = {"configure_pool", "declare_allowance"}


def public_verbs(module: Any) -> set[str]:
    return {
        name
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
    }


def test_every_public_verb_reads_or_is_journaled():
    verbs = public_verbs(compute_auction) | public_verbs(token_ledger)

    assert verbs == READERS | WRITERS.keys() | WRITERS_OF_OTHER_ROOMS
    assert db_writes._EFFECTS.keys() >= WRITERS_OF_OTHER_ROOMS
    assert set(WRITERS.values()) == market_effects()


def test_readers_write_nothing(db):
    history = told(db, SCRIPT)
    before = contents(db)

    compute_auction.explain(history.bids[0], db=db)
    compute_auction.get_order_book(db=db)
    compute_auction.get_recent_stats(now=history.now, db=db)
    compute_auction.quote(now=history.now, db=db)
    compute_auction.recompute(1, db=db)
    token_ledger.verify(db)
    token_ledger.get_transfers("ada", db=db)

    assert contents(db) == before


# --- a journal that was tampered with


def tampered(entries: list[JournalEntry], last_of: str, /, **changes: Any) -> list[JournalEntry]:
    """Change the last entry of a verb."""
    place = max(n for n, entry in enumerate(entries) if entry.verb == last_of)
    return [*entries[:place], replace(entries[place], **changes), *entries[place + 1 :]]


@pytest.mark.parametrize(
    ("verb", "changes"),
    [
        ("mint", {"verb": "print_money"}),
        ("mint", {"arguments": {"account_id": "nobody", "amount_tokens": 1, "reason": "", "idempotency_key": None}}),
        ("mint", {"generated": {}}),
        ("mint", {"generated": {"transfer_numbers": [900, 901]}}),
        ("clear_round", {"generated": {"round_numbers": [99, 99]}}),
        ("clear_round", {"arguments": {"pool": "no such pool"}}),
        ("settle", {"arguments": {}}),
        ("place_bids", {"generated": {"bid_numbers": [1, 1], "extra": 1}}),
        ("create_account", {"arguments": {"account_id": "ada", "kind": "agent", "owner_id": "ada"}}),
    ],
)
def test_a_tampered_journal_is_named_and_stops_the_replay(db, new_url, verb, changes):
    told(db, SCRIPT)
    entries = tampered(list(read_journal(db)), verb, **changes)
    with connect(new_url(db.dialect)) as again:
        migrate(again)
        with pytest.raises(JournalMismatch) as refused:
            replay(iter(entries), again)
        stopped_at = refused.value.facts["entry_id"]

        assert entries[stopped_at - 1] not in read_journal(db)
        assert [entry.entry_id for entry in read_journal(again)] == list(range(1, stopped_at))
        assert token_ledger.verify(again).ok


def test_a_journal_with_an_entry_missing_does_not_replay(db, new_url):
    told(db, SCRIPT)
    entries = [entry for entry in read_journal(db) if entry.verb != "offer_slots"]
    with connect(new_url(db.dialect)) as again:
        migrate(again)
        with pytest.raises(JournalMismatch):
            replay(iter(entries), again)


def test_a_journal_replays_into_an_empty_market_only(db, new_url):
    told(db, SCRIPT)
    with connect(new_url(db.dialect)) as half_full:
        compute_auction.ensure_schema(db=half_full)
        token_ledger.create_account("ada", db=half_full)
        with pytest.raises(ScidexError):
            replay(db, half_full)
        assert token_ledger.verify(half_full).ok


def test_arguments_are_kept_as_plain_json(db):
    told(db, SCRIPT)
    for arguments, generated in query(db, "SELECT arguments, generated FROM journal"):
        for text in (arguments, generated):
            assert json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")) == text


def test_a_journal_replays_into_a_market_just_opened_and_into_a_database_without_a_schema(db, new_url):
    token_ledger.create_account("ada", db=db)
    token_ledger.mint("ada", 9, db=db)

    with connect(new_url(db.dialect)) as opened, connect(new_url(db.dialect)) as bare:
        compute_auction.ensure_schema(db=opened)
        replay(db, into=opened)
        replay(db, into=bare)

        assert contents(opened) == contents(bare) == contents(db)
