"""A fleet on one PostgreSQL: servers, clearing loops and workers as processes; any may die, and the rest go on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import psycopg
import pytest

from scidex.errors import StoreError
from scidex.exchange import backlog, compute_auction, leases, sweeper
from scidex.store import Database, connect
from tests.databases import query
from tests.faults.fleets import (
    Fleet,
    all_done,
    assert_nothing_is_lost_or_paid_twice,
    open_market,
    wait_until,
)
from tests.postgres_server import running_postgres
from tests.web.doors import key_for


@pytest.fixture
def db(postgres_markets) -> Iterator[Database]:
    with postgres_markets.lend() as url, connect(url) as market:
        yield market


def add_tasks(db: Database, *names: str) -> None:
    for name in names:
        backlog.add_task(name, "q", expected_value_usd=5.0, payload={"command": ["true"]}, db=db)


def stop(processes: Fleet, *workers: int) -> None:
    for worker in workers:
        processes.kill(worker, signal.SIGTERM)
    wait_until(lambda: not any(map(processes.is_alive, workers)), "the workers stop")


def test_two_servers_two_loops_and_four_workers_share_one_database(db, processes, tmp_path):
    """Then one of each is killed, and the work goes on. Workers look by themselves too rarely: news reaches them."""
    accounts = [f"worker:{n}" for n in range(4)]
    open_market(db, {f"t{n}": ["true"] for n in range(4)}, *accounts)
    ready = [tmp_path / f"server-{n}" for n in range(2)]
    servers = [processes.start("serve", url=db.url, ready=str(place)) for place in ready]
    loops = [processes.start("clear", url=db.url) for _ in range(2)]
    wait_until(lambda: all(place.exists() for place in ready), "both servers are ready")
    urls = [db.url, db.url, *(place.read_text() for place in ready)]
    workers = [
        processes.start(
            "work",
            url=url,
            directory=str(tmp_path / "runs"),
            account=account,
            key=key_for(db, account, "work"),
            poll_seconds=30.0,
            lease_seconds=2.0,
        )
        for account, url in zip(accounts, urls, strict=True)
    ]
    wait_until(lambda: all_done(db), "every task is done", seconds=25)

    processes.kill(servers[0])
    processes.kill(loops[0])
    processes.kill(workers[0])
    add_tasks(db, *(f"later-{n}" for n in range(6)))
    wait_until(lambda: all_done(db), "every later task is done", seconds=25)
    stop(processes, workers[1], workers[3])
    processes.kill(workers[2])  # its server is gone
    processes.kill(loops[1])
    wait_until(lambda: sweeper.sweep(db=db).workers_lost + left_alive(db) == 0, "nobody is left")

    assert_nothing_is_lost_or_paid_twice(db)
    who = {lease.account_id for lease in leases.list_leases(ended_too=True, db=db) if lease.status == "finished"}
    assert len(who) >= 2
    assert compute_auction.get_order_book(db=db)["asks"] == []


def left_alive(db: Database) -> int:
    return query(db, "SELECT COUNT(*) FROM workers WHERE status = 'alive'")[0][0]


def test_workers_outlive_a_database_that_breaks_down_and_comes_back(processes, tmp_path):
    """A backend is killed outright: PostgreSQL ends all the others and recovers, with everybody at work."""
    if "SCIDEX_TEST_DSN" in os.environ:
        pytest.skip("the server is not ours to break")
    with running_postgres() as server, server.new_database() as url, connect(url) as db:
        compute_auction.ensure_schema(db=db)
        open_market(db, {f"t{n}": ["sleep", "0.2"] for n in range(8)})
        loop = processes.start("clear", url=url)
        workers = [
            processes.start("work", url=url, directory=str(tmp_path / "runs"), seats=2, lease_seconds=5.0)
            for _ in range(2)
        ]
        wait_until(lambda: done(db) >= 2, "some tasks are done")
        break_down(url)
        wait_until(lambda: done(db) >= 4, "some more are done")
        break_down(url)
        wait_until(lambda: done(db) == 8, "every task is done", seconds=60)
        stop(processes, *workers)
        processes.kill(loop)
        sweeper.sweep(db=db)

        assert_nothing_is_lost_or_paid_twice(db)
        assert "Database" in processes.log or "database" in processes.log


def done(db: Database) -> int:
    try:
        return sum(task.status == "done" for task in backlog.list_tasks(limit=100, db=db))
    except StoreError:
        return 0


def break_down(url: str) -> None:
    pid = 0

    def connected() -> bool:
        nonlocal pid
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                pid = connection.execute("SELECT pg_backend_pid()").fetchone()[0]
                os.kill(pid, signal.SIGKILL)  # of this test's own server
        except psycopg.OperationalError:  # it may not be back from the last time yet
            return pid > 0
        return True

    wait_until(connected, "the server answers again")
