"""A run's program is heard on how it ended, where its usage is read; a real command prints it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scidex.agent.agent import Agent, AgentWork, Report
from scidex.agent.commands import same_command
from scidex.agent.evaluators.exit_code import ExitCodeEvaluator
from scidex.agent.executors.local import LocalExecutor
from scidex.agent.meters.printed import PrintedMeter
from scidex.agent.meters.programs import PROGRAMS
from scidex.agent.workplace import Workplace
from scidex.exchange import backlog, compute_auction, cycle, runs, token_ledger
from scidex.market.embedded import EmbeddedMarket
from tests.agent.printed import claude_result, claude_session
from tests.agent.work import ASSIGNMENT, result

REFUSED = claude_result(
    {}, is_error=True, api_error_status=401, result="Invalid API key", usage={}, total_cost_usd=0, session_id="r"
)
NOTHING = claude_result({}, result="Unknown command: /nonsuch", usage={}, total_cost_usd=0, session_id="n")
DONE = claude_session("d", 100, 10, 0.1)


@pytest.fixture
def market(db):
    quest = backlog.add_quest("docs", db=db)
    token_ledger.mint(quest.account_id, 100_000, db=db)
    token_ledger.create_account("evaluator:ci", kind="evaluator", db=db)
    token_ledger.create_account("worker:ada", kind="worker", db=db)
    return db


def run(
    db: Any, directory: Path, code: str, *, is_heeded: bool, file: str | None = None, kept: int = 262_144
) -> Report | None:
    """Let an agent run a line of Python for one task, and return its report; None where it was given back."""
    claude = PrintedMeter(PROGRAMS["claude"], file)
    work = AgentWork(
        same_command(sys.executable, "-c", code),
        directory / "runs",
        executor=LocalExecutor(grace_seconds=0.5, kept_bytes=kept),
        meter=claude,
        evaluator=ExitCodeEvaluator("evaluator:ci", 5.0),
        outcome=claude if is_heeded else None,
    )
    agent = Agent("worker:ada", work, market=EmbeddedMarket(db), poll_seconds=0.02)
    backlog.add_task("task", "docs", expected_value_usd=4.0, db=db)
    assert list(agent.take()) == []
    assert cycle.run_cycle(db=db, now=db.now()).error is None
    [lease] = agent.take()
    return agent.work_on(lease)


def settled(db: Any, directory: Path, code: str, **options: Any) -> Report:
    """Run it, and return the report of what was settled."""
    report = run(db, directory, code, **options)
    assert report is not None
    return report


def says(event: Any, exit_code: int = 0, file: str = "") -> str:
    into = f", file=open({file!r}, 'w')" if file else ""
    return f"import json; print(json.dumps({event!r}){into}); raise SystemExit({exit_code})"


@pytest.mark.parametrize(
    ("event", "exit_code", "is_heeded", "reason", "impact"),
    [
        (DONE, 0, False, "done", 5.0),
        (DONE, 0, True, "done", 5.0),
        (DONE, 1, True, "exit_code", 0.0),
        (NOTHING, 0, False, "nothing_done", 0.0),
        (claude_result(subtype="error_max_turns"), 0, False, "done", 5.0),
        (claude_result(subtype="error_max_turns"), 0, True, "turn_limit", 0.0),
        ({"type": "system"}, 0, True, "unread", 0.0),
    ],
)
def test_an_agents_own_word_stands_beside_its_exit_code(market, tmp_path, event, exit_code, is_heeded, reason, impact):
    report = settled(market, tmp_path, says(event, exit_code), is_heeded=is_heeded)

    assert report.ending.reason == reason
    assert report.impact.usd == impact
    assert report.result.succeeded == (reason == "done")
    [clear] = compute_auction.list_clears(db=market)
    assert clear.actual_impact == impact


@pytest.mark.parametrize(("exit_code", "is_heeded"), [(0, True), (1, True), (1, False)])
def test_what_was_refused_is_given_back_with_its_reason_and_its_usage(market, tmp_path, exit_code, is_heeded):
    assert run(market, tmp_path, says(REFUSED, exit_code), is_heeded=is_heeded) is None

    [ending] = runs.list_endings(db=market)
    assert (ending.ending, ending.cause) == ("interrupted", "login")
    assert "API status 401 Invalid API key" in runs.get_output(ending.run_id, db=market).reason
    [usage] = runs.get_usage(ending.run_id, db=market)
    assert (usage.tokens, usage.cost_usd) == (0, 0.0)
    [clear] = compute_auction.list_clears(db=market)
    assert clear.status == "voided"


def test_outcome_and_usage_are_read_from_the_same_file(market, tmp_path):
    report = settled(market, tmp_path, says(DONE, file="claude.json"), is_heeded=True, file="claude.json")

    assert (report.ending.reason, report.usage.tokens) == ("done", 110)


@pytest.mark.parametrize("is_heeded", [True, False])
def test_a_result_that_is_longer_than_what_is_kept_of_output_is_read_whole(market, tmp_path, is_heeded):
    """One line of 486 kB: an array of all messages, its result at the end, and more behind it."""
    filler = {"type": "user", "message": {"content": "FILLER"}}
    code = says([filler, DONE]).replace("'FILLER'", "'x' * 486_000").replace("raise", "print('y' * 5_000); raise")

    report = settled(market, tmp_path, code, is_heeded=is_heeded, kept=4_096)

    assert (report.ending.reason, report.usage.tokens, report.impact.usd) == ("done", 110, 5.0)
    [directory] = (tmp_path / "runs").iterdir()
    assert (directory / "stdout.txt").stat().st_size > 490_000


def test_what_was_cut_is_not_the_agents_silence(tmp_path):
    """As on a cluster's node, from which a transcript of many megabytes does not travel."""
    place, ended = Workplace.prepare(tmp_path, ASSIGNMENT), result(stdout="\n[… 9 bytes left out …]\nmore")
    meter = PrintedMeter(PROGRAMS["claude"])

    assert meter.is_cut(place, ended)
    assert meter.word(place, ended).ending is None
    assert meter.read(place, ended).provenance == "none"


def test_a_command_that_says_not_now_may_leave_the_time(market, tmp_path):
    later = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    code = (
        f"import os; open(os.environ['SCIDEX_RETRY_AT_FILE'], 'w').write('{later.isoformat()}'); raise SystemExit(75)"
    )

    assert run(market, tmp_path, code, is_heeded=False) is None

    [ending] = runs.list_endings(db=market)
    assert (ending.cause, ending.ending, ending.retry_at) == ("not_now", "interrupted", later)


def test_a_file_of_the_commands_own_is_not_written_over(market, tmp_path):
    code = says(DONE, file="stdout.txt").replace("raise", "print('shown'); raise")

    report = settled(market, tmp_path, code, is_heeded=True, file="stdout.txt")

    [directory] = (tmp_path / "runs").iterdir()
    assert report.usage.tokens == 110
    assert json.loads((directory / "stdout.txt").read_text()) == DONE
    assert (directory / "scidex-stdout.txt").read_text() == "shown\n"
