"""
The scripts in examples/, run by an agent of the market with the agents' own programs, against stubs of their providers.

`make test-integrations` installs the programs and runs this; without them there is nothing to try. With SCIDEX_RECORD=1
it keeps what each program said, for the tests that run everywhere.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scidex.agent.agent import Agent
from scidex.agent.commands import same_command
from scidex.agent.executors.local import ENVIRONMENT, LocalExecutor
from scidex.cli.working import Options
from scidex.exchange import backlog, compute_auction, cycle, runs, token_ledger
from scidex.market.embedded import EmbeddedMarket
from scidex.records import RunEnding, Usage
from scidex.store import Database, connect
from tests.integrations.providers import Provider, serving
from tests.integrations.recordings import FOLDER, scrubbed

ROOT = Path(__file__).parents[2]
# What a run is metered by, and the file that its script leaves for it.
METERS = {
    "claude": "claude:claude.jsonl",
    "codex": "codex:codex.jsonl",
    "gemini": "gemini:gemini.jsonl",
    "opencode": "opencode:opencode.jsonl",
    "mini": "mini",
}
UNAUTHORIZED = {"error": {"message": "Incorrect API key provided", "type": "authentication_error", "code": 401}}
PASSED_ON = (
    "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_API_KEY",
    "GOOGLE_GEMINI_BASE_URL", "GEMINI_API_KEY", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "LITELLM_LOCAL_MODEL_COST_MAP", "MINI_MODEL",
)  # fmt: skip

pytestmark = pytest.mark.skipif("SCIDEX_INTEGRATIONS" not in os.environ, reason="make test-integrations runs these")


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Provider]:
    """A provider that every program's own variables lead to."""
    with serving(Provider(command="echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT")) as stub:
        for name in PASSED_ON:
            is_url = name.endswith(("_URL", "_BASE"))
            monkeypatch.setenv(name, stub.url if is_url else "sk-stub")
        for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE"):
            monkeypatch.setenv(name, f"{stub.url}/v1")
        monkeypatch.setenv("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        monkeypatch.setenv("MINI_MODEL", "openai/gpt-4o")
        home = tmp_path / "home"
        home.mkdir()
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        yield stub


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Database]:
    with connect(f"sqlite:///{tmp_path}/market.db") as db:
        compute_auction.ensure_schema(db=db)
        quest = backlog.add_quest("docs", db=db)
        token_ledger.mint(quest.account_id, 100_000, db=db)
        token_ledger.create_account("worker:ada", kind="worker", db=db)
        yield db


def run(db: Database, name: str, directory: Path, *, title: str = "Say hello") -> tuple[RunEnding, Usage]:
    """Let an agent run an example for a task, as its page says; return what the market kept of its end and usage."""
    assert shutil.which(name), f"{name} is not installed: make test-integrations does that"
    asked = Options(command=["true"], meter=METERS[name], outcome=name, directory=directory).work()
    work = replace(
        asked,
        command_for=same_command(str(ROOT / "examples" / name)),
        executor=LocalExecutor((*ENVIRONMENT, *PASSED_ON), grace_seconds=1.0),
        max_seconds=120.0,
    )
    agent = Agent("worker:ada", work, market=EmbeddedMarket(db), poll_seconds=0.02)
    backlog.add_task("task", "docs", title=title, expected_value_usd=4.0, db=db)
    assert list(agent.take()) == []
    assert cycle.run_cycle(db=db, now=db.now()).error is None
    [lease] = agent.take()
    agent.work_on(lease)
    run_id = lease.assignment.assignment_id
    [ending], [*_, usage] = runs.list_endings(db=db), runs.get_usage(run_id, db=db)
    return ending, usage


def keep(name: str, what: str, directory: Path, ending: RunEnding, usage: Usage, db: Database) -> None:
    """Keep what a program said, where that is asked for."""
    if "SCIDEX_RECORD" not in os.environ:
        return
    [place] = directory.glob("run-*")
    file = place / (METERS[name].partition(":")[2] or "trajectory.json")
    output = runs.get_output(ending.run_id, db=db)
    assert output is not None
    FOLDER.mkdir(exist_ok=True)
    said: dict[str, Any] = {
        "text": scrubbed(name, file.read_text()),
        "errors": scrubbed("", output.stderr)[-2_000:],
        "tokens": usage.tokens,
        "cost_usd": usage.cost_usd,
        "cause": ending.cause,
    }
    (FOLDER / f"{name}-{what}.json").write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n")


@pytest.mark.parametrize("name", METERS)
def test_an_example_does_its_task_and_is_metered(market, provider, tmp_path, name):
    """The title looks like an option of the program, and is none."""
    ending, usage = run(market, name, tmp_path / "runs", title="--version")

    assert (ending.ending, ending.cause) == ("succeeded", "done"), ending.note
    assert usage.tokens == 1_060
    assert provider.calls
    keep(name, "done", tmp_path / "runs", ending, usage, market)


@pytest.mark.parametrize("name", METERS)
def test_a_key_that_is_refused_is_no_fault_of_the_task(market, provider, tmp_path, name):
    provider.refuses = (401, UNAUTHORIZED, {"x-should-retry": "false"})

    ending, usage = run(market, name, tmp_path / "runs")

    assert (ending.ending, ending.cause) == ("interrupted", "login"), ending.note
    assert usage.tokens in (None, 0)
    task = backlog.get_task("task", db=market)
    assert (task.status, task.attempts) == ("open", 0)
    keep(name, "login", tmp_path / "runs", ending, usage, market)


def test_bean_check_is_installed_for_the_tests_of_exports():
    assert shutil.which("bean-check")
