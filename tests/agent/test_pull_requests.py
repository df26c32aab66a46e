"""What became of a pull request is asked of `gh`, and each is worth something once."""

from __future__ import annotations

import json
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scidex.agent.evaluators import Impact
from scidex.agent.evaluators.exit_code import ExitCodeEvaluator, warning_for
from scidex.agent.evaluators.pull_requests import PullRequestEvaluator, PullRequests, address_of, checks_in_all
from scidex.agent.evaluators.revisiting import revisit
from scidex.agent.workplace import Workplace
from scidex.exchange import compute_auction, runs, token_ledger
from scidex.records import SeenPullRequest
from tests.agent.work import ASSIGNMENT, result
from tests.market import bid, clear, fund, offer, settle

URL = "https://git.example/ada/tool/pull/12"
MERGED_AT = "2026-04-27T12:00:00Z"

FAKE = """#!{python}
import json, sys
said = json.load(open("{says}"))[sys.argv[2]]
json.dump(sys.argv[1:], open("{says}." + sys.argv[2], "w"))
sys.stdout.write(said["stdout"]); sys.stderr.write(said["stderr"]); sys.exit(said["exit_code"])
"""


class FakeGh:
    """A program `gh` on the path that prints what it is told to, as `gh` prints it."""

    def __init__(self, folder: Path) -> None:
        self._says = folder / "says.json"
        program = folder / "gh"
        program.write_text(FAKE.replace("{python}", sys.executable).replace("{says}", str(self._says)))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self._answers: dict[str, Any] = {}
        self.view("OPEN")
        self.checks()

    def view(self, state: str, merged_at: str | None = None) -> None:
        """Answer `gh pr view`."""
        self.says("view", json.dumps({"state": state, "mergedAt": merged_at}))

    def checks(self, *buckets: str, exit_code: int = 0) -> None:
        """Answer `gh pr checks`."""
        told = [{"name": f"check {n}", "state": "?", "bucket": bucket} for n, bucket in enumerate(buckets)]
        self.says("checks", json.dumps(told), exit_code)

    def says(self, verb: str, stdout: str, exit_code: int = 0, stderr: str = "") -> None:
        """Answer a verb with any text."""
        self._answers[verb] = {"stdout": stdout, "stderr": stderr, "exit_code": exit_code}
        self._says.write_text(json.dumps(self._answers))

    def asked(self, verb: str) -> list[str]:
        """Return the words that a verb was asked with."""
        words: list[str] = json.loads(Path(f"{self._says}.{verb}").read_text())
        return words


@pytest.fixture
def gh(tmp_path, monkeypatch) -> FakeGh:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return FakeGh(folder)


@pytest.fixture
def place(tmp_path) -> Workplace:
    place = Workplace.prepare(tmp_path / "runs", ASSIGNMENT)
    place.pull_request_file.write_text(URL + "\n")
    return place


EVALUATOR = PullRequestEvaluator("evaluator:ci", merged_usd=50.0)


# --- what gh says


def test_gh_is_asked_for_what_it_documents(gh):
    PullRequests().see(URL)

    assert gh.asked("view") == ["pr", "view", URL, "--json", "state,mergedAt"]
    assert gh.asked("checks") == ["pr", "checks", URL, "--json", "name,state,bucket,link,workflow"]


@pytest.mark.parametrize(
    ("buckets", "exit_code", "checks"),
    [
        (["pass", "skipping"], 0, "pass"),
        (["pass", "fail"], 1, "fail"),
        (["pass", "cancel"], 1, "fail"),
        (["pass", "pending"], 8, "pending"),
        (["fail", "pending"], 1, "fail"),
        (["skipping"], 0, "none"),
        ([], 0, "none"),
    ],
)
def test_checks_that_failed_or_run_are_read_whatever_gh_ends_with(gh, buckets, exit_code, checks):
    gh.checks(*buckets, exit_code=exit_code)

    assert PullRequests().see(URL).checks == checks
    assert checks_in_all(buckets) == checks


def test_a_branch_without_checks_has_none(gh):
    gh.says("checks", "", 1, "no checks reported on the 'fix' branch\n")

    assert PullRequests().see(URL) == SeenPullRequest(URL, "open", "none")


@pytest.mark.parametrize(
    ("verb", "stdout", "exit_code"),
    [
        ("view", "", 1),
        ("view", "", 4),
        ("view", "no JSON", 0),
        ("view", "[]", 0),
        ("view", '{"state": "LOST"}', 0),
        ("view", '{"state": "MERGED", "mergedAt": null}', 0),
        ("view", '{"state": "MERGED", "mergedAt": "2026-04-27T12:00:00"}', 0),
        ("view", '{"state": "MERGED", "mergedAt": 5}', 0),
        ("checks", "", 4),
        ("checks", "no JSON", 0),
        ("checks", "{}", 0),
        ("checks", "[1]", 0),
        ("checks", '[{"bucket": "fine"}]', 0),
        ("checks", "[" * 100_000, 0),
    ],
)
def test_what_gh_does_not_say_leaves_the_impact_unknown(gh, place, verb, stdout, exit_code):
    gh.says(verb, stdout, exit_code)

    impact = EVALUATOR.judge(place, result())

    assert (impact.usd, impact.attested_by, impact.pull_request) == (None, None, None)
    assert impact.note.startswith("gh ")


def test_without_gh_the_impact_is_unknown(place):
    nowhere = PullRequestEvaluator("evaluator:ci", 50.0, pull_requests=PullRequests(program="no-such-gh"))

    assert "could not start" in nowhere.judge(place, result()).note


# --- what it is worth


@pytest.mark.parametrize(
    ("state", "buckets", "passed_usd", "usd"),
    [
        ("MERGED", ["pass"], None, 50.0),
        ("MERGED", ["fail"], 5.0, 50.0),
        ("CLOSED", ["pass"], 5.0, 0.0),
        ("OPEN", ["pass"], None, None),
        ("OPEN", ["pass"], 5.0, 5.0),
        ("OPEN", ["fail"], 5.0, 0.0),
        ("OPEN", ["fail"], None, None),
        ("OPEN", ["pending"], 5.0, None),
        ("OPEN", [], 5.0, None),
    ],
)
def test_a_pull_request_is_worth_what_the_operator_said(gh, place, state, buckets, passed_usd, usd):
    gh.view(state, MERGED_AT if state == "MERGED" else None)
    gh.checks(*buckets)

    impact = PullRequestEvaluator("evaluator:ci", 50.0, passed_usd).judge(place, result())

    assert (impact.usd, impact.attested_by) == (usd, None if usd is None else "evaluator:ci")
    assert impact.pull_request is not None


def test_a_run_names_its_pull_request_in_its_file_its_task_or_its_output(tmp_path):
    other = URL.replace("12", "13")
    place = Workplace.prepare(tmp_path, ASSIGNMENT._replace(payload={"pull_request": f"fix {other}"}))
    silent = Workplace.prepare(tmp_path, ASSIGNMENT)

    assert address_of(place, result(stdout=f"see {URL}")) == other
    assert address_of(silent, result(stdout=f"see {other}\nopened {URL}\n")) == URL
    place.pull_request_file.write_text(URL)
    assert address_of(place, result()) == URL


def test_a_run_that_names_none_is_not_asked_about(tmp_path):
    impact = EVALUATOR.judge(Workplace.prepare(tmp_path, ASSIGNMENT), result(stdout="https://git.example/issues/1"))

    assert impact == Impact(None, note="no pull request: the run names none")


# --- later


def sold_run(db, task_id: str) -> str:
    offer(db, 1)
    bid(db, "ada", task_id, 10)
    return settle(db, clear(db).clears[0].slot_id).slot_id


@pytest.fixture
def market(db):
    fund(db, 1_000, "ada")
    token_ledger.create_account("evaluator:ci", kind="evaluator", db=db)
    return db


def test_what_was_merged_later_is_attested_later_and_once(gh, market):
    first, second = sold_run(market, "task-1"), sold_run(market, "task-2")
    for run_id in (first, second):
        runs.record_pull_request(run_id, URL, state="open", db=market)

    assert [one.note for one in revisit(EVALUATOR, db=market)] == ["not known yet", "not known yet"]
    gh.view("MERGED", MERGED_AT)
    notes = {one.run_id: one.note for one in revisit(EVALUATOR, db=market)}

    assert notes == {first: "attested 50.00 USD", second: f"counts for {first}"}
    assert [one.actual_impact for one in compute_auction.list_clears(db=market) if one.slot_id == first] == [50.0]
    assert runs.list_pull_requests(first, db=market)[0].merged_at == datetime.fromisoformat(MERGED_AT).astimezone(UTC)
    assert revisit(EVALUATOR, db=market) == []


def test_what_cannot_be_seen_or_attested_is_looked_at_again(gh, market):
    run_id = sold_run(market, "task-1")
    runs.record_pull_request(run_id, URL, state="open", db=market)
    gh.view("MERGED", MERGED_AT)

    [refused] = revisit(PullRequestEvaluator("ada", 50.0), db=market)
    gh.says("view", "", 1)
    [unseen] = revisit(EVALUATOR, db=market)

    assert refused.note.startswith("not attested: ")
    assert unseen.note.startswith("not seen: gh ")
    assert [one.state for one in runs.list_pull_requests(db=market)] == ["open"]


# --- exit codes


def test_an_exit_code_is_worth_a_fixed_sum(place):
    assert ExitCodeEvaluator("evaluator:ci", 3.0).judge(place, result()) == Impact(3.0, "evaluator:ci")


@pytest.mark.parametrize("program", ["aider", "/usr/bin/codex", "openhands"])
def test_a_program_whose_exit_code_proves_nothing_is_warned_of(program):
    assert "ends with 0" in (warning_for((program, "--yes")) or "")


def test_other_programs_are_not_warned_of():
    assert warning_for(("pytest",)) is None
    assert warning_for(()) is None
