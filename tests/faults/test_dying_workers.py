"""Workers die at every point, freeze, and lose the network: no task is lost, and none is paid for twice."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from scidex.exchange import leases, sweeper
from scidex.store import Database, connect
from tests.databases import query
from tests.faults.fleets import (
    POINTS,
    Fleet,
    all_done,
    assert_nothing_is_lost_or_paid_twice,
    open_market,
    statuses,
    wait_until,
)
from tests.store.networks import network_to


def runs(directory: Path) -> str:
    """Return the directory that workers use."""
    return str(directory / "runs")


def lease_ends(db: Database) -> dict[str, int]:
    return dict(query(db, "SELECT status, COUNT(*) FROM leases GROUP BY status"))


def stop(processes: Fleet, *workers: int) -> None:
    """Ask workers to stop, as a service manager does, and wait until they have."""
    for worker in workers:
        processes.kill(worker, signal.SIGTERM)
    wait_until(lambda: not any(map(processes.is_alive, workers)), "the workers stop")


def test_workers_killed_at_every_point_lose_no_task_and_none_is_paid_twice(db, processes, tmp_path):
    """One worker for each point, and then one that lives."""
    open_market(db, {point: ["sh", "-c", f"echo x >> '{tmp_path}/{point}'"] for point in POINTS}, *POINTS, "last")
    victims = [
        processes.start("work", url=db.url, directory=runs(tmp_path), account=point, dies=point) for point in POINTS
    ]
    clearing = processes.start("clear", url=db.url)
    wait_until(lambda: not any(map(processes.is_alive, victims)), "every victim has died")

    survivor = processes.start("work", url=db.url, directory=runs(tmp_path), account="last")
    wait_until(lambda: all_done(db), "every task is done")
    stop(processes, survivor)
    processes.kill(clearing)
    sweeper.sweep(db=db)

    assert_nothing_is_lost_or_paid_twice(db)
    ended = lease_ends(db)
    assert ended["finished"] == len(POINTS)
    assert ended["expired"] == 4  # after it was leased, begun and run, and before its end was told
    # What was sold and not leased yet is leased by the next worker of the pool, or undone where the sweep comes first.
    assert query(db, "SELECT COUNT(*) FROM compute_auction_clears WHERE reason LIKE 'worker % lost'") in (
        [(0,)],
        [(1,)],
    )
    times = {point: (tmp_path / point).read_text().count("x") for point in POINTS}
    assert min(times.values()) == 1


def test_a_frozen_workers_late_result_changes_nothing(db, processes, tmp_path):
    """Stopped past its lease and let go on: by then another worker has done the task."""
    begun = tmp_path / "begun"
    command = ["sh", "-c", f"echo x >> {begun}; sleep 0.3"]
    open_market(db, {"t": command})
    clearing = processes.start("clear", url=db.url)
    zombie = processes.start("work", url=db.url, directory=runs(tmp_path))
    wait_until(begun.exists, "the run has begun")
    processes.kill(zombie, signal.SIGSTOP)
    healthy = processes.start("work", url=db.url, directory=runs(tmp_path))
    wait_until(lambda: all_done(db), "another worker does the task")
    before = query(db, "SELECT * FROM token_transfers")

    processes.kill(zombie, signal.SIGCONT)
    wait_until(lambda: "task t is ended" in processes.log, "the zombie learns that its lease is lost")
    stop(processes, healthy, zombie)
    processes.kill(clearing)

    assert query(db, "SELECT * FROM token_transfers") == before
    assert lease_ends(db) == {"expired": 1, "finished": 1}
    assert_nothing_is_lost_or_paid_twice(db)


def test_a_worker_that_is_stopped_gives_back_what_does_not_end_in_time(db, processes, tmp_path):
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    open_market(
        db, {"long": ["sh", "-c", f"touch {begun}; sleep 60"], "short": ["sh", "-c", f"sleep 0.6; touch {ended}"]}
    )
    clearing = processes.start("clear", url=db.url)
    worker = processes.start("work", url=db.url, directory=runs(tmp_path), seats=2, grace=1.5)
    wait_until(begun.exists, "the long run has begun")
    wait_until(lambda: lease_ends(db).get("live") == 2 or ended.exists(), "both run")
    stop(processes, worker)
    processes.kill(clearing)

    assert statuses(db) == {"long": "open", "short": "done"}
    assert lease_ends(db) == {"given_back": 1, "finished": 1}
    assert query(db, "SELECT COUNT(*) FROM compute_auction_asks WHERE status = 'open'") == [(0,)]


@pytest.fixture
def postgres_market(postgres_markets) -> Iterator[Database]:
    with postgres_markets.lend() as url, connect(url) as db:
        yield db


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_worker_whose_clock_is_wrong_changes_nothing(postgres_market, processes, tmp_path, minutes):
    db = postgres_market
    open_market(db, {f"t{n}": ["sleep", "1.2"] for n in range(2)})  # longer than a lease
    began = db.now()
    clearing = processes.start("clear", url=db.url)
    wrong = processes.start("work", url=db.url, directory=runs(tmp_path), clock_off_seconds=60 * minutes)
    wait_until(lambda: all_done(db), "both tasks are done")
    stop(processes, wrong)
    processes.kill(clearing)

    assert lease_ends(db) == {"finished": 2}
    instants = query(db, "SELECT MIN(made_at), MAX(made_at) FROM journal WHERE made_at >= %s", began)
    assert instants[0][1] <= db.now()
    assert query(db, "SELECT COUNT(*) FROM journal WHERE verb = 'lease_next' AND made_at < %s", began) == [(0,)]
    assert_nothing_is_lost_or_paid_twice(db)


def test_a_worker_cut_off_from_the_database_ends_its_run_and_comes_back(postgres_market, processes, tmp_path):
    db = postgres_market
    pid_file = tmp_path / "pid"
    # The first try never ends by itself; the next one does at once.
    command = [
        "sh",
        "-c",
        f"test -e {pid_file} && exit 0; echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 60",
    ]
    open_market(db, {"t": command}, "worker:ada", "worker:far")
    clearing = processes.start("clear", url=db.url)
    with network_to(db.url) as network:
        deadline = {"SCIDEX_DATABASE_DEADLINE_SECONDS": "2"}
        far = processes.start(
            "work", url=network.url, directory=runs(tmp_path), account="worker:far", environment=deadline
        )
        wait_until(pid_file.exists, "the run has begun")
        network.fall_silent()
        command_pid = int(pid_file.read_text())
        wait_until(lambda: not processes.is_alive(command_pid), "the cut off worker ends its run by itself")
        near = processes.start("work", url=db.url, directory=runs(tmp_path))
        wait_until(lambda: all_done(db), "another worker does the task")
        network.heal()
        known = "SELECT status FROM workers WHERE account_id = 'worker:far'"
        wait_until(lambda: query(db, known) == [("alive",)], "it is known again")
        stop(processes, near, far)
    processes.kill(clearing)
    sweeper.sweep(db=db)

    assert lease_ends(db) == {"expired": 1, "finished": 1}
    assert_nothing_is_lost_or_paid_twice(db)


def test_fifty_workers_at_once(db, processes, tmp_path):
    open_market(db, {f"t{n}": ["true"] for n in range(60)})
    clearing = processes.start("clear", url=db.url)
    crowd = [
        processes.start(
            "work", url=db.url, directory=runs(tmp_path), agents=10, lease_seconds=10.0, poll_seconds=1.0,
            environment={"SCIDEX_POSTGRES_CONNECTIONS": "6"},
        )
        for _ in range(5)
    ]  # fmt: skip
    wait_until(lambda: all_done(db), "every task is done", seconds=90)
    stop(processes, *crowd)
    processes.kill(clearing)
    sweeper.sweep(db=db)

    assert query(db, "SELECT COUNT(*) FROM workers WHERE status = 'stopped'") == [(50,)]
    assert lease_ends(db) == {"finished": 60}
    assert len({lease.worker_id for lease in leases.list_leases(ended_too=True, db=db)}) > 10
    assert_nothing_is_lost_or_paid_twice(db)
