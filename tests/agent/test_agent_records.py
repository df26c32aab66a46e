"""An agent keeps what its runs used and wrote, whatever became of them, and runs nothing that it cannot meter."""

from __future__ import annotations

import sys
import threading

import pytest

from scidex.agent.agent import Agent, AgentWork
from scidex.agent.commands import command_of_task, needs_of, shell_command
from scidex.agent.evaluators import Impact
from scidex.agent.executors import RunResult
from scidex.agent.executors.local import LocalExecutor
from scidex.agent.meters.gateway import GatewayMeter
from scidex.agent.meters.litellm import LiteLLM
from scidex.agent.meters.usage_file import UsageFileMeter
from scidex.errors import MeterUnavailable
from scidex.exchange import backlog, compute_auction, cycle, runs, token_ledger
from scidex.market.embedded import EmbeddedMarket
from scidex.records import SeenPullRequest, Usage
from tests.agent.proxies import ADMIN_KEY, running_proxy
from tests.agent.work import ASSIGNMENT

SAYS = ["sh", "-c", """echo out; echo err >&2; echo '{"tokens": 700}' > "$SCIDEX_USAGE_FILE" """]
URL = "https://git.example/ada/tool/pull/1"


@pytest.fixture
def market(db):
    """A market with a quest of 100,000 tokens, an evaluator, and a worker."""
    quest = backlog.add_quest("docs", db=db)
    token_ledger.mint(quest.account_id, 100_000, db=db)
    token_ledger.create_account("evaluator:ci", kind="evaluator", db=db)
    token_ledger.create_account("worker:ada", kind="worker", db=db)
    return db


def run_one(db, tmp_path, command, *, task_id: str = "write", **work):
    """Let an agent offer a slot, sell it to a task, and run that; return its report and the run's id."""
    backlog.add_task(task_id, "docs", expected_value_usd=4.0, payload={"command": command}, db=db)
    local = LocalExecutor(grace_seconds=0.5)
    options = {"executor": local, "max_seconds": 20.0, **work}
    agent = Agent("worker:ada", AgentWork(command_of_task, tmp_path / "runs", **options), market=EmbeddedMarket(db))
    assert list(agent.take()) == []
    # By the clock that offered the slot, which may be some milliseconds ahead of this process.
    assert cycle.run_cycle(now=db.now(), db=db).error is None
    [lease] = agent.take()
    report = agent.work_on(lease)
    agent.leave_seat(lease)
    return report, lease.assignment.assignment_id


def test_what_a_run_used_and_wrote_can_be_read(market, tmp_path):
    report, run_id = run_one(market, tmp_path, SAYS, evaluator=Judge(Impact(5.0, "evaluator:ci")))

    output = runs.get_output(run_id, db=market)
    assert (output.ended, output.exit_code, output.stdout, output.stderr) == ("exited", 0, "out\n", "err\n")
    assert runs.get_usage(run_id, db=market) == [Usage("file", "reported", 700)]
    [directory] = (tmp_path / "runs").iterdir()
    assert [(directory / f"{name}.txt").read_text() for name in ("stdout", "stderr")] == ["out\n", "err\n"]
    assert report.finished.clear.actual_cost_tokens == 700


def test_a_run_that_tells_nothing_settles_at_a_cost_that_is_not_known(market, tmp_path):
    report, run_id = run_one(market, tmp_path, ["true"])

    assert report.finished.clear.actual_cost_tokens is None
    assert [usage.provenance for usage in runs.get_usage(run_id, db=market)] == ["none"]
    assert runs.report_costs(db=market).runs_unknown == 1


class Judge:
    """An evaluator that always finds the same."""

    def __init__(self, impact: Impact) -> None:
        self._impact = impact

    def judge(self, place, result) -> Impact:
        return self._impact


def test_a_pull_request_earns_the_run_that_named_it_first_and_no_other(market, tmp_path):
    judge = Judge(Impact(5.0, "evaluator:ci", pull_request=SeenPullRequest(URL, "open", "pass")))

    first, first_id = run_one(market, tmp_path, ["true"], evaluator=judge)
    second, _ = run_one(market, tmp_path, ["true"], task_id="again", evaluator=judge)

    assert (first.impact.usd, second.impact.usd) == (5.0, None)
    assert second.impact.note == "; its pull request counts for another run, or could not be kept"
    assert [one.counts_for for one in runs.list_pull_requests(db=market)] == [first_id, first_id]


# --- runs that come to no end of their own


class Lost:
    """An executor whose place dies under every run."""

    def run(self, run, stop: threading.Event | None = None) -> RunResult:
        (run.directory / "usage.json").write_text('{"cost_usd": 0.5, "tokens": 10}')
        return RunResult.without_output("lost", "the cluster lost it")


def test_what_a_place_lost_is_given_back_and_what_it_used_is_kept(market, tmp_path):
    report, run_id = run_one(market, tmp_path, ["true"], executor=Lost())

    assert report is None
    [clear] = compute_auction.list_clears(db=market)
    assert (clear.status, clear.reason) == ("voided", "machine: the cluster lost it")
    assert backlog.get_task("write", db=market).status == "open"
    assert token_ledger.get_balance("quest:docs", db=market).held == 0
    assert runs.get_usage(run_id, db=market)[0].tokens == 10
    assert runs.get_output(run_id, db=market).ended == "lost"


class NoKeys:
    """A meter that cannot meter."""

    def watching(self, place, max_seconds):
        raise MeterUnavailable(fact="no keys today")

    def read(self, place, result) -> Usage:
        raise AssertionError("nothing was run")


def test_nothing_is_run_that_cannot_be_metered(market, tmp_path):
    report, run_id = run_one(market, tmp_path, ["touch", str(tmp_path / "ran")], meter=NoKeys())

    assert report is None
    assert not (tmp_path / "ran").exists()
    assert "no keys today" in compute_auction.list_clears(db=market)[0].reason
    assert runs.get_output(run_id, db=market) is None


def test_a_worker_whose_runs_cannot_begin_says_so_in_a_line_and_offers_nothing_for_a_while(market, tmp_path, caplog):
    for task_id in ("first", "second"):
        backlog.add_task(task_id, "docs", expected_value_usd=4.0, payload={"command": SAYS}, db=market)
    work = AgentWork(command_of_task, tmp_path / "runs", meter=NoKeys())
    agent = Agent("worker:ada", work, market=EmbeddedMarket(market), seats=2)
    assert list(agent.take()) == []
    assert cycle.run_cycle(now=market.now(), db=market).error is None
    leases = list(agent.take())
    for lease in leases:
        assert agent.work_on(lease) is None
        agent.leave_seat(lease)

    assert list(agent.take()) == []
    assert len(leases) == 2
    assert compute_auction.get_order_book(db=market)["asks"] == []
    [record] = caplog.records
    assert "a run was interrupted: machine: " in record.getMessage()
    assert record.exc_info is None


# --- a proxy, from end to end

CALLS = """
import os, sys, urllib.request
print(os.environ["ANTHROPIC_API_KEY"][:3], os.environ["ANTHROPIC_BASE_URL"])
open("key", "w").write(os.environ["ANTHROPIC_API_KEY"])
"""


class Spends(LocalExecutor):
    """Runs a command as always, then lets its key spend."""

    def spend_by(self, proxy) -> Spends:
        object.__setattr__(self, "proxy", proxy)
        return self

    def run(self, run, stop=None) -> RunResult:
        result = super().run(run, stop)
        self.proxy.call_model((run.directory / "key").read_text(), 0.75)
        return result


def test_a_run_is_settled_by_what_its_key_was_charged(market, tmp_path):
    with running_proxy() as proxy:
        gateway = LiteLLM(proxy.url, ADMIN_KEY, books_within_seconds=0.0)
        meter = GatewayMeter(gateway, most_usd=2.0, look_seconds=0.01)
        command = [sys.executable, "-c", CALLS]
        report, run_id = run_one(market, tmp_path, command, meter=meter, executor=Spends().spend_by(proxy))

        assert report.result.stdout == f"sk- {proxy.url}\n"
        assert [key["blocked"] for key in proxy.keys.values()] == [True]
    assert report.finished.clear.actual_cost_tokens == 750
    assert runs.report_costs(db=market).billed_usd == 0.75
    assert runs.get_usage(run_id, db=market)[0].provenance == "billed"


# --- what a task may ask for


def test_a_task_says_what_its_run_needs():
    needs = {"gpus": 1, "cpus": 0.5, "lots": 1e400, "less": -1, "nan": float("nan"), "yes": True, "word": "2"}

    assert needs_of(ASSIGNMENT._replace(payload={"needs": needs})) == {"gpus": 1.0, "cpus": 0.5}
    assert needs_of(ASSIGNMENT._replace(payload={"needs": [1]})) == {}
    assert needs_of(ASSIGNMENT) == {}


def test_a_shells_line_holds_nothing_that_a_task_says_of_itself(tmp_path):
    hostile = ASSIGNMENT._replace(title="$(touch pwned)", task_id="; touch pwned")

    assert shell_command("echo $SCIDEX_TASK_ID {title}")(hostile) == ("/bin/sh", "-c", "echo $SCIDEX_TASK_ID {title}")


def test_the_usage_file_is_the_meter_where_none_is_named(tmp_path):
    assert isinstance(AgentWork(command_of_task, tmp_path).meter, UsageFileMeter)
