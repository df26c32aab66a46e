"""A run's pull request is worth what became of it, where it is the run's own work; `gh` says what it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.agent.evaluators import Impact
from scidex.agent.evaluators.exit_code import ExitCodeEvaluator, warning_for
from scidex.agent.evaluators.github import Facts, PullRequests, address_of, addresses_in, checks_in_all
from scidex.agent.evaluators.pull_requests import (
    PullRequestEvaluator,
    named_by,
    not_of_the_run,
    repositories_in,
    repositories_of,
)
from scidex.agent.evaluators.revisiting import revisit
from scidex.agent.workplace import Workplace
from scidex.exchange import compute_auction, runs, token_ledger
from scidex.records import SeenPullRequest
from tests.agent.githubs import HEAD, MERGED_AS, REPOSITORY, URL, GitHub, install
from tests.agent.work import ASSIGNMENT, result
from tests.market import bid, clear, fund, offer, settle

BEGAN_AT = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def at(minutes: float) -> str:
    return (BEGAN_AT + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def evaluator(
    hub: GitHub, passed_usd: float | None = None, repository: str | None = REPOSITORY
) -> PullRequestEvaluator:
    return PullRequestEvaluator("evaluator:ci", 50.0, passed_usd, repository, PullRequests(executor=hub))


@pytest.fixture
def place(tmp_path) -> Workplace:
    return placed(tmp_path)


def placed(tmp_path, **task: Any) -> Workplace:
    """A run's place, which names the pull request in its file, and began long enough ago for what came after."""
    place = Workplace.prepare(tmp_path / "runs", ASSIGNMENT._replace(payload={}, **task))
    place.pull_request_file.write_text(URL + "\n")
    return Workplace(place.directory, place.assignment, began_at=datetime.now(UTC) - timedelta(minutes=30))


def since(place: Workplace, minutes: float) -> str:
    return (place.began_at + timedelta(minutes=minutes)).isoformat()


# --- what gh says


@pytest.mark.parametrize(
    ("conclusions", "checks"),
    [
        (["success", "skipped", "neutral"], "pass"),
        (["success", "failure"], "fail"),
        (["success", "cancelled"], "fail"),
        (["success", "timed_out", None], "fail"),
        (["success", None], "pending"),
        (["success", "action_required"], "pending"),
        (["skipped"], "none"),
        ([], "none"),
    ],
)
def test_checks_are_read_by_any_gh(conclusions, checks):
    hub = GitHub()
    hub.checks(*conclusions)

    assert PullRequests(executor=hub).see(address_of(URL)).seen == SeenPullRequest(URL, "open", checks)
    assert hub.asked[1:] == [
        ("api", f"repos/ada/tool/commits/{HEAD}/{what}?per_page=100") for what in ("check-runs", "status")
    ]


def test_statuses_of_other_services_are_checks_too():
    hub = GitHub()
    hub.checks("success")
    hub.api["status"] = {"statuses": [{"context": "ci/other", "state": "failure"}]}

    assert PullRequests(executor=hub).see(address_of(URL)).seen.checks == "fail"


def test_more_checks_than_a_page_holds_are_not_all_known():
    hub = GitHub()
    hub.checks("success")
    hub.api["check-runs"]["total_count"] = 101

    assert PullRequests(executor=hub).see(address_of(URL)).seen.checks == "pending"


def test_checks_that_a_key_may_not_read_one_way_are_read_the_other():
    hub = GitHub(statusCheckRollup=[{"status": "COMPLETED", "conclusion": "SUCCESS"}, {"state": "PENDING"}])
    hub.refuses = {"check-runs"}
    assert PullRequests(executor=hub).see(address_of(URL)).seen.checks == "pending"

    hub.refuses |= {"statusCheckRollup"}
    with pytest.raises(ValueError, match=r"api .repos/ada/tool/commits/a+/check-runs.*Not Found"):
        PullRequests(executor=hub).see(address_of(URL))


def test_another_host_is_asked_by_its_name():
    hub = GitHub()
    PullRequests(executor=hub).see(address_of("https://git.example/ada/tool/pull/12"))

    assert hub.asked[1][2:] == ("--hostname", "git.example")


@pytest.mark.parametrize(
    ("view", "api"),
    [
        ({"state": "LOST"}, {}),
        ({"state": "MERGED", "mergedAt": None}, {}),
        ({"state": "MERGED", "mergedAt": "2026-04-27T12:00:00"}, {}),
        ({"state": "MERGED", "mergedAt": 5}, {}),
        ({"createdAt": "yesterday"}, {}),
        ({"headRefOid": "main", "statusCheckRollup": 5}, {}),
        ({}, {"check-runs": "no JSON"}),
        ({}, {"check-runs": {"check_runs": [{"status": "completed", "conclusion": "fine"}]}}),
        ({}, {"status": {"statuses": {}}}),
        ({}, {"check-runs": "[" * 100_000}),
    ],
)
def test_what_gh_does_not_say_leaves_the_impact_unknown(place, view, api):
    hub = GitHub(**view)
    hub.api |= api

    impact = evaluator(hub, 5.0).judge(place, result())

    assert (impact.usd, impact.attested_by, impact.pull_request) == (None, None, None)
    assert impact.note.startswith("gh ")


def test_without_gh_the_impact_is_unknown(place):
    nowhere = PullRequestEvaluator("evaluator:ci", 50.0, None, REPOSITORY, PullRequests(program="no-such-gh"))

    assert "could not start" in nowhere.judge(place, result()).note


# --- what it is worth


@pytest.mark.parametrize(
    ("state", "conclusions", "passed_usd", "usd"),
    [
        ("MERGED", ["success"], None, 50.0),
        ("MERGED", ["failure"], 5.0, 50.0),
        ("CLOSED", ["success"], 5.0, 0.0),
        ("OPEN", ["success"], None, None),
        ("OPEN", ["success"], 5.0, 5.0),
        ("OPEN", ["failure"], 5.0, 0.0),
        ("OPEN", ["failure"], None, None),
        ("OPEN", [None], 5.0, None),
        ("OPEN", [], 5.0, None),
    ],
)
def test_a_pull_request_is_worth_what_the_operator_said(place, state, conclusions, passed_usd, usd):
    hub = GitHub(state=state, createdAt=since(place, 5), closedAt=since(place, 20))
    hub.view["mergedAt"] = since(place, 20) if state == "MERGED" else None
    hub.checks(*conclusions)

    impact = evaluator(hub, passed_usd).judge(place, result())

    assert (impact.usd, impact.attested_by) == (usd, None if usd is None else "evaluator:ci")
    assert impact.pull_request is not None


@pytest.mark.parametrize(
    ("view", "said", "closed_by", "usd"),
    [
        ({"title": "[Merged by Bors] - Fix it"}, None, "Bot", 50.0),
        ({"labels": [{"name": "Merged"}]}, None, "User", 50.0),
        ({}, "Merged in 1234abc.", "Bot", 50.0),
        ({}, "Landed as 1234abc", "Bot", 50.0),
        ({}, "Pull request successfully merged into main.\n\nBuild succeeded:", "Bot", 50.0),
        ({}, "This pull request has been merged in 1234abc.", "Bot", 50.0),
        ({}, "This could not be merged into main: conflicts.", "Bot", None),
        ({}, "This was not merged in time.", "Bot", None),
        ({}, "Closed as stale.", "Bot", None),
        ({}, None, "Bot", None),
        ({}, None, "User", 0.0),
    ],
)
def test_a_bot_that_closes_counts_by_what_it_says(place, view, said, closed_by, usd):
    comments = [{"author": {"login": "merge-bot"}, "body": said, "createdAt": since(place, 19)}] if said else []
    hub = GitHub(state="CLOSED", createdAt=since(place, 5), closedAt=since(place, 20), comments=comments, **view)
    hub.api["issues/12"] = {"closed_by": {"login": "somebody", "type": closed_by}}

    assert evaluator(hub).judge(place, result()).usd == usd


def test_what_a_person_says_or_a_bot_said_long_before_lands_nothing(place):
    old = {"author": {"login": "merge-bot"}, "body": "Merged in 1234abc", "createdAt": since(place, -9_000)}
    person = {"author": {"login": "ada"}, "body": "Merged in 1234abc", "createdAt": since(place, 20)}
    hub = GitHub(state="CLOSED", createdAt=since(place, 5), closedAt=since(place, 20), comments=[old, person])

    assert evaluator(hub).judge(place, result()).usd == 0.0


@pytest.mark.parametrize(
    ("message", "usd"),
    [
        (f'Revert "Fix it"\n\nThis reverts commit {MERGED_AS}.', 0.0),
        ('Revert "Fix it" (#13)\n\nReverts ada/tool#12', 0.0),
        ("Another fix (#13)", 50.0),
        ("Reverts other/tool#12", 50.0),
    ],
)
def test_what_was_reverted_is_worth_nothing(place, message, usd):
    hub = GitHub(state="MERGED", createdAt=since(place, 5), mergedAt=since(place, 9), mergeCommit={"oid": MERGED_AS})
    hub.api["commits"] = [{"commit": {"message": "first"}}, {"commit": {"message": message}}]

    assert evaluator(hub).judge(place, result()).usd == usd


# --- whose it is


def test_a_pull_request_of_another_repository_merged_years_ago_is_worth_nothing(place):
    hub = GitHub(state="MERGED", createdAt="2021-01-01T00:00:00Z", mergedAt="2021-01-02T00:00:00Z")
    other = "https://github.com/torvalds/linux/pull/1"
    place.pull_request_file.unlink()

    impact = evaluator(hub).judge(place, result(stdout=f"as in {other}"))

    assert (impact.usd, hub.asked) == (None, [])
    assert impact.note == f"no pull request: {other} is not of the task's repository (ada/tool)"


@pytest.mark.parametrize(
    ("created", "pushed", "merged", "why"),
    [
        (5, 5, None, None),
        (-900, 5, None, None),  # an older one, which the run pushed to
        (-900, None, None, "was neither opened nor pushed to by the run"),
        (-900, -800, 9, "was neither opened nor pushed to by the run"),
        (900, 900, None, "was neither opened nor pushed to by the run"),
        (5, 5, 9, None),
        (5, 5, 9_000, None),  # long after
        (-900, 5, -1, "was merged before the run began"),
        (-1, None, None, None),  # by another machine's clock
        (None, None, None, "was neither opened nor pushed to by the run"),
    ],
)
def test_only_what_the_run_opened_or_pushed_to_is_its_own(created, pushed, merged, why):
    times = [
        None if minutes is None else BEGAN_AT + timedelta(minutes=minutes) for minutes in (created, pushed, merged)
    ]
    seen = SeenPullRequest(URL, "open" if merged is None else "merged", "none", times[2])

    assert not_of_the_run(Facts(seen, times[0], times[1]), BEGAN_AT, BEGAN_AT + timedelta(minutes=10)) == why


def test_of_several_that_a_run_names_its_own_counts(place):
    """It names one of another repository after its own, which is not asked about."""
    hub = GitHub(state="MERGED", createdAt=since(place, 5), mergedAt=since(place, 9))
    place.pull_request_file.write_text(f"{URL}\nsee https://github.com/other/tool/pull/3\n")

    assert evaluator(hub).judge(place, result()).usd == 50.0


@pytest.mark.parametrize(
    ("task", "repositories"),
    [
        ({"payload": {"repository": "Ada/Tool"}}, {"ada/tool"}),
        ({"payload": {"url": "https://github.com/ada/tool/issues/5"}}, {"ada/tool"}),
        ({"payload": {"pull_request": "fix https://github.com/ada/tool/pull/12"}}, {"ada/tool"}),
        ({"payload": {"repository": "git@github.com:ada/tool.git", "url": "x"}}, {"ada/tool"}),
        ({"payload": {}, "task_id": "ada/tool#5"}, {"ada/tool"}),
        ({"payload": {"repository": 5, "url": None}}, set()),
    ],
)
def test_a_task_says_which_repository_it_is_about(task, repositories):
    assert repositories_of(ASSIGNMENT._replace(**task)) == repositories


@pytest.mark.parametrize(
    "address", ["https://github.com/Ada/Tool.git", "git@github.com:ada/tool", "ssh://git@h/ada/tool"]
)
def test_else_the_runs_clone_says_it(tmp_path, address):
    place = placed(tmp_path)
    hub = GitHub(state="MERGED", createdAt=since(place, 5), mergedAt=since(place, 9))
    assert "name it by --repository" in evaluator(hub, repository=None).judge(place, result()).note

    (place.directory / "tool" / ".git").mkdir(parents=True)
    (place.directory / "tool" / ".git" / "config").write_text(f'[remote "origin"]\n\turl = {address}\n\tfetch = +x\n')

    assert repositories_in(place.directory) == {"ada/tool"}
    assert evaluator(hub, repository=None).judge(place, result()).usd == 50.0


def test_a_run_names_its_pull_request_in_its_file_its_task_or_its_output(tmp_path):
    place, silent = placed(tmp_path), Workplace.prepare(tmp_path, ASSIGNMENT)
    told = Workplace.prepare(tmp_path, ASSIGNMENT._replace(payload={"pull_request": f"fix {URL.replace('12', '13')}"}))

    assert [one.number for one in named_by(place, result(stdout=URL.replace("12", "13")))] == [12]
    assert [one.number for one in named_by(told, result(stdout=URL))] == [13]
    both = result(stdout=f"see {URL}\nopened {URL.replace('12', '14')}\nsee {URL}\n")
    assert [one.number for one in named_by(silent, both)] == [12, 14]


def test_a_run_that_names_none_is_not_asked_about(place):
    place.pull_request_file.unlink()

    impact = evaluator(GitHub()).judge(place, result(stdout="https://github.com/ada/tool/issues/1"))

    assert impact == Impact(None, note="no pull request: the run names none")


# --- nonsense

VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
NONSENSE = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


@given(data=st.data())
def test_any_answer_of_gh_is_understood_or_unknown(data, tmp_path_factory):
    now = datetime.now(UTC).isoformat()
    hub = GitHub(
        state=data.draw(st.sampled_from(["OPEN", "MERGED", "CLOSED"])), createdAt=now, closedAt=now, mergedAt=now
    )
    for _ in range(data.draw(st.integers(1, 3))):
        facts = data.draw(st.sampled_from([hub.view, hub.api]))
        facts[data.draw(st.sampled_from(sorted(facts)))] = data.draw(NONSENSE)
    place = Workplace(tmp_path_factory.getbasetemp(), ASSIGNMENT)

    impact = evaluator(hub, 5.0).judge(place, result(stdout=URL))

    assert impact.usd in (None, 0.0, 5.0, 50.0)
    assert (impact.usd is None) == (impact.attested_by is None)


@given(st.text() | st.from_regex(r"https?://[a-z.]+/[\w.-]+/[\w.-]+/pull/\d+"))
def test_any_text_may_name_pull_requests(text):
    assert all(address_of(address.url) == address for address in addresses_in(text))


@given(st.lists(st.sampled_from(["pass", "fail", "pending", "skipping"])))
def test_checks_pass_only_where_none_failed_and_none_runs(buckets):
    assert (checks_in_all(buckets) == "pass") == (set(buckets) - {"skipping"} == {"pass"})


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


def test_what_was_merged_later_is_attested_later_and_once(market):
    hub = GitHub()
    first, second = sold_run(market, "task-1"), sold_run(market, "task-2")
    for run_id in (first, second):
        runs.record_pull_request(run_id, URL, state="open", db=market)

    assert [one.note for one in revisit(evaluator(hub), db=market)] == ["not known yet", "not known yet"]
    merged_at = market.now()
    hub.view |= {"state": "MERGED", "mergedAt": merged_at.isoformat(), "mergeCommit": {"oid": MERGED_AS}}
    notes = {one.run_id: one.note for one in revisit(evaluator(hub), db=market)}

    assert notes == {first: "attested 50.00 USD", second: f"counts for {first}"}
    assert [one.actual_impact for one in compute_auction.list_clears(db=market) if one.slot_id == first] == [50.0]
    assert runs.list_pull_requests(first, db=market)[0].merged_at == merged_at
    assert revisit(evaluator(hub), merged_days=0, db=market) == []


def test_what_is_reverted_later_loses_its_worth(market):
    run_id = sold_run(market, "task-1")
    runs.record_pull_request(run_id, URL, state="open", db=market)
    hub = GitHub(state="MERGED", mergedAt=market.now().isoformat(), mergeCommit={"oid": MERGED_AS})

    assert [one.note for one in revisit(evaluator(hub), db=market)] == ["attested 50.00 USD"]
    assert [one.note for one in revisit(evaluator(hub), db=market)] == ["50.00 USD, as attested before"]
    hub.api["commits"] = [{"commit": {"message": f"This reverts commit {MERGED_AS}."}}]

    assert [one[2:] for one in revisit(evaluator(hub), db=market)] == [("reverted", "none", "attested 0.00 USD")]
    assert [one.actual_impact for one in compute_auction.list_clears(db=market)] == [0.0]


def test_checks_that_pass_later_are_attested_later(market):
    run_id = sold_run(market, "task-1")
    runs.record_pull_request(run_id, URL, state="open", checks="pending", db=market)
    hub = GitHub()
    hub.checks("success")

    assert [one.note for one in revisit(evaluator(hub, 5.0), db=market)] == ["attested 5.00 USD"]
    assert [one.state for one in runs.list_pull_requests(db=market)] == ["open"]
    hub.view |= {"state": "CLOSED", "closedAt": market.now().isoformat()}
    assert [one.note for one in revisit(evaluator(hub, 5.0), db=market)] == ["attested 0.00 USD"]


def test_what_cannot_be_seen_or_attested_is_looked_at_again(market):
    run_id = sold_run(market, "task-1")
    runs.record_pull_request(run_id, URL, state="open", db=market)
    hub = GitHub(state="MERGED", mergedAt=market.now().isoformat())

    [refused] = revisit(PullRequestEvaluator("ada", 50.0, pull_requests=PullRequests(executor=hub)), db=market)
    hub.refuses = {"view"}
    [unseen] = revisit(evaluator(hub), db=market)

    assert refused.note.startswith("not attested: ")
    assert unseen.note.startswith("not seen: gh ")
    assert [one.state for one in runs.list_pull_requests(db=market)] == ["open"]


def test_a_bot_that_says_nothing_is_looked_at_again(market):
    runs.record_pull_request(sold_run(market, "task-1"), URL, state="open", db=market)
    hub = GitHub(state="CLOSED", closedAt=market.now().isoformat())
    hub.api["issues/12"] = {"closed_by": {"login": "merge-bot", "type": "Bot"}}

    [seen] = revisit(evaluator(hub), db=market)

    assert seen.note == "closed by a bot that does not say whether it was merged"
    assert [one.state for one in runs.list_pull_requests(db=market)] == ["open"]


def test_the_program_gh_is_run_as_a_command(place, tmp_path, monkeypatch):
    hub = GitHub(state="MERGED", createdAt=since(place, 5), mergedAt=since(place, 9))
    install(hub, tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")

    assert PullRequestEvaluator("evaluator:ci", 50.0, repository=REPOSITORY).judge(place, result()).usd == 50.0


# --- exit codes


def test_an_exit_code_is_worth_a_fixed_sum(place):
    assert ExitCodeEvaluator("evaluator:ci", 3.0).judge(place, result()) == Impact(3.0, "evaluator:ci")


@pytest.mark.parametrize("program", ["aider", "/usr/bin/codex", "openhands"])
def test_a_program_whose_exit_code_proves_nothing_is_warned_of(program):
    assert "ends with 0" in (warning_for((program, "--yes")) or "")


def test_other_programs_are_not_warned_of():
    assert warning_for(("pytest",)) is None
    assert warning_for(()) is None
