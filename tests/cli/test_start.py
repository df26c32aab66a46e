"""A fleet by its file: checked, brought in line, and started as a new user would, with a fake agent on the path."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scidex.exchange import backlog, compute_auction, token_ledger
from scidex.store import connect
from tests.cli.running import ROOT
from tests.databases import assert_books_are_right

# Commits its work, as a coding agent would, and prints what Claude Code prints.
AGENT = """#!/bin/sh
echo "$SCIDEX_TASK_TITLE" > note.txt
git add --all && git -c user.name=a -c user.email=a@example.org commit --quiet --message "$SCIDEX_TASK_TITLE"
echo '{"type": "result", "subtype": "success", "is_error": false, "session_id": "0", "result": "done",
 "usage": {"input_tokens": 900, "output_tokens": 100}, "total_cost_usd": 0.02,
 "modelUsage": {"a": {"inputTokens": 900, "outputTokens": 100, "cacheReadInputTokens": 0, "cacheCreationInputTokens": 0,
 "costUSD": 0.02}}}' | tr -d '\\n'
"""


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """A repository with six issues in a file, and a fake `claude` on the path, in a home of its own."""
    programs, place = tmp_path / "bin", tmp_path / "tool"
    programs.mkdir()
    place.mkdir()
    (programs / "claude").write_text(AGENT)
    (programs / "claude").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SCIDEX_DATABASE_URL", raising=False)
    for words in (
        ("init", "--quiet", "--initial-branch", "main"),
        ("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "--allow-empty", "-m", "first"),
    ):
        subprocess.run(["git", "-C", str(place), *words], check=True)
    issues = [{"number": n, "title": f"Mend it {n}", "state": "OPEN", "labels": [], "url": url(n)} for n in range(1, 7)]
    (place / "issues.json").write_text(json.dumps(issues))
    return place


def url(number: int) -> str:
    return f"https://github.com/ada/tool/issues/{number}"


def scidex(place: Path, *words: str) -> tuple[int, str, str]:
    """Run `scidex` in a directory, to its end."""
    ended = subprocess.run(
        [sys.executable, "-m", "scidex", *words],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.fixture
def started(repository) -> Iterator[subprocess.Popen[str]]:
    """A fleet that was started there, with nothing asked."""
    process = subprocess.Popen(
        [sys.executable, "-m", "scidex", "start", "--yes"],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(wanted: Callable[[], bool]) -> None:
    ends = time.monotonic() + 120
    while not wanted():
        assert time.monotonic() < ends
        time.sleep(0.1)


def test_a_fleet_starts_from_nothing_does_work_and_ends_cleanly(repository, started):
    assert started.stdout is not None
    seen = []
    for line in started.stdout:
        seen.append(line)
        if line.startswith("agent claude:"):
            break
    listed = scidex(repository, "task", "list", "--status", "done", "--json")
    started.send_signal(signal.SIGINT)
    rest, error = started.communicate(timeout=60)

    assert any(line.startswith("wrote       scidex.toml: issues; claude with 2 seats") for line in seen)
    assert "source issues: 6 tasks added, 0 updated, 0 left the list\n" in seen
    assert "1,000 tokens, 0.0200 USD" in seen[-1]
    assert (listed[0], json.loads(listed[1])[0]["title"].startswith("Mend it")) == (0, True)
    assert (started.returncode, error) == (0, "")
    assert "stopping" in rest
    kept = subprocess.run(
        ["git", "branch", "--list", "scidex/*"], cwd=repository, capture_output=True, text=True, check=True
    )
    assert kept.stdout.count("scidex/ada-tool-") >= 1
    with connect(f"sqlite:///{repository}/.scidex/market.db") as db:
        assert {task.status for task in backlog.list_tasks(db=db)} <= {"open", "done"}
        assert compute_auction.get_order_book(db=db)["asks"] == []
        assert_books_are_right(db)
    status = subprocess.run(["git", "status", "--short"], cwd=repository, capture_output=True, text=True, check=True)
    assert set(status.stdout.split()) == {"??", "issues.json", "scidex.toml"}


def test_a_file_that_is_there_is_not_written_again(repository):
    (repository / "scidex.toml").write_text("servr = 1\n")

    code, _, error = scidex(repository, "start", "--yes")

    assert (code, (repository / "scidex.toml").read_text()) == (5, "servr = 1\n")
    assert "line 1: servr is not known here; did you mean server?" in error
    assert not (repository / ".scidex").exists()


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("[[agents]]\nname = 'a'\ncommand = ['no-such-program']", 1, "no-such-program"),
        ("[[agents]]\nname = 'a'\ncommand = ['git']\nmeter = 'guess'", 1, "must be file, claude"),
        ("[[agents]]\nname = 'a'\ncommand = ['git']\npass = ['NOT_SET_HERE']", 4, "NOT_SET_HERE"),
        ("[[agents]]\nname = 'a'\ncommand = ['git']\nworktree = '/'", 1, "not a git repository"),
        ("[[sources]]\nname = 'a'\nformat = 'gh'\nfile = 'none.json'", 4, "names no file: none.json"),
        ("[[sources]]\nname = 'a'\nformat = 'gh'\ncommand = ['no-such-program']", 4, "names no program"),
        ("database = 'env:NOT_SET_HERE'", 1, "NOT_SET_HERE is not set"),
    ],
)
def test_what_a_file_names_and_is_not_there_is_a_fault(repository, text, line, fault):
    (repository / "scidex.toml").write_text(text)

    code, out, error = scidex(repository, "check")
    as_json = json.loads(scidex(repository, "check", "--json")[1])

    assert (code, out) == (5, "")
    assert f"scidex.toml, line {line}: " in error
    assert fault in error
    assert [one["line"] for one in as_json] == [line]


def test_a_right_file_is_said_to_be_right(repository):
    (repository / "scidex.toml").write_text("[quests.docs]\n[[agents]]\nname = 'a'\ncommand = ['git']\n")

    assert scidex(repository, "check")[:2] == (0, "scidex.toml is right: 1 pool, 1 quest, 0 sources, 1 agent.\n")
    assert json.loads(scidex(repository, "check", "--schema")[1])["properties"]["agents"]


def test_apply_prints_the_difference_before_it_makes_it(repository):
    file = repository / "scidex.toml"
    file.write_text("[quests.docs]\npriority = 2\n")
    nowhere = scidex(repository, "apply", "--yes")
    (repository / ".scidex").mkdir()
    scidex(repository, "init", "--db", f"sqlite:///{repository}/.scidex/market.db")
    before = scidex(repository, "apply", "--dry-run")
    unasked = scidex(repository, "apply")
    made = scidex(repository, "apply", "--yes")
    again = scidex(repository, "apply", "--dry-run", "--json")

    assert nowhere[0] == 3
    assert before[:2] == (0, "+ quest docs: priority 2\n")
    assert (unasked[0], "--yes" in unasked[2]) == (2, True)
    assert made[:2] == (0, "+ quest docs: priority 2\n1 changes made.\n")
    assert json.loads(again[1]) == []


def test_commands_below_a_fleets_file_use_its_database(repository):
    (repository / "scidex.toml").write_text("database = 'sqlite:///kept/market.db'\n")
    (repository / "kept").mkdir()
    (repository / "below").mkdir()
    with connect(f"sqlite:///{repository}/kept/market.db") as db:
        compute_auction.ensure_schema(db=db)
        token_ledger.create_account("agent:ada", db=db)

    assert scidex(repository / "below", "wallet", "agent:ada")[0] == 0
