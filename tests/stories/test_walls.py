"""Real agents run into a provider's wall: no task loses an attempt, no token is lost, and work goes on after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from scidex.exchange import backlog, compute_auction, cycle, runs, token_ledger, workers
from scidex.store import Database, connect
from tests.cli.running import ROOT
from tests.databases import assert_books_are_right, assert_journal_tells_all

AGENTS = 4
TASKS = 12
WALL_SECONDS = 4.0
PATIENCE_SECONDS = 120.0

# A provider that is shut until the instant in a file, and says so or only that it is.
STUB = """\
#!{python}
import os, sys, time
wall = {wall!r}
shut_until = float(open(wall).read()) if os.path.exists(wall) else 0.0
if time.time() < shut_until:
    if {names_time}:
        open(os.environ["SCIDEX_RETRY_AT_FILE"], "w").write(str(shut_until))
    sys.exit(75)
open(os.environ["SCIDEX_USAGE_FILE"], "w").write('{{"tokens": 7}}')
"""


@contextmanager
def agents(directory: Path, url: str, program: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run agents; they are gone when the block ends."""
    words = [sys.executable, "-m", "scidex", "agent", "run", "--db", url, "--draws-on", "plan", "--grace", "5"]
    with ExitStack() as stack:
        started = []
        for number in range(AGENTS):
            place = directory / f"agent-{number}"
            place.mkdir()
            process = subprocess.Popen(
                [*words, "--as", f"worker:{number}", "--", str(program)],
                cwd=place,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            started.append(process)
        yield started


def done(db: Database) -> int:
    return len(backlog.list_tasks(status="done", db=db))


def work_until(db: Database, tasks: int) -> None:
    """Hold a round every moment until so many tasks are done."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while done(db) < tasks:
        assert time.monotonic() < ends, backlog.list_tasks(db=db)
        assert cycle.run_cycle(db=db).error is None
        time.sleep(0.1)


@pytest.mark.parametrize("names_time", [True, False], ids=["the reset is named", "no reset is named"])
def test_a_wall_costs_no_attempt_and_no_token(empty_url, tmp_path, names_time):
    wall, program = tmp_path / "wall", tmp_path / "one-task"
    program.write_text(STUB.format(python=sys.executable, wall=str(wall), names_time=names_time))
    program.chmod(0o755)
    with connect(empty_url) as db:
        compute_auction.ensure_schema(db=db)
        compute_auction.configure_pool("scidex-agent", "recommended", db=db)
        quest = backlog.add_quest("q", db=db)
        token_ledger.mint(quest.account_id, 1_000_000, db=db)
        backlog.put_tasks(
            [{"task_id": f"t{n}", "quest_id": "q", "expected_value_usd": 5.0} for n in range(TASKS)], db=db
        )
        with agents(tmp_path, empty_url, program) as processes:
            work_until(db, AGENTS)
            wall.write_text(str(time.time() + WALL_SECONDS))
            work_until(db, TASKS)
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait(60)

        interrupted = runs.list_endings("interrupted", limit=1_000, db=db)
        assert 1 <= len(interrupted) <= AGENTS * 5
        assert {ending.cause for ending in interrupted} <= {"not_now", "stopped"}
        assert runs.list_endings("failed", db=db) == []
        assert {(task.status, task.attempts) for task in backlog.list_tasks(db=db)} == {("done", 1)}
        assert workers.list_pauses(db=db) == []
        assert token_ledger.get_balance(quest.account_id, db=db).held == 0
        assert_books_are_right(db)
        assert_journal_tells_all(db)
