"""A market, a backlog and an agent from the command line: three processes on one database, as people start them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from scidex.exchange import backlog, compute_auction, token_ledger
from scidex.store import Database, connect
from tests.cli.running import ROOT, scidex

TASKS = [
    {"task_id": "plan", "quest_id": "docs", "expected_value_usd": 3},
    {"task_id": "write", "quest_id": "docs", "expected_value_usd": 9, "depends_on": ["plan"]},
    {"task_id": "break", "quest_id": "docs", "expected_value_usd": 1},
]
# Fails for one of the tasks, and reports its usage for the others.
WORK = 'test {task_id} != break && echo \'{"tokens": 40}\' > "$SCIDEX_USAGE_FILE"'
JUDGE = f'{sys.executable} -c \'print("{{\\"impact_usd\\": 2.5}}")\''


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run `scidex` until the block ends, then stop it as a service manager does; it must agree."""
    process = subprocess.Popen(
        [sys.executable, "-m", "scidex", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=60)
        assert (process.returncode, error) == (0, "")
    finally:
        process.kill()
        process.communicate()


def wait_for_statuses(db: Database, statuses: dict[str, str], agent: subprocess.Popen[str]) -> None:
    """Read what the agent reports, until the tasks are as they should be."""
    assert agent.stdout is not None
    for _ in agent.stdout:
        if {task.task_id: task.status for task in backlog.list_tasks(db=db)} == statuses:
            return


@pytest.fixture
def imported(empty_url: str, tmp_path: Path) -> str:
    file = tmp_path / "tasks.jsonl"
    file.write_text("".join(json.dumps(task) + "\n" for task in TASKS))
    assert scidex("init", "--db", empty_url)[0] == 0
    code, out, error = scidex("task", "import", str(file), "--db", empty_url)
    assert (code, out, error) == (0, "3 tasks added, 0 updated, 0 as they were.\n", "")
    return empty_url


def test_rounds_are_as_far_apart_as_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIDEX_CYCLE_SECONDS", "7.5")
    with running("up", "--db", f"sqlite:///{tmp_path}/market.db", "--port", "0") as market:
        assert market.stdout is not None
        said = [next(market.stdout), next(market.stdout)]

    assert said[1].startswith("rounds      every 7.5 s in every pool")


def test_an_imported_backlog_is_worked_off_by_an_agent(imported, tmp_path, monkeypatch):
    # A busy machine may miss some of these short cycles; that alone must not send the agent around the auction.
    monkeypatch.setenv("SCIDEX_FALLBACK_AFTER_CYCLES", "1000")
    with ExitStack() as stack:
        db = stack.enter_context(connect(imported))
        token_ledger.create_account("evaluator:ci", kind="evaluator", db=db)
        stack.enter_context(running("up", "--db", imported, "--port", "0", "--cycle-seconds", "0.2"))
        options = ("--db", imported, "--as", "worker:ada", "--directory", str(tmp_path / "runs"))
        judged = ("--evaluator", JUDGE, "--attester", "evaluator:ci")
        agent = stack.enter_context(running("agent", "run", *options, *judged, "--", "sh", "-c", WORK))
        wait_for_statuses(db, {"plan": "done", "write": "done", "break": "failed"}, agent)

    with connect(imported) as db:
        wins = compute_auction.get_recent_stats(db=db)["top_wins"]
        tasks = {task.task_id: (task.status, task.attempts) for task in backlog.list_tasks(db=db)}
        assert tasks == {"plan": ("done", 1), "write": ("done", 1), "break": ("failed", 3)}
        by_task = {win["winning_task_id"]: win for win in wins}
        assert (by_task["plan"]["actual_cost_tokens"], by_task["plan"]["actual_impact"]) == (40, 2.5)
        assert by_task["plan"]["attested_by"] == "evaluator:ci"
        assert compute_auction.get_order_book(db=db)["asks"] == []
        assert token_ledger.verify(db).ok
