"""Workers, clearing loops and servers as processes of their own, that can be killed and frozen by their number."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from scidex.agent.agent import Agent, AgentWork
from scidex.agent.commands import command_of_task
from scidex.agent.executors.local import LocalExecutor
from scidex.agent.offers import Offers
from scidex.client import Client
from scidex.exchange import backlog, compute_auction, token_ledger
from scidex.exchange.cycle import CycleRunner
from scidex.exchange.sweeper import SweepRunner
from scidex.market import Market
from scidex.market.embedded import EmbeddedMarket
from scidex.store import Database, connect
from scidex.store.statements import load
from scidex.web.serving import serve as serve_web
from tests.databases import assert_journal_tells_all, query

PRICE = 10
LEASE_SECONDS = 0.8
CYCLE_SECONDS = 0.1

# A busy machine may miss some of these short cycles; that alone must not send anybody around the auction.
PATIENT = {"SCIDEX_FALLBACK_AFTER_CYCLES": "100000"}

# Where a worker may be killed: before or after one of its calls to the market.
POINTS = (
    "before lease_next",
    "after lease_next",
    "after started",
    "before finish",
    "after finish",
    "before exited",
)


# --- what runs in a process of its own


class Dying:
    """A market that kills its own process before or after a call."""

    def __init__(self, market: Market, point: str) -> None:
        self._market = market
        self._when, _, self._call = point.partition(" ")

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._market, name)

        def die_or_call(*arguments: Any, **named: Any) -> Any:
            step = arguments[1] if name == "note_step" else name
            if (self._when, self._call) == ("before", step):
                self._die_if(name != "lease_next" or self._has_won(arguments[0]))
            answer = call(*arguments, **named)
            if (self._when, self._call) == ("after", step):
                self._die_if(answer is not None or name != "lease_next")
            return answer

        return die_or_call

    def _has_won(self, worker_id: str) -> bool:
        """Whether a slot of this worker waits: dying before it was won would be no story."""
        db: Database = self._market.db
        with db.reading() as tx:
            return bool(tx.values("slots_waiting_for_worker", worker_id=worker_id))

    @staticmethod
    def _die_if(now: bool) -> None:
        if now:
            os.kill(os.getpid(), signal.SIGKILL)


def work(
    url: str,
    directory: str,
    *,
    account: str = "worker:ada",
    key: str | None = None,
    dies: str | None = None,
    seats: int = 1,
    agents: int = 1,
    lease_seconds: float = LEASE_SECONDS,
    poll_seconds: float = 0.05,
    clock_off_seconds: float = 0.0,
    grace: float = 5.0,
) -> None:
    """Run agents until SIGTERM, as `scidex agent run` does."""
    if clock_off_seconds:
        set_clock_off(clock_off_seconds)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    remote = url.startswith("http")
    with Client(url, key, deadline_seconds=5.0) if remote else connect(url) as opened:
        market: Any = opened if remote else EmbeddedMarket(opened)
        told = AgentWork(command_of_task, Path(directory), executor=LocalExecutor(grace_seconds=0.2), max_seconds=60)
        threads = [
            threading.Thread(
                target=Agent(
                    account,
                    told,
                    market=Dying(market, dies) if dies else market,
                    seats=seats,
                    offers=Offers(PRICE),
                    lease_seconds=lease_seconds,
                    poll_seconds=poll_seconds,
                    stop_seconds=grace,
                ).run,
                args=(stop,),
            )
            for _ in range(agents)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.1)  # no longer: a signal that another thread was given is handled once this one is awake


def clear(url: str, cycle_seconds: float = CYCLE_SECONDS) -> None:
    """Clear rounds and sweep until killed."""
    with connect(url) as db, SweepRunner(db, 0.1).loop(), CycleRunner(db, interval_seconds=cycle_seconds).loop():
        threading.Event().wait()


def serve(url: str, ready: str) -> None:
    """Serve a market until killed; its address is written to a file."""

    def write(address: str) -> None:
        Path(f"{ready}.part").write_text(address)
        Path(f"{ready}.part").rename(ready)

    with connect(url) as db:
        serve_web(db, port=0, on_ready=write)


def set_clock_off(seconds: float) -> None:
    """Let every clock that this program reads in this process be wrong by so much."""

    def wrong() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=seconds)

    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("scidex") and hasattr(module, "utc_now"):
            module.utc_now = wrong


JOBS: dict[str, Callable[..., None]] = {"work": work, "clear": clear, "serve": serve}


def _nurse(pipe: Connection, log: str) -> None:
    """Fork a child for each job; it has everything loaded, and no threads to lose."""
    for dialect in ("sqlite", "postgres"):
        load(dialect)
    while True:
        try:
            job, told, environment = pipe.recv()
        except EOFError:
            os._exit(0)
        child = os.fork()
        if child == 0:
            pipe.close()
            _live(job, told, environment, log)
        pipe.send(child)
        _bury(pipe)


def _live(job: str, told: dict[str, Any], environment: dict[str, str], log: str) -> None:
    os.environ.update(environment)
    stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(stream, standard)
    code = 0
    try:
        JOBS[job](**told)
    except BaseException as error:
        sys.stderr.write(f"{job} {told}: {error!r}\n")
        sys.stderr.flush()
        code = 1
    os._exit(code)


def _bury(pipe: Connection) -> None:
    """Collect the dead until the next job comes."""
    while not pipe.poll(0.05):
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            continue


# --- what the test has of it


class Fleet:
    """The processes of one test, by their numbers."""

    def __init__(self, pipe: Connection, log: Path) -> None:
        self._pipe = pipe
        self._log = log
        self.pids: list[int] = []

    def start(self, job: str, *, environment: dict[str, str] | None = None, **told: Any) -> int:
        """Start a process and return its number."""
        self._pipe.send((job, told, {**PATIENT, **(environment or {})}))
        pid: int = self._pipe.recv()
        self.pids.append(pid)
        return pid

    def kill(self, pid: int, number: int = signal.SIGKILL) -> None:
        """Send a signal to one of these processes, and to no other."""
        assert pid in self.pids
        os.kill(pid, number)

    def is_alive(self, pid: int) -> bool:
        """Tell whether a process still lives."""
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        return state not in "ZX"

    @property
    def log(self) -> str:
        """What all of them said."""
        return self._log.read_text() if self._log.exists() else ""

    def end(self) -> None:
        """Kill whoever still lives."""
        for pid in self.pids:
            if self.is_alive(pid):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGKILL)


@contextmanager
def fleet(directory: Path) -> Iterator[Fleet]:
    """Lend a fleet whose processes are gone when the block ends."""
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe()
    log = directory / "fleet.log"
    nurse = context.Process(target=_nurse, args=(far, str(log)), daemon=True)
    nurse.start()
    far.close()
    one = Fleet(near, log)
    try:
        yield one
    finally:
        one.end()
        near.close()
        nurse.join(10)


def wait_until(reached: Callable[[], bool], what: str, seconds: float = 40.0) -> None:
    """Wait until something is so; it must become so."""
    ends = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < ends, f"it never came to this: {what}"
        time.sleep(0.03)


# --- a market that it works for


def open_market(db: Database, commands: dict[str, list[str]], *accounts: str) -> None:
    """Open accounts for workers, and a quest with a task for each command."""
    for account in accounts or ("worker:ada",):
        token_ledger.create_account(account, kind="worker", db=db)
    quest = backlog.add_quest("q", db=db)
    token_ledger.mint(quest.account_id, 10**6, db=db)
    for task_id, command in commands.items():
        backlog.add_task(task_id, "q", expected_value_usd=5.0, payload={"command": command}, db=db)


def statuses(db: Database) -> dict[str, str]:
    """Where every task stands."""
    return {task.task_id: task.status for task in backlog.list_tasks(limit=1_000, db=db)}


def all_done(db: Database) -> bool:
    """Whether every task is done."""
    return set(statuses(db).values()) == {"done"}


def assert_nothing_is_lost_or_paid_twice(db: Database) -> None:
    """Assert what must hold after any fault: books, slots, tasks, leases and the journal."""
    report = token_ledger.verify(db)
    assert report.ok, report.problems
    ends = query(
        db,
        "SELECT winning_task_id, status, clearing_price_tokens FROM compute_auction_clears",
    )
    settled = [task for task, status, _ in ends if status == "settled"]
    unsold = [task for (task,) in query(db, "SELECT task_id FROM task_assignments WHERE status = 'finished'")]
    assert sorted([*settled, *unsold]) == sorted(statuses(db)), "each task comes to one end"
    assert {status for _, status, _ in ends} <= {"settled", "voided"}, "no slot is left won or running"
    spent = sum(price for _, status, price in ends if status == "settled")
    minted = 10**6 + sum(paid for (paid,) in query(db, "SELECT paid_tokens FROM income_runs"))
    quest = token_ledger.get_balance("quest:q", db=db)
    assert (quest.balance, quest.held) == (minted - spent, 0)
    assert query(db, "SELECT run_id FROM leases WHERE status = 'live'") == []
    of_tasks = query(db, "SELECT task_id, leased_at FROM leases ORDER BY task_id, fence")
    assert of_tasks == sorted(of_tasks), "of the leases for a task a later one has a higher fence number"
    assert compute_auction.get_order_book(limit=1, db=db)["bids"] == []
    assert_journal_tells_all(db)
