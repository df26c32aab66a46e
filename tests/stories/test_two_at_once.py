"""Many act on one market at once: nobody spends a token twice, no slot is sold twice, no bid is lost or doubled."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scidex.errors import (
    AskNotOpen,
    BidNotOpen,
    DatabaseBusy,
    IdempotencyConflict,
    InsufficientTokens,
    ScidexError,
)
from scidex.exchange import compute_auction, token_ledger
from scidex.records import Bid
from scidex.store import Database, connect
from tests.databases import assert_books_are_right, assert_journal_tells_all, query
from tests.stories.crowds import LATER, T0, Call, Crowd, Earlier, Threads, processes

POOL = "scidex-agent"


@pytest.fixture(scope="module")
def eight_processes() -> Iterator[Crowd]:
    with processes(8) as crowd:
        yield crowd


@pytest.fixture(params=["threads on SQLite", "processes on SQLite", "processes on PostgreSQL"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def crowd(kind: str, eight_processes: Crowd) -> Crowd:
    return Threads() if kind.startswith("threads") else eight_processes


@pytest.fixture
def db(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An open market; when the test is over its books must be right and its journal must tell all."""
    if kind.endswith("SQLite"):
        url = f"sqlite:///{tmp_path}/market.db"
    else:
        url = request.getfixturevalue("new_database")(template=request.getfixturevalue("postgres_template"))
    with connect(url) as database:
        compute_auction.ensure_schema(db=database)
        yield database
        assert_books_are_right(database)
        assert_journal_tells_all(database)


def account(db: Database, name: str, tokens: int) -> str:
    token_ledger.create_account(name, now=T0, db=db)
    token_ledger.mint(name, tokens, now=T0, db=db)
    return name


def bid(bidder: str, task: str, price: int, **more: Any) -> Call:
    terms = {"bidder_id": bidder, "task_id": task, "max_price_tokens": price, "ttl_at": LATER, "now": T0}
    return "place_bid", {**terms, **more}


def offer(count: int = 1, **more: Any) -> Call:
    return "offer_slots", {"count": count, "available_at": T0, "now": T0, **more}


def clear(**more: Any) -> Call:
    return "clear_round", {"now": T0 + timedelta(hours=1), **more}


def refused(answers: list[list[Any]]) -> Counter[str]:
    return Counter(type(a).__name__ for answer in answers for a in answer if isinstance(a, ScidexError))


def clears_of(db: Database) -> list[tuple[Any, ...]]:
    return query(db, "SELECT slot_id, bid_id, winning_task_id, round_id, bidder_id FROM compute_auction_clears")


def test_eight_bidders_on_one_wallet_promise_no_more_than_it_has(crowd, db):
    account(db, "ada", 1_000)
    answers = crowd.at_once(db, *([bid("ada", f"t{who}-{n}", 60) for n in range(6)] for who in range(8)))

    # 16 × 60 = 960 are covered, a seventeenth is not.
    assert refused(answers) == {"InsufficientTokens": 8 * 6 - 16}
    assert token_ledger.get_balance("ada", db=db)[1:] == (1_000, 960)

    compute_auction.offer_slots(48, now=T0, reserve_price_tokens=60, db=db)
    sold = compute_auction.clear_round(T0 + timedelta(hours=1), db=db).clears
    crowd.at_once(db, *([("settle", {"slot_id": c.slot_id, "actual_cost_tokens": 1}) for c in sold] for _ in range(4)))

    assert len(sold) == 16
    assert token_ledger.get_balance("ada", db=db)[1:] == (40, 0)


def test_eight_spenders_of_one_wallet_spend_what_it_has_and_no_more(crowd, db):
    account(db, "ada", 1_000)
    account(db, "bob", 1)
    calls: list[Call] = [
        ("transfer", {"debit": "ada", "credit": "bob", "amount_tokens": 70}),
        bid("ada", "t", 70, pool=POOL),
        ("burn", {"account_id": "ada", "amount_tokens": 70}),
    ]
    answers = crowd.at_once(db, *(3 * [calls[who % 3]] for who in range(8)))

    assert set(refused(answers)) == {"InsufficientTokens"}
    wallet = token_ledger.get_balance("ada", db=db)
    assert 0 <= wallet.available < 70


def test_four_clearers_sell_each_slot_once(crowd, db):
    for name in ("ada", "bob", "eve"):
        account(db, name, 100_000)
    for cycle in range(4):
        compute_auction.offer_slots(3, now=T0, db=db)
        for who, name in enumerate(("ada", "bob", "eve")):
            for n in range(3):
                act = bid(name, f"{cycle}-{name}-{n}", 100 + 10 * n + who, pool=POOL)[1]
                compute_auction.place_bid(**act, db=db)
        answers = crowd.at_once(db, *([clear()] for _ in range(4)))

        held = [a[0] for a in answers if a[0].round_id is not None]
        assert len(held) == 1
        assert (held[0].sold, held[0].clearing_price_tokens, held[0].bids) == (3, 112, 9)

    slots = Counter(slot for slot, *_ in clears_of(db))
    assert len(slots) == 12
    chain = query(db, "SELECT previous_digest, digest FROM compute_auction_rounds ORDER BY round_id")
    assert [before for before, _ in chain] == ["", *(digest for _, digest in chain[:-1])]


def test_a_bid_placed_while_rounds_run_is_in_exactly_one(crowd, db):
    for who in range(4):
        account(db, f"b{who}", 10_000)

    def bidder(who: int) -> list[Call]:
        bids = [bid(f"b{who}", f"t{who}-{n}", 1 + (7 * n + who) % 50) for n in range(24)]
        # Everybody offers and clears as well, so that rounds fall among the bids whoever comes first.
        return [call for n, one in enumerate(bids) for call in ([one, offer(), clear()] if n % 4 == who else [one])]

    answers = crowd.at_once(db, *(bidder(who) for who in range(4)), 12 * [offer(), clear()], 24 * [clear()])
    compute_auction.offer_slots(1, now=T0, db=db)
    compute_auction.clear_round(T0 + timedelta(hours=1), db=db)

    assert refused(answers) == {}
    placed = [b for answer in answers[:4] for b in answer if isinstance(b, Bid)]
    assert len(placed) == 96
    rounds = dict(query(db, "SELECT round_id, bids FROM compute_auction_rounds"))
    fates = [compute_auction.get_bid(b.id, db=db) for b in placed]
    assert {fate.status for fate in fates} == {"won", "lost"}
    # Each round says how many bids it had; together they have each bid once.
    assert Counter(fate.round_id for fate in fates) == {number: bids for number, bids in rounds.items() if bids}
    assert sum(1 for bids in rounds.values() if bids) > 3
    won = {bid_id: round_id for _, bid_id, _, round_id, _ in clears_of(db)}
    assert won == {fate.id: fate.round_id for fate in fates if fate.status == "won"}


def test_bidding_cancelling_and_clearing_at_once_end_each_bid_once(crowd, db):
    for who in range(4):
        account(db, f"b{who}", 10_000)

    def restless(who: int) -> list[Call]:
        calls: list[Call] = []
        for n in range(20):
            calls += [bid(f"b{who}", f"t{who}-{n}", 10 + n, time_in_force=("round", "gtt")[n % 2])]
            calls += [("cancel_placed", {"bid": Earlier(len(calls) - 1)})]
        return calls

    answers = crowd.at_once(
        db,
        *(restless(who) for who in range(4)),
        [offer() for _ in range(30)],
        [clear() for _ in range(30)],
        [("refund_unfilled", {"now": T0}) for _ in range(20)],
    )

    assert set(refused(answers)) <= {"BidNotOpen"}
    won = {bid_id for _, bid_id, *_ in clears_of(db)}
    for bids in (answer[0::2] for answer in answers[:4]):
        for placed in bids:
            fate = compute_auction.get_bid(placed.id, db=db).status
            assert fate in ("won", "lost", "cancelled")
            assert (fate == "won") == (placed.id in won)
    for answer in answers[:4]:
        for placed, ended in zip(answer[0::2], answer[1::2], strict=True):
            fate = compute_auction.get_bid(placed.id, db=db).status
            assert (fate == "cancelled") != isinstance(ended, BidNotOpen)


def test_every_reader_sees_every_token_while_they_go_in_circles(crowd, db):
    names = [account(db, f"b{who}", 100) for who in range(6)]
    everyone = [*names, "system:issuance"]
    chance = random.Random(7)

    def giver(who: int) -> list[Call]:
        return [
            (
                "transfer",
                {"debit": names[who], "credit": names[(who + 1 + n % 5) % 6], "amount_tokens": chance.randint(1, 60)},
            )
            for n in range(25)
        ]

    reads: list[Call] = [("read_all_wallets", {"accounts": everyone}), ("verify", {})]
    answers = crowd.at_once(db, *(giver(who) for who in range(6)), 25 * reads, 25 * reads)

    totals = [total for answer in answers[6:] for total in answer[0::2]]
    reports = [report for answer in answers[6:] for report in answer[1::2]]
    assert set(totals) == {0}
    assert all(report.ok for report in reports)
    assert set(refused(answers)) <= {"InsufficientTokens"}
    assert sum(token_ledger.get_balance(name, db=db).balance for name in names) == 600


def test_one_key_has_one_effect_and_one_answer(crowd, db):
    account(db, "ada", 1_000)
    account(db, "bob", 1_000)
    same: list[Call] = [
        bid("ada", "t", 100, idempotency_key="k"),
        ("transfer", {"debit": "ada", "credit": "bob", "amount_tokens": 5, "idempotency_key": "k"}),
        offer(2, idempotency_key="k"),
        ("mint", {"account_id": "bob", "amount_tokens": 9, "idempotency_key": "k"}),
    ]
    answers = crowd.at_once(db, *([same[(who + n) % 4] for n in range(4)] for who in range(8)))

    by_verb = [{repr(answers[who][(verb - who) % 4]) for who in range(8)} for verb in range(4)]
    assert [len(different) for different in by_verb] == [1, 1, 1, 1]
    assert [b.balance for b in (token_ledger.get_balance(n, db=db) for n in ("ada", "bob"))] == [995, 1_014]
    assert query(db, "SELECT COUNT(*) FROM compute_auction_asks") == [(2,)]
    assert query(db, "SELECT COUNT(*) FROM compute_auction_bids") == [(1,)]


def test_one_key_with_different_arguments_has_the_effect_of_one(crowd, db):
    account(db, "ada", 1_000)
    answers = crowd.at_once(db, *([bid("ada", f"t{who}", 100 + who, idempotency_key="k")] for who in range(8)))

    assert refused(answers) == {IdempotencyConflict.__name__: 7}
    assert query(db, "SELECT COUNT(*) FROM compute_auction_bids") == [(1,)]


@pytest.mark.parametrize("time_in_force", ["round", "gtt"])
def test_a_task_wins_once_though_two_pools_clear_at_once(crowd, db, time_in_force):
    compute_auction.create_pool("gpu", now=T0, db=db)
    account(db, "ada", 100_000)
    account(db, "bob", 100_000)
    for n in range(6):
        for name, pool in (("ada", POOL), ("bob", "gpu")):
            compute_auction.offer_slots(1, pool=pool, now=T0, db=db)
            call = bid(name, f"task-{n}", 100 + n, pool=pool, time_in_force=time_in_force)
            compute_auction.place_bid(**call[1], db=db)
        crowd.at_once(db, [clear(pool=POOL)], [clear(pool="gpu")])

        assert Counter(task for _, _, task, _, _ in clears_of(db))[f"task-{n}"] == 1


def test_a_task_that_is_sold_settled_and_bid_for_at_once_wins_when_it_may(crowd, db):
    """Bids that come while their task's slot is settled must not wait for ever."""
    compute_auction.create_pool("gpu", now=T0, db=db)
    account(db, "ada", 100_000)
    account(db, "bob", 100_000)
    for n in range(6):
        compute_auction.offer_slots(1, now=T0, db=db)
        compute_auction.place_bid(**bid("ada", f"t{n}", 50)[1], db=db)
        sold = compute_auction.clear_round(T0 + timedelta(hours=1), db=db).clears[0]
        crowd.at_once(
            db,
            [("settle", {"slot_id": sold.slot_id, "actual_cost_tokens": 1})],
            [bid("bob", f"t{n}", 60 + n, pool="gpu")],
            [bid("bob", f"t{n}", 60 + n, time_in_force="gtt")],
        )
        compute_auction.offer_slots(1, pool="gpu", now=T0, db=db)

        assert compute_auction.clear_round(T0 + timedelta(hours=1), pool="gpu", db=db).sold == 1
        for slot, _, task, _, _ in clears_of(db):
            if task == f"t{n}" and slot != sold.slot_id:
                compute_auction.settle(slot, 1, db=db)


def test_a_slot_is_sold_or_withdrawn_and_never_both(crowd, db):
    account(db, "ada", 100_000)
    for n in range(8):
        [slot] = compute_auction.offer_slots(1, now=T0, db=db)
        compute_auction.place_bid(**bid("ada", f"t{n}", 50)[1], db=db)
        answers = crowd.at_once(db, [clear()], [("withdraw_slot", {"slot_id": slot.slot_id})])

        was_sold = slot.slot_id in {sold for sold, *_ in clears_of(db)}
        assert was_sold == isinstance(answers[1][0], AskNotOpen)
        [(status,)] = query(db, f"SELECT status FROM compute_auction_asks WHERE slot_id = '{slot.slot_id}'")
        assert status == ("sold" if was_sold else "withdrawn")


def test_settling_and_voiding_at_once_end_a_sale_in_one_way(crowd, db):
    account(db, "ada", 100_000)
    compute_auction.offer_slots(8, reserve_price_tokens=10, now=T0, db=db)
    for n in range(8):
        compute_auction.place_bid(**bid("ada", f"t{n}", 50)[1], db=db)
    sold = compute_auction.clear_round(T0 + timedelta(hours=1), db=db).clears
    settles: list[Call] = [("settle", {"slot_id": c.slot_id, "actual_cost_tokens": 3}) for c in sold]
    others: list[Call] = [("settle", {"slot_id": c.slot_id, "actual_cost_tokens": 4}) for c in sold]
    voids: list[Call] = [("void", {"slot_id": c.slot_id}) for c in sold]
    crowd.at_once(db, settles, settles, others, others, voids, voids)

    ends = query(db, "SELECT status, COUNT(*) FROM compute_auction_clears GROUP BY status")
    settled = dict(ends).get("settled", 0)
    assert settled + dict(ends).get("voided", 0) == 8
    assert token_ledger.get_balance("ada", db=db)[1:] == (100_000 - 10 * settled, 0)
    paid = [reason for (reason,) in query(db, "SELECT reason FROM token_transfers") if reason.startswith("settle ")]
    assert len(paid) == len(set(paid)) == settled


def test_bids_that_wait_for_tokens_wake_up_beside_rounds_and_gifts(crowd, db):
    """Gifts wake suspended bids, in any order with rounds: the journal must have an order that leads there."""
    account(db, "rich", 100_000)
    for who in range(3):
        account(db, f"b{who}", 100)
        for n in range(3):
            compute_auction.place_bid(**bid(f"b{who}", f"t{who}-{n}", 30 + n, time_in_force="gtt")[1], db=db)
    gifts: list[list[Call]] = [
        [("transfer", {"debit": "rich", "credit": f"b{who}", "amount_tokens": 7 + n}) for n in range(15)]
        for who in range(3)
    ]
    answers = crowd.at_once(
        db,
        *gifts,
        [call for n in range(12) for call in (bid(f"b{n % 3}", f"r{n}", 5 + n), offer(2), clear())],
        [call for n in range(12) for call in (bid(f"b{n % 3}", f"g{n}", 15 + n, time_in_force="gtt"), clear())],
    )

    assert set(refused(answers)) <= {InsufficientTokens.__name__}
    assert len(clears_of(db)) > 5


def test_gifts_to_those_whose_bids_a_round_decides_replay_alike(crowd, db):
    """A wallet that moves tokens while its pool clears is stored as the journal's order says, whichever that is."""
    for who in range(4):
        account(db, f"b{who}", 10_000)
    for _ in range(5):
        compute_auction.offer_slots(1, now=T0, db=db)
        for who in range(4):
            compute_auction.place_bid(**bid(f"b{who}", f"t{who}", 10 + who)[1], db=db)
        answers = crowd.at_once(
            db,
            [clear()],
            *(
                [("transfer", {"debit": f"b{who}", "credit": f"b{(who + 1) % 4}", "amount_tokens": 1})] * 4
                for who in range(4)
            ),
        )
        for sold in answers[0][0].clears:
            compute_auction.settle(sold.slot_id, 1, db=db)


def test_offers_that_come_while_a_round_runs_replay_alike(crowd, db):
    account(db, "ada", 1_000_000)
    for cycle in range(5):
        for n in range(12):
            compute_auction.place_bid(**bid("ada", f"t{cycle}-{n}", 10 + n)[1], db=db)
        crowd.at_once(db, [offer(3), clear()], [offer(2), clear()], [offer(1), clear()])


def test_a_batch_and_its_reverse_queue_and_never_fail(crowd, db):
    compute_auction.create_pool("gpu", now=T0, db=db)
    names = [account(db, f"b{who}", 100_000) for who in range(6)]
    batch = [
        bid(name, f"task-{n}", 10 + n, pool=pool, time_in_force=tif)[1]
        for name in names
        for n, (pool, tif) in enumerate([(POOL, "gtt"), ("gpu", "round"), ("gpu", "gtt"), (POOL, "round")])
    ]
    bids = [{name: value for name, value in terms.items() if name != "now"} for terms in batch]
    forward: Call = ("place_bids", {"bids": bids, "now": T0})
    backward: Call = ("place_bids", {"bids": bids[::-1], "now": T0})
    around: list[Call] = [
        ("transfer", {"debit": names[n % 6], "credit": names[(n + 5) % 6], "amount_tokens": 1}) for n in range(12)
    ]
    answers = crowd.at_once(
        db,
        6 * [forward],
        6 * [backward],
        around,
        around[::-1],
        6 * [offer(1), clear()],
        6 * [offer(1, pool="gpu"), clear(pool="gpu")],
    )

    assert refused(answers) == {}


def test_those_who_lock_each_other_out_try_again_and_get_through(crowd, db):
    names = [account(db, f"b{who}", 10) for who in range(2)]
    forward: Call = ("lock_one_by_one", {"accounts": names})
    backward: Call = ("lock_one_by_one", {"accounts": names[::-1]})
    answers = crowd.at_once(db, 3 * [forward], 3 * [backward])

    tries = [count for answer in answers for count in answer]
    assert all(type(count) is int and count <= 8 for count in tries)


def test_who_loses_every_race_is_told_that_the_database_is_busy(postgres_template, new_database):
    tries = []

    def work(_tx: Any) -> None:
        tries.append(1)
        raise psycopg.errors.SerializationFailure("lost again")

    with connect(new_database(template=postgres_template)) as db, pytest.raises(DatabaseBusy):
        db.write(work)
    assert len(tries) == 8


def test_a_batch_for_more_tasks_than_the_server_has_locks_is_placed(db):
    account(db, "ada", 10_000_000)
    bids = [
        {"bidder_id": "ada", "task_id": f"t{n}", "max_price_tokens": 1, "time_in_force": "gtt"} for n in range(9_000)
    ]

    assert len(compute_auction.place_bids(bids, now=T0, db=db)) == 9_000
