"""What real backlogs hold beside plain open work, kind by kind, and that no bytes make an importer fall over."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scidex.errors import ImportRefused
from scidex.exchange import backlog, ev_scorer, token_ledger
from scidex.exchange.backlog_import import FORMATS, import_by, import_tasks
from scidex.exchange.quests.importers.beads import read_beads
from scidex.exchange.quests.importers.gh_issues import read_gh_issues
from scidex.exchange.quests.importers.issues import read_jira, read_linear, read_taskwarrior, read_todo_txt
from scidex.exchange.quests.importers.native import read_jsonl
from scidex.exchange.quests.importers.options import ReadOptions
from scidex.exchange.quests.importers.statuses import Statuses
from scidex.exchange.quests.importers.values import ValueOf
from scidex.mechanism.dependencies import in_order
from scidex.records import Imported
from tests.backlogs import statuses
from tests.market import NOON, after

REAL_BEADS = Path(__file__).parents[4] / "shared" / "cases" / "beads"


def lines(*rows):
    return "\n".join(json.dumps(row) for row in rows) + "\n"


def bead(name="eng-1", **fields):
    return {"id": name, "title": name, "status": "open", "priority": 2, "issue_type": "task", **fields}


def edge(to, kind="blocks"):
    return {"depends_on_id": to, "type": kind}


def by_name(rows):
    return {task["task_id"]: task for task in rows.tasks}


def states(rows):
    return {name: task.get("status", "open") for name, task in by_name(rows).items()}


# --- beads: records that are not work


@pytest.mark.parametrize(
    "record",
    [
        {"_type": "memory", "key": "build", "value": "make"},
        {"_schema": "beads/2", "exported_at": "2026-01-01"},
        bead("eng-2", issue_type="agent"),
        bead("eng-2", issue_type="event"),
        bead("eng-2", issue_type="molecule"),
        bead("eng-2", issue_type="rig"),
        bead("eng-2", is_template=True),
        bead("eng-2", status="tombstone"),
    ],
)
def test_what_is_not_work_is_passed_over_and_counted(record):
    read = read_beads(lines(bead(), record))

    assert list(by_name(read)) == ["eng-1"]
    assert sum(read.passed_over.values()) == 1
    assert read.reports == []


# --- beads: statuses


@pytest.mark.parametrize(("word", "status"), [("closed", "done"), ("completed", "done"), ("in_progress", "running")])
def test_words_that_are_known_say_what_they_mean(word, status):
    assert states(read_beads(lines(bead(status=word)))) == {"eng-1": status}


def test_a_status_of_a_projects_own_holds_that_task_alone():
    read = read_beads(lines(bead(status="pending_review"), bead("eng-2")))

    assert states(read) == {"eng-1": "held", "eng-2": "open"}
    assert by_name(read)["eng-1"]["status_reason"] == 'its source says "pending_review"'


def test_a_table_says_what_a_projects_own_words_mean():
    table = {"Pending-Review": "open", "shipped": "done"}
    read = read_beads(
        lines(bead(status="pending_review"), bead("eng-2", status="Shipped")), ReadOptions(status_table=table)
    )

    assert states(read) == {"eng-1": "open", "eng-2": "done"}


@given(st.text(max_size=30))
def test_no_word_is_taken_to_mean_open_unless_it_is_known(word):
    fields = Statuses(None).fields(word)

    assert fields["status"] in ("open", "done", "running", "held")
    if fields["status"] == "open" and word:
        assert Statuses({}).fields(word) == Statuses(None).fields(word.upper()) or not word.isascii()


@pytest.mark.parametrize(
    "fields", [{"defer_until": "2026-06-01T00:00:00Z"}, {"pinned": True}, {"status": "deferred"}, {"status": "blocked"}]
)
def test_what_is_put_off_pinned_or_blocked_by_hand_is_held(fields):
    assert states(read_beads(lines(bead(**fields)), ReadOptions(now=NOON))) == {"eng-1": "held"}


def test_what_was_deferred_until_now_is_open():
    assert states(read_beads(lines(bead(defer_until="2026-05-01T11:00:00Z")), ReadOptions(now=NOON))) == {
        "eng-1": "open"
    }


# --- beads: what keeps waiting


def test_an_edge_to_another_backlog_holds_its_bead_and_is_reported():
    read = read_beads(lines(bead(dependencies=[edge("external:api:login-v2")]), bead("eng-2")))

    assert states(read) == {"eng-1": "held", "eng-2": "open"}
    assert [(report.line, report.left_out) for report in read.reports] == [(1, False)]


def test_an_edge_to_a_deleted_bead_is_dropped_and_reported():
    read = read_beads(lines(bead(dependencies=[edge("eng-2")]), bead("eng-2", status="tombstone")))

    assert (states(read), by_name(read)["eng-1"]["depends_on"]) == ({"eng-1": "open"}, [])
    assert "is deleted: dropped" in read.reports[0].fact


def test_an_edge_to_an_open_gate_holds_and_to_a_closed_one_does_not():
    gates = [bead("eng-8", issue_type="gate"), bead("eng-9", issue_type="gate", status="closed")]
    read = read_beads(
        lines(*gates, bead("eng-1", dependencies=[edge("eng-8")]), bead("eng-2", dependencies=[edge("eng-9")]))
    )

    assert states(read) == {"eng-1": "held", "eng-2": "open"}


def test_an_edge_that_cannot_be_read_holds_its_bead():
    assert states(read_beads(lines(bead(dependencies=[5]), bead("eng-2", dependencies="eng-1")))) == {
        "eng-1": "held",
        "eng-2": "held",
    }


def test_the_blockers_of_a_parent_hold_its_children_and_theirs():
    read = read_beads(
        lines(
            bead("eng-1", issue_type="epic"),
            bead("eng-2", issue_type="epic", dependencies=[edge("eng-1")]),
            bead("eng-2.1", issue_type="epic", dependencies=[edge("eng-2", "parent-child")]),
            bead("eng-2.1.1", dependencies=[edge("eng-2.1", "parent-child")]),
        )
    )

    assert {name: task["depends_on"] for name, task in by_name(read).items()} == {
        "eng-1": [],
        "eng-2": ["eng-1"],
        "eng-2.1": ["eng-1"],
        "eng-2.1.1": ["eng-1"],
    }


def test_parents_in_a_circle_do_no_harm():
    read = read_beads(
        lines(
            bead("eng-1", dependencies=[edge("eng-2", "parent-child"), edge("eng-3")]),
            bead("eng-2", dependencies=[edge("eng-1", "parent-child")]),
            bead("eng-3"),
        )
    )

    assert by_name(read)["eng-2"]["depends_on"] == ["eng-3"]


def test_what_is_part_of_something_deferred_is_held():
    parts = [edge("eng-1", "parent-child")]
    read = read_beads(lines(bead("eng-1", status="deferred"), bead("eng-2", dependencies=parts)))

    assert states(read) == {"eng-1": "held", "eng-2": "held"}


def test_an_epic_with_open_children_is_a_group_and_bids_once_they_have_ended(db):
    child = bead("eng-2", dependencies=[edge("eng-1", "parent-child")])
    import_tasks(lines(bead("eng-1", issue_type="epic"), child), "beads", now=NOON, db=db)
    token_ledger.mint("quest:eng", 100_000, now=NOON, db=db)
    assert [task.task_id for task in ev_scorer.score_all(NOON, db=db)] == ["eng-2"]

    closed = child | {"status": "closed"}
    import_tasks(lines(bead("eng-1", issue_type="epic"), closed), "beads", now=after(1), db=db)
    assert [task.task_id for task in ev_scorer.score_all(after(1), db=db)] == ["eng-1"]


# --- beads: one project, one quest


@pytest.mark.parametrize(
    ("names", "quests"),
    [
        (["bee-fix-login-k3", "bee-add-search-p9", "bee-new-logo-q2", "ant-1", "ant-2", "ant-3"], {"bee", "ant"}),
        (["bd-0088", "bd-mol-1x", "bd-wisp-2", "bd-beads-crew-1"], {"bd"}),
        (["my-app-1", "my-app-2", "my-lib-1", "my-lib-2"], {"my-app", "my-lib"}),
        (["rust-db-004o", "rust-db-add-index-1", "rust-db-x.1.2"], {"rust-db"}),
        (["solo"], {"solo"}),
    ],
)
def test_one_project_is_one_quest_whatever_its_ids_look_like(names, quests):
    read = read_beads(lines(*map(bead, names)))

    assert {task["quest_id"] for task in read.tasks} == quests


# --- any backlog: one id twice, labels, priorities


def test_of_two_records_with_one_id_the_newer_counts():
    new = bead(status="closed", updated_at="2026-05-02T00:00:00Z")
    old = bead(status="open", updated_at="2026-05-01T00:00:00+05:00")

    assert states(read_beads(lines(new, old))) == states(read_beads(lines(old, new))) == {"eng-1": "done"}
    assert states(read_beads(lines(bead(), bead(status="closed")))) == {"eng-1": "done"}


@pytest.mark.parametrize("label", ["value: high", "value:", "value:-5", "value:nan", "value:1e400", "value:٣"])
def test_a_label_without_a_number_says_nothing_of_a_value(label):
    assert by_name(read_beads(lines(bead(labels=[label]))))["eng-1"]["expected_value_usd"] == 20.0


@pytest.mark.parametrize("label", ["estimate: S", "estimate:3 days", "tokens:many", "estimate:1.5", "tokens:-1"])
def test_a_label_without_a_whole_number_says_nothing_of_a_cost(label):
    assert "estimated_cost_tokens" not in by_name(read_beads(lines(bead(labels=[label]))))["eng-1"]


@pytest.mark.parametrize(("label", "usd"), [("value:50", 50.0), ("Value: $1,250.50", 1250.5), ("value:.5", 0.5)])
def test_a_label_with_a_number_says_the_value(label, usd):
    assert by_name(read_beads(lines(bead(labels=[label]))))["eng-1"]["expected_value_usd"] == usd


ORDERED = [
    ["lowest", "low", "medium", "high", "highest"],
    ["trivial", "minor", "normal", "major", "blocker"],
    ["P5", "P4", "P3", "P2", "P1", "P0"],
    ["priority: p5", "priority/low", "priority-medium", "prio:high", "priority:critical"],
    ["p12", "p4"],
    ["low-priority", "high priority"],
    ["very low", "very high"],
]


@pytest.mark.parametrize("words", ORDERED, ids=lambda words: words[0])
def test_no_spelling_of_a_priority_turns_the_order_round(words):
    value_of = ValueOf(None)
    for values in (
        [
            value_of.task("q", None, [word if "prio" in word or word[0] == "P" else f"priority:{word}"]).usd
            for word in words
        ],
        [value_of.task("q", word, []).usd for word in words],
    ):
        assert values == sorted(values)
        assert values[0] < values[-1] or words[0] == "p12"


@pytest.mark.parametrize("word", ["soonish", "not urgent", "non-critical", "☃"])
def test_an_unknown_priority_counts_as_the_middle_one_and_is_reported(word):
    worth = ValueOf(None).task("q", word, [])
    assert (worth.usd, bool(worth.unread)) == (20.0, True)

    read = read_jsonl(lines({"task_id": "a", "quest_id": "q", "priority": word}))
    assert [(report.field, report.left_out) for report in read.reports] == [("priority", False)]


@given(
    st.one_of(st.text(max_size=20), st.integers(), st.floats(), st.none()), st.lists(st.text(max_size=15), max_size=3)
)
def test_any_priority_and_labels_have_a_value_within_bounds(priority, labels):
    assert 0 <= ValueOf(None).task("q", priority, labels).usd <= 1e15


# --- GitHub


def issue(number=1, **fields):
    return {
        "number": number,
        "title": "t",
        "url": f"https://github.com/ada/engine/issues/{number}",
        "labels": [],
        **fields,
    }


def test_an_issue_that_was_reopened_is_open_again(db):
    for state, status in (("OPEN", "open"), ("CLOSED", "done"), ("OPEN", "open")):
        import_tasks(json.dumps([issue(state=state)]), "gh", now=NOON, db=db)
        assert statuses(db) == {"ada/engine#1": status}


def test_blockers_are_read_of_gh_and_of_the_rest_api():
    by_gh = issue(
        1, blockedBy={"nodes": [{"number": 2, "url": "https://github.com/ada/engine/issues/2", "state": "OPEN"}]}
    )
    by_rest = {
        "number": 3,
        "title": "r",
        "html_url": "https://github.com/ada/engine/issues/3",
        "url": "https://api.github.com/repos/ada/engine/issues/3",
        "state": "open",
        "blocked_by": [{"number": 2, "html_url": "https://github.com/ada/engine/issues/2", "state": "open"}],
    }
    read = read_gh_issues(json.dumps([by_gh, issue(2), by_rest]))

    assert {name: task["depends_on"] for name, task in by_name(read).items()} == {
        "ada/engine#1": ["ada/engine#2"],
        "ada/engine#2": [],
        "ada/engine#3": ["ada/engine#2"],
    }


def test_an_open_blocker_outside_the_list_holds_and_a_closed_one_does_not():
    outside = {"number": 9, "url": "https://github.com/bob/lib/issues/9"}
    read = read_gh_issues(
        json.dumps(
            [issue(1, blockedBy=[{**outside, "state": "OPEN"}]), issue(2, blockedBy=[{**outside, "state": "CLOSED"}])]
        )
    )

    assert states(read) == {"ada/engine#1": "held", "ada/engine#2": "open"}


def test_pull_requests_of_the_rest_api_are_not_work():
    read = read_gh_issues(json.dumps([issue(1), issue(2, pull_request={"url": "x"})]))

    assert (list(by_name(read)), read.passed_over) == (["ada/engine#1"], {"pull request": 1})


def test_a_body_comes_whole_or_says_that_it_was_cut():
    read = read_gh_issues(json.dumps([issue(1, body="x" * 65_536), issue(2, body="y" * 70_000)]))

    assert [len(task["payload"]["body"]) for task in read.tasks] == [65_536, 65_536]
    assert ["70,000 characters and is cut" in report.fact for report in read.reports] == [True]


# --- other trackers


def test_linears_export_is_read_by_its_columns():
    text = (
        "ID,Team,Title,Description,Status,Estimate,Priority,Project,Labels,Due Date,Parent issue,Blocked by\n"
        'ENG-1,Eng,Epic,"Two\nlines",Backlog,,No priority,Search,,,,\n'
        'ENG-2,Eng,Index,,In Progress,3,Urgent,Search,"bug, value:70",2026-06-01,ENG-1,\n'
        "ENG-3,Eng,Query,,Todo,,Low,,,,ENG-1,ENG-2\n"
        "ENG-4,Eng,Gone,,Canceled,,High,,,,,\n"
        "ENG-5,Eng,Odd,,In Review,,High,,,,,ENG-99\n"
    )
    read = read_linear(text)
    found = by_name(read)

    assert states(read) == {"ENG-1": "open", "ENG-2": "running", "ENG-3": "open", "ENG-4": "done", "ENG-5": "held"}
    assert (found["ENG-1"]["kind"], found["ENG-3"]["depends_on"]) == ("group", ["ENG-2"])
    assert [found[name]["expected_value_usd"] for name in ("ENG-1", "ENG-2", "ENG-3")] == [20.0, 70.0, 10.0]
    assert found["ENG-2"]["deadline_at"] == datetime(2026, 6, 2, tzinfo=UTC)
    assert (found["ENG-2"]["quest_id"], found["ENG-3"]["quest_id"]) == ("Search", "Eng")
    assert found["ENG-2"]["payload"]["estimate_points"] == "3"
    assert "ENG-99" in found["ENG-5"]["status_reason"]


def test_jiras_export_is_read_by_its_columns_some_of_which_repeat():
    text = (
        "Summary;Issue key;Issue id;Issue Type;Status;Project key;Priority;Labels;Labels;"
        "Inward issue link (Blocks);Inward issue link (Blocks);Parent\n"
        "Epic;WEB-1;100;Epic;To Do;WEB;Highest;;;;;\n"
        "Part;WEB-2;101;Story;Selected for Development;WEB;Lowest;a;value:5;WEB-3;WEB-4;100\n"
        "Blocker;WEB-3;102;Bug;Done;WEB;High;;;;;\n"
        "Other;WEB-4;103;Bug;Code Freeze;WEB;Medium;;;;;\n"
    )
    read = read_jira(text)
    found = by_name(read)

    assert states(read) == {"WEB-1": "open", "WEB-2": "open", "WEB-3": "done", "WEB-4": "held"}
    assert (found["WEB-1"]["kind"], found["WEB-2"]["depends_on"]) == ("group", ["WEB-3", "WEB-4"])
    assert (found["WEB-1"]["expected_value_usd"], found["WEB-2"]["expected_value_usd"]) == (100.0, 5.0)


def test_a_table_without_the_columns_that_are_needed_is_refused(db):
    for kind in ("linear", "jira"):
        with pytest.raises(ImportRefused, match="must be a column"):
            import_tasks("Key,Name\nA-1,x\n", kind, db=db)


def test_taskwarriors_export_is_read_by_its_fields():
    read = read_taskwarrior(
        json.dumps(
            [
                {"uuid": "a", "description": "one", "status": "pending", "priority": "H", "project": "home.garden"},
                {
                    "uuid": "b",
                    "description": "two",
                    "status": "pending",
                    "depends": ["a", "c"],
                    "due": "20260601T120000Z",
                },
                {"uuid": "c", "description": "three", "status": "completed"},
                {"uuid": "d", "description": "four", "status": "waiting", "wait": "20270101T000000Z"},
                {"uuid": "e", "description": "five", "status": "deleted"},
                {"uuid": "f", "description": "six", "status": "recurring"},
                {"uuid": "g", "description": "seven", "status": "pending", "depends": "a,b"},
            ]
        ),
        ReadOptions(now=NOON),
    )
    found = by_name(read)

    assert states(read) == {"a": "open", "b": "open", "c": "done", "d": "held", "g": "open"}
    assert (found["b"]["depends_on"], found["g"]["depends_on"]) == (["a"], ["a", "b"])
    assert (found["a"]["expected_value_usd"], found["a"]["quest_id"]) == (50.0, "home.garden")
    assert found["b"]["deadline_at"] == datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert read.passed_over == {"deleted": 1, "recurring": 1}


def test_a_todo_txt_is_read_line_by_line():
    text = (
        "(A) 2026-05-01 Call the press +launch @phone id:1\n"
        "\n"
        "x 2026-05-02 2026-05-01 Write it +launch id:2 pri:B\n"
        "Print it +launch dep:1,2 value:30 due:2026-06-01 http://example.org/a:b\n"
        "Later t:2027-01-01 id:4\n"
    )
    read = read_todo_txt(text, ReadOptions(now=NOON))
    found = by_name(read)
    printed = next(task for name, task in found.items() if name.startswith("todo-"))

    assert [found[name]["status"] for name in ("1", "2", "4")] == ["open", "done", "held"]
    assert (found["1"]["expected_value_usd"], found["2"]["expected_value_usd"]) == (100.0, 50.0)
    assert (printed["depends_on"], printed["expected_value_usd"]) == (["1", "2"], 30.0)
    assert printed["deadline_at"] == datetime(2026, 6, 2, tzinfo=UTC)
    assert {found["1"]["quest_id"], found["4"]["quest_id"]} == {"launch", "todo"}


# --- into a market


def test_a_big_backlog_goes_in_parts_and_says_how_far_it_is():
    rows = [
        {"task_id": f"t{n:04}", "quest_id": "q1", "depends_on": [f"t{n + 1:04}"] if n < 999 else []}
        for n in range(1_000)
    ]
    put: list[list[str]] = []
    told = []

    class Target:
        def put_tasks(self, tasks, *, quests):
            known = {name for part in put for name in part} | {task["task_id"] for task in tasks}
            assert all(set(task["depends_on"]) <= known for task in tasks)
            put.append([task["task_id"] for task in tasks])
            return Imported(len(tasks), 0, 0)

    imported = import_by(
        Target(), lines(*rows), "jsonl", quest_id=None, value_table=None, repo=None, now=NOON, most_tasks=300,
        most_bytes=10_000, progress=lambda done, of: told.append((done, of)),
    )  # fmt: skip
    assert imported.added == 1_000
    assert max(map(len, put)) <= 300
    assert told[-1] == (1_000, 1_000)
    assert len(told) == len(put) > 4


@pytest.mark.skipif(not REAL_BEADS.is_dir(), reason="the structures of real files are not beside the project")
@pytest.mark.parametrize(
    ("name", "tasks", "open_tasks", "quests"),
    [
        ("beads-events", 53, 2, 1),
        ("beads-agents-and-molecules", 1_513, 66, 1),
        ("beads-own-statuses", 439, 172, 1),
        ("beads-parents-blocked", 114, 2, 1),
        ("beads-slug-ids", 497, 2, 1),
        ("beads-large-ok", 885, 6, 2),
    ],
)
def test_real_beads_come_in(db, name, tasks, open_tasks, quests):
    imported = import_tasks(REAL_BEADS / f"{name}.jsonl", "beads", now=NOON, db=db)

    assert (imported.added, imported.left_out) == (tasks, 0)
    assert sum(counts.get("open", 0) for counts in backlog.count_tasks(db=db).values()) == open_tasks
    assert len(backlog.list_quests(db=db)) == quests


# --- circles


@given(st.dictionaries(st.integers(0, 9).map(str), st.lists(st.integers(0, 9).map(str), max_size=3), max_size=10))
def test_each_task_follows_what_it_waits_for_unless_it_is_in_a_circle(waits):
    order, circles = in_order(waits)
    place = {name: index for index, name in enumerate(order)}
    circle_of = {name: circle for circle in circles for name in circle}

    assert sorted(order) == sorted(waits)
    for name, needed in waits.items():
        for one in needed:
            if one in waits and circle_of.get(name, name) != circle_of.get(one, one):
                assert place[one] < place[name]
    for name, circle in circle_of.items():
        assert name in circle


def test_a_chain_longer_than_pythons_stack_is_put_in_order():
    waits = {str(n): [str(n + 1)] for n in range(50_000)}

    assert in_order(waits)[0][0] == "49999"


# --- anything at all

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        *(
            "id",
            "task_id",
            "quest_id",
            "title",
            "status",
            "priority",
            "labels",
            "dependencies",
            "depends_on",
            "issue_type",
        ),
        *(
            "number",
            "url",
            "state",
            "blockedBy",
            "body",
            "uuid",
            "depends",
            "wait",
            "due",
            "tags",
            "project",
            "payload",
        ),
        *("deadline_at", "parent", "defer_until", "pinned", "updated_at", "_type"),
    ]
)
RECORDS = st.lists(st.dictionaries(FIELDS, JSON | st.sampled_from(["a", "a-1", "b-2", 1, 2]), max_size=8), max_size=6)


@pytest.mark.parametrize("kind", sorted(FORMATS))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_a_text_holds_it_is_read_or_reported(kind, data):
    records = data.draw(RECORDS)
    text = data.draw(
        st.sampled_from([json.dumps(records), lines(*records), ",".join(map(str, records)) + "\n"])
        | st.text(max_size=200)
        | st.binary(max_size=100).map(lambda raw: raw.decode("latin-1"))
    )
    read = FORMATS[kind](text, ReadOptions(quest_id=data.draw(st.none() | st.just("q")), now=NOON))

    names = [task["task_id"] for task in read.tasks]
    assert len(names) == len(set(names)) == len(read.lines)
    assert all(0 <= task.get("expected_value_usd", 0) <= 1e15 for task in read.tasks)
    assert all(report.line >= 1 and report.fact for report in read.reports)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_was_read_can_be_put(shared_market, data):
    kind = data.draw(st.sampled_from(sorted(FORMATS)))
    text = data.draw(RECORDS.map(json.dumps) | RECORDS.map(lambda records: lines(*records)))
    try:
        imported = import_tasks(f"{text}\n", kind, quest_id="q", now=NOON, db=shared_market)
    except ImportRefused:
        return

    assert imported.added + imported.updated + imported.unchanged <= len(text)


@pytest.fixture(scope="module")
def shared_market():
    from scidex.exchange import compute_auction
    from scidex.store import connect

    with connect("sqlite:///:memory:") as market:
        compute_auction.ensure_schema(db=market)
        yield market
