"""What a run committed is tried in a checkout of its own."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scidex.agent.evaluators import Impact
from scidex.agent.evaluators.tests import TestsEvaluator, clone_in
from scidex.agent.executors.local import LocalExecutor
from scidex.agent.workplace import Workplace
from tests.agent.work import ASSIGNMENT, result

WHO = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")


def git(*words: str, at: Path) -> None:
    subprocess.run(["git", *WHO, *words], cwd=at, check=True, capture_output=True)


def commit(repository: Path, code: str) -> None:
    (repository / "check.py").write_text(code)
    git("add", "check.py", at=repository)
    git("commit", "--quiet", "--message", "work", at=repository)


@pytest.fixture
def place(tmp_path) -> Workplace:
    place = Workplace.prepare(tmp_path, ASSIGNMENT)
    tool = place.directory / "tool"
    tool.mkdir()
    git("init", "--quiet", at=tool)
    commit(tool, "raise SystemExit(1)")
    return Workplace(place.directory, place.assignment, began_at=datetime.now(UTC) - timedelta(minutes=1))


def judged(place: Workplace, *command: str, max_seconds: float = 20.0) -> Impact:
    local = LocalExecutor(grace_seconds=0.5)
    words = command or (sys.executable, "check.py")
    return TestsEvaluator("evaluator:ci", 5.0, words, local, max_seconds).judge(place, result())


def test_a_commit_that_passes_is_worth_the_sum_and_one_that_fails_nothing(place):
    failed = judged(place)
    commit(place.directory / "tool", "raise SystemExit(0)")
    passed = judged(place)

    assert (failed.usd, passed.usd, passed.attested_by) == (0.0, 5.0, "evaluator:ci")
    assert passed.note.endswith("exited with 0")


def test_only_what_was_committed_counts(place):
    (place.directory / "tool" / "check.py").write_text("raise SystemExit(0)")

    assert judged(place).usd == 0.0


def test_a_run_that_committed_nothing_is_worth_nothing(place):
    commit(place.directory / "tool", "raise SystemExit(0)")
    later = Workplace(place.directory, place.assignment, began_at=datetime.now(UTC) + timedelta(minutes=1))

    assert judged(later) == Impact(0.0, "evaluator:ci", "the run committed nothing")


def test_hooks_of_the_run_are_not_run(place):
    hook = place.directory / "tool" / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {place.directory}/hooked\n")
    hook.chmod(0o700)
    judged(place)

    assert not (place.directory / "hooked").exists()


@pytest.mark.parametrize(
    ("command", "note"),
    [
        (("no-such-program",), "could not start"),
        ((sys.executable, "-c", "import time; time.sleep(60)"), "its time was up"),
        ((sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"), "ended by signal 9"),
    ],
)
def test_a_command_that_does_not_come_to_an_end_says_nothing(place, command, note):
    impact = judged(place, *command, max_seconds=1.0)

    assert (impact.usd, impact.attested_by) == (None, None)
    assert note in impact.note


def test_without_one_repository_nothing_is_known(place, tmp_path):
    (place.directory / "other" / ".git").mkdir(parents=True)

    assert "holds 2 repositories" in judged(place).note
    with pytest.raises(ValueError, match="no repositories"):
        clone_in(tmp_path / "..")
