"""A write's time is the database's, on a server whose own clock is wrong too; nobody else's decides anything."""

from __future__ import annotations

import re
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from scidex.exchange import compute_auction, cycle, ev_scorer, keys, sealing, services, sweeper, token_ledger, workers
from scidex.store import Database
from scidex.store.db_writes import read_journal
from scidex.web.serving import running_server
from tests.raw_sql import query
from tests.web.doors import headers_for

ROOT = Path(__file__).parents[2] / "scidex"
SECONDS = 10


@pytest.fixture(params=[timedelta(minutes=10), -timedelta(minutes=10)], ids=["ahead", "behind"])
def wrong(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> timedelta:
    """Every reader of this machine's clock, ten minutes wrong."""
    by: timedelta = request.param
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("scidex") and hasattr(module, "utc_now"):
            monkeypatch.setattr(module, "utc_now", lambda: datetime.now(UTC) + by)
    return by


def assert_true(instants: list[datetime], began: datetime) -> None:
    """These were said by a clock that is right: the database is on this machine."""
    span = timedelta(seconds=SECONDS)
    assert instants
    assert all(began - span <= one <= datetime.now(UTC) + span for one in instants), (began, instants)


def all_verbs(db: Database) -> None:
    """Do one of each kind of verb, none of which is told the time."""
    compute_auction.create_pool("gpu", db=db)
    for account, kind in (("ada", "agent"), ("wim", "worker")):
        token_ledger.create_account(account, kind, db=db)
    token_ledger.mint("ada", 1_000, db=db)
    token_ledger.transfer("ada", "system:treasury", 10, db=db)
    keys.rotate_key(keys.create_key("ada", ["bid"], db=db).key.key_id, db=db)
    bid = compute_auction.place_bid("ada", "t1", 10, db=db)
    compute_auction.place_bid("ada", "t2", 5, time_in_force="gtt", db=db)
    compute_auction.offer_slots(1, db=db)
    assert [clear.bid_id for clear in compute_auction.clear_round(db=db).clears] == [bid.id]
    cycle.pause(db=db)
    cycle.resume(db=db)
    cycle.run_cycle(db=db)
    ev_scorer.submit_bids_for_tasks(db=db)
    workers.register_worker("w", "wim", db=db)
    workers.check_in("w", [], db=db)
    services.next_task("ada", db=db)
    sweeper.sweep(db=db)
    sealing.seal_journal(db=db)


@pytest.mark.parametrize("db", ["postgres"], indirect=True)
@pytest.mark.usefixtures("wrong")
def test_every_verb_goes_by_the_databases_clock(db):
    began = datetime.now(UTC)
    before = len(list(read_journal(db)))
    all_verbs(db)

    entries = list(read_journal(db))[before:]
    assert len({entry.verb for entry in entries}) > 10
    assert_true([entry.made_at for entry in entries], began)
    [opened] = query(db, "SELECT MAX(created_at) AS at FROM compute_auction_pools")
    assert_true([opened["at"]], began)


@pytest.mark.parametrize("db", ["postgres"], indirect=True)
@pytest.mark.usefixtures("wrong")
def test_a_server_whose_clock_is_wrong_writes_the_databases_time(db):
    token_ledger.create_account("ada", db=db)
    token_ledger.mint("ada", 1_000, db=db)
    headers = headers_for(db, "ada", "bid")
    began, before = datetime.now(UTC), len(list(read_journal(db)))
    with running_server(db) as address, httpx2.Client(base_url=address, headers=headers) as ada:
        for task in ("t1", "t2"):  # by the route, and then by the desk
            key = {"Idempotency-Key": str(uuid.uuid4())}
            body = {"task_id": task, "max_price_tokens": 10}
            placed = ada.post("/api/compute-auction/bids", json=body, headers=key).json()
            assert_true([datetime.fromisoformat(placed["placed_at"])], began)
        assert (
            ada.post("/api/wallets/ada/mint", json={"amount_tokens": 1}, headers={"Idempotency-Key": "k"}).status_code
            == 403
        )
        # A key that ends in five minutes lives, though by the server's clock it may be over.
        ends_at = datetime.now(UTC) + timedelta(minutes=5)
        short = keys.create_key("ada", ["read"], expires_at=ends_at, db=db)
        bearer = {"Authorization": f"Bearer {short.text}"}
        assert ada.get("/api/whoami", headers=bearer).status_code == 200

    # What a server gathers, the use of keys and what it refused, is written as it stops.
    entries = list(read_journal(db))[before:]
    assert {"place_bids", "note_refusals", "note_key_uses"} <= {entry.verb for entry in entries}
    assert_true([entry.made_at for entry in entries], began)
    assert_true([row["refused_at"] for row in query(db, "SELECT refused_at FROM refused_attempts")], began)
    assert_true([row["last_used_at"] for row in query(db, "SELECT last_used_at FROM api_key_uses")], began)


def test_no_room_of_the_market_reads_this_machines_clock():
    """But the driver of SQLite, whose database is on this machine."""
    reading = re.compile(r"\butc_now\b|\bdatetime\.now\(|\btime\.time\(")
    found = {
        str(path.relative_to(ROOT))
        for room in ("exchange", "senate", "store", "web", "mechanism", "bidding", "money")
        for path in (ROOT / room).rglob("*.py")
        if reading.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"store/sqlite.py"}
