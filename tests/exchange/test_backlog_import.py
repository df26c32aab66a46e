"""Other backlogs come in; again, they are updated; what cannot be read is left out and reported by line and field."""

from __future__ import annotations

import json

import pytest

from scidex.errors import ImportRefused, InvalidArgument
from scidex.exchange import backlog
from scidex.exchange.backlog_import import import_tasks
from scidex.exchange.quests.importers.beads import read_beads
from scidex.exchange.quests.importers.gh_issues import read_gh_issues
from scidex.exchange.quests.importers.native import read_csv, read_jsonl
from scidex.exchange.quests.importers.options import ReadOptions
from tests.backlogs import statuses
from tests.market import NOON, after
from tests.raw_sql import contents


def lines(*rows):
    return "\n".join(json.dumps(row) for row in rows) + "\n"


def faults(read, text, **options):
    """Each line that reading a text leaves out, as (line, field)."""
    return [(report.line, report.field) for report in read(text, ReadOptions(**options)).reports if report.left_out]


def counts(imported):
    return (imported.added, imported.updated, imported.unchanged)


ISSUE = {
    "number": 7,
    "title": "Crash on empty input",
    "body": "It crashes.",
    "labels": [{"id": "x", "name": "bug", "color": "d73a4a"}, {"id": "y", "name": "value:50"}],
    "milestone": {"number": 1, "title": "1.0", "dueOn": None},
    "state": "OPEN",
    "url": "https://github.com/ada/engine/issues/7",
    "updatedAt": "2026-05-01T10:00:00Z",
}
BEAD = {
    "id": "eng-a1b2",
    "title": "Index the store",
    "description": "It is slow.",
    "status": "open",
    "priority": 1,
    "issue_type": "task",
    "estimated_minutes": 30,
    "labels": [],
    "created_at": "2026-05-01T10:00:00Z",
}


# --- JSON Lines


def test_json_lines_are_tasks_and_quests_by_their_fields():
    read = read_jsonl(
        lines(
            {"quest_id": "q1", "title": "Audit", "priority": 3},
            {"task_id": "a", "quest_id": "q1", "expected_value_usd": 5, "payload": {"x": 1}},
            {"task_id": "b", "quest_id": "q1", "depends_on": ["a"], "deadline_at": "2026-05-01T13:00:00+01:00"},
        )
    )

    assert read.quests == [{"quest_id": "q1", "title": "Audit", "priority": 3}]
    assert read.tasks == [
        {"task_id": "a", "quest_id": "q1", "expected_value_usd": 5, "payload": {"x": 1}},
        {"task_id": "b", "quest_id": "q1", "depends_on": ["a"], "deadline_at": NOON},
    ]
    assert read.lines == [2, 3]


def test_blank_lines_a_byte_order_mark_and_carriage_returns_do_no_harm():
    assert [
        task["task_id"] for task in read_jsonl('\ufeff\r\n{"task_id":"a"}\r\n\r\n', ReadOptions(quest_id="q1")).tasks
    ] == ["a"]
    assert read_jsonl("").tasks == []


def test_a_quest_is_given_to_tasks_that_have_none():
    read = read_jsonl(lines({"task_id": "a"}, {"task_id": "b", "quest_id": "q2"}), ReadOptions(quest_id="q1"))

    assert [task["quest_id"] for task in read.tasks] == ["q1", "q2"]
    assert read.quests == [{"quest_id": "q1"}, {"quest_id": "q2"}]


@pytest.mark.parametrize(
    ("row", "usd"),
    [
        ({"expected_value_usd": 3.5, "labels": ["value:9"]}, 3.5),
        ({"labels": ["bug", "value: 12.5"]}, 12.5),
        ({"priority": 0}, 100.0),
        ({"labels": ["P1"]}, 50.0),
        ({"labels": ["priority:low"]}, 10.0),
        ({"priority": "high"}, 50.0),
        ({"labels": ["something"]}, 20.0),
    ],
)
def test_a_label_or_a_priority_tells_what_a_task_is_worth(row, usd):
    assert read_jsonl(lines({"task_id": "a", **row}), ReadOptions(quest_id="q1")).tasks[0]["expected_value_usd"] == usd


def test_a_task_that_says_nothing_of_its_worth_is_left_as_it_is():
    assert "expected_value_usd" not in read_jsonl(lines({"task_id": "a"}), ReadOptions(quest_id="q1")).tasks[0]


@pytest.mark.parametrize(
    ("table", "usd"),
    [
        ({"1": 7}, 7.0),
        ({1: 7}, 7.0),
        ({"q1": {"1": 8}, "*": {"1": 9}}, 8.0),
        ({"q2": {"1": 8}, "*": {"1": 9}}, 9.0),
        ({"bug": 30}, 30.0),
        ({"q2": {"1": 8}}, 50.0),
    ],
)
def test_a_table_for_each_quest_turns_priority_into_value(table, usd):
    text = lines({"task_id": "a", "quest_id": "q1", "priority": 1, "labels": ["bug"]})

    assert read_jsonl(text, ReadOptions(value_table=table)).tasks[0]["expected_value_usd"] == usd


@pytest.mark.parametrize("table", [{"1": -1}, {"1": "many"}, {"1": float("nan")}, ["1"]])
def test_a_table_that_makes_no_sense_is_refused(table):
    with pytest.raises(InvalidArgument, match="value_table"):
        read_jsonl("", ReadOptions(value_table=table))


def test_every_fault_of_json_lines_is_told_with_its_line_and_field():
    text = "\n".join(
        [
            '{"task_id": "a", "quest_id": "q1"}',
            "{nonsense",
            '{"task_id": "b"}',
            '{"task_id": "c", "quest_id": "q1", "expected_value_usd": "many", "colour": "red"}',
            '{"task_id": "d", "quest_id": "q1", "expected_value_usd": NaN}',
            '{"task_id": "e", "quest_id": "q1", "task_id": "f"}',
            "[1]",
            '{"task_id": "g", "quest_id": "q1", "deadline_at": "soon"}',
            '{"task_id": "h", "quest_id": "q1", "labels": "bug"}',
            '{"task_id": "i", "quest_id": "q1", "payload": {"x": 1e999}}',
            '{"title": "no quest"}',
            '{"task_id": "j", "quest_id": "q1", "labels": [5]}',
            '{"task_id": "k", "quest_id": "q1", "x": ' + "[" * 100_000 + "}",
        ]
    )

    assert faults(read_jsonl, text) == [
        (2, "line"),
        (3, "quest_id"),
        (4, "colour"),
        (4, "expected_value_usd"),
        (5, "line"),
        (6, "line"),
        (7, "line"),
        (8, "deadline_at"),
        (9, "labels"),
        (10, "payload"),
        (11, "quest_id"),
        (12, "labels"),
        (13, "line"),
    ]


def test_a_text_of_which_nothing_can_be_read_is_refused_where_and_what(db):
    with pytest.raises(ImportRefused, match="1 faults, so nothing was imported; line 1, quest_id: is missing"):
        import_tasks('{"task_id": "a"}', "jsonl", db=db)


# --- CSV


def test_a_table_is_read_by_the_names_of_its_columns():
    read = read_csv(
        "task_id,quest_id,title,expected_value_usd,depends_on,payload,estimated_cost_tokens\r\n"
        'a,q1,"A, with a comma",2.5,,"{""x"": [1]}",\r\n'
        "\r\n"
        "b,q1,B,,a; c,,700\r\n"
    )

    assert read.tasks == [
        {
            "task_id": "a",
            "quest_id": "q1",
            "title": "A, with a comma",
            "expected_value_usd": 2.5,
            "payload": {"x": [1]},
        },
        {"task_id": "b", "quest_id": "q1", "title": "B", "depends_on": ["a", "c"], "estimated_cost_tokens": 700},
    ]
    assert read.lines == [2, 4]


def test_a_row_is_told_by_its_first_line():
    text = 'task_id,quest_id,payload\na,q1,"{""x"":\n1}"\nb,q1,oops\n'

    assert faults(read_csv, text) == [(4, "payload")]


def test_every_fault_of_a_table_is_told_with_its_line_and_field():
    text = (
        "task_id,quest_id,expected_value_usd,estimated_cost_tokens,payload\n"
        "a,q1,many,1.5,{\n"
        "b,,,,\n"
        "c,q1,1_000,,\n"
        "d,q1,1,2,{},extra\n"
        "e,q1,inf,,[1]\n"
    )

    assert faults(read_csv, text) == [
        (2, "estimated_cost_tokens"),
        (2, "expected_value_usd"),
        (2, "payload"),
        (3, "quest_id"),
        (4, "expected_value_usd"),
        (5, "line"),
        (6, "expected_value_usd"),
        (6, "payload"),
    ]


@pytest.mark.parametrize("text", ["task_id,task_id\na,b\n", "task_id,\na,b\n", 'task_id\n"a', "task_id\na\x00\n"])
def test_what_is_no_table_is_refused(text, db):
    with pytest.raises(ImportRefused):
        import_tasks(text, "csv", quest_id="q1", db=db)


def test_an_empty_table_has_no_tasks():
    assert read_csv("").tasks == read_csv("task_id,quest_id\n").tasks == []


# --- GitHub issues


def test_an_issue_is_a_task_of_its_repository():
    [task] = read_gh_issues(json.dumps([ISSUE])).tasks

    assert task == {
        "task_id": "ada/engine#7",
        "quest_id": "ada/engine",
        "title": "Crash on empty input",
        "status": "open",
        "expected_value_usd": 50,
        "payload": {
            "source": "gh",
            "repo": "ada/engine",
            "number": 7,
            "url": "https://github.com/ada/engine/issues/7",
            "labels": ["bug", "value:50"],
            "milestone": "1.0",
            "body": "It crashes.",
        },
        "depends_on": [],
    }


def test_labels_tell_the_quest_the_cost_and_the_priority():
    labels = [{"name": "quest:perf"}, {"name": "tokens:1200"}, {"name": "priority/critical"}]
    [task] = read_gh_issues(json.dumps([{**ISSUE, "labels": labels}])).tasks

    assert (task["quest_id"], task["estimated_cost_tokens"], task["expected_value_usd"]) == ("perf", 1200, 100.0)


def test_a_closed_issue_is_done():
    assert read_gh_issues(json.dumps([{**ISSUE, "state": "CLOSED"}])).tasks[0]["status"] == "done"


def test_a_repository_is_needed_where_no_url_tells_it():
    bare = json.dumps([{"number": 7, "title": "x"}])

    assert read_gh_issues(bare, ReadOptions(repo="ada/engine")).tasks[0]["task_id"] == "ada/engine#7"
    assert faults(read_gh_issues, bare) == [(1, "[0].url")]


def test_every_fault_of_issues_is_told_with_its_line_and_place():
    text = json.dumps([ISSUE, {**ISSUE, "number": "8"}, 5, {**ISSUE, "number": 9, "url": None}], indent=1)

    places = faults(read_gh_issues, text)
    assert [field for _, field in places] == ["[1].number", "[2]", "[3].url"]
    rows = text.split("\n")
    assert [rows[line - 1].strip()[:1] for line, _ in places] == ["{", "5", "{"]


@pytest.mark.parametrize("text", ["{", '{"message": "Bad credentials"}', "5", '[{"number": 1}', ""])
def test_what_is_no_list_of_issues_is_refused(text, db):
    with pytest.raises(ImportRefused):
        import_tasks(text if "\n" in text else text + "\n", "gh", db=db)


def test_a_title_is_brought_to_one_line():
    title = "A\ttitle\nwith\x07 lines " + "x" * 3_000

    assert read_gh_issues(json.dumps([{**ISSUE, "title": title}])).tasks[0]["title"].startswith("A title with  lines x")


# --- beads


def test_a_bead_is_a_task_of_its_prefix():
    [task] = read_beads(json.dumps([BEAD])).tasks

    assert task == {
        "task_id": "eng-a1b2",
        "quest_id": "eng",
        "title": "Index the store",
        "status": "open",
        "expected_value_usd": 50.0,
        "payload": {
            "source": "beads",
            "id": "eng-a1b2",
            "labels": [],
            "description": "It is slow.",
            "issue_type": "task",
            "estimated_minutes": 30,
            "priority": 1,
        },
        "kind": "task",
        "depends_on": [],
    }


def test_priority_nought_is_the_highest_and_none_is_in_the_middle():
    bare = {name: value for name, value in BEAD.items() if name != "priority"}
    beads = [{**BEAD, "priority": 0}, {**bare, "id": "eng-2"}]

    assert [task["expected_value_usd"] for task in read_beads(lines(*beads)).tasks] == [100.0, 20.0]


def test_an_array_an_envelope_and_an_export_say_the_same():
    beads = [BEAD, {**BEAD, "id": "eng-2"}]
    expected = read_beads(json.dumps(beads)).tasks

    assert read_beads(json.dumps({"schema_version": 1, "data": beads})).tasks == expected
    assert read_beads(json.dumps({"schema_version": 1, "data": beads}, indent=2)).tasks == expected
    assert read_beads(lines(*beads)).tasks == expected


def test_what_blocks_keeps_waiting_and_what_groups_does_not():
    edges = [
        {"issue_id": "eng-1", "depends_on_id": "eng-2", "type": "blocks"},
        {"issue_id": "eng-1", "depends_on_id": "eng-3", "type": "parent-child"},
        {"issue_id": "eng-1", "depends_on_id": "eng-4", "type": "waits-for"},
        {"issue_id": "eng-1", "depends_on_id": "eng-5", "type": "related"},
    ]
    others = [{**BEAD, "id": f"eng-{n}"} for n in (2, 3, 4, 5)]
    read = read_beads(lines({**BEAD, "id": "eng-1", "dependencies": edges}, *others))

    assert read.tasks[0]["depends_on"] == ["eng-2", "eng-4"]


def test_what_is_ready_waits_for_nothing_that_is_not_listed():
    edges = [{"issue_id": "eng-1", "depends_on_id": "eng-closed", "type": "blocks"}]

    assert read_beads(json.dumps([{**BEAD, "dependencies": edges}])).tasks[0]["depends_on"] == []


def test_states_of_beads_are_states_of_tasks():
    wanted = {"open": "open", "closed": "done", "in_progress": "running", "blocked": "held", "deferred": "held"}
    beads = [{**BEAD, "id": f"eng-{state}", "status": state} for state in wanted]

    assert [task["status"] for task in read_beads(lines(*beads)).tasks] == list(wanted.values())


def test_a_bead_that_is_gone_keeps_nobody_waiting():
    edges = [{"issue_id": "eng-1", "depends_on_id": "eng-gone", "type": "blocks"}]
    read = read_beads(
        lines({**BEAD, "id": "eng-1", "dependencies": edges}, {**BEAD, "id": "eng-gone", "status": "tombstone"})
    )

    assert [(task["task_id"], task["depends_on"]) for task in read.tasks] == [("eng-1", [])]


def test_every_fault_of_beads_is_told_with_its_line_and_field():
    text = lines(
        BEAD,
        {**BEAD, "id": 5},
        {**BEAD, "id": ""},
        {**BEAD, "id": "x" * 300},
    )

    assert faults(read_beads, text) == [(2, "id"), (3, "id"), (4, "quest_id"), (4, "task_id")]


# --- into the market


def test_an_import_adds_quests_and_tasks_and_again_updates_them(db):
    beads = [
        {**BEAD, "id": "eng-1"},
        {
            **BEAD,
            "id": "eng-2",
            "dependencies": [{"issue_id": "eng-2", "depends_on_id": "eng-1", "type": "blocks"}],
        },
    ]
    assert import_tasks(lines(*beads), "beads", now=NOON, db=db).added == 2
    assert statuses(db) == {"eng-1": "open", "eng-2": "blocked"}
    assert backlog.get_quest("eng", db=db).account_id == "quest:eng"
    assert import_tasks(lines(*beads), "beads", now=NOON, db=db).unchanged == 2

    beads[0] |= {"status": "closed", "priority": 0}
    assert counts(import_tasks(lines(*beads), "beads", now=after(1), db=db)) == (0, 1, 1)
    assert statuses(db) == {"eng-1": "done", "eng-2": "open"}
    assert backlog.get_task("eng-1", db=db).expected_value_usd == 100.0


def test_an_import_may_take_all_tasks_into_one_quest(db):
    backlog.add_quest("mine", priority=4, now=NOON, db=db)

    import_tasks(json.dumps([ISSUE]), "gh", quest_id="mine", now=NOON, db=db)
    assert backlog.get_task("ada/engine#7", db=db).quest_id == "mine"
    assert [(one.quest_id, one.priority) for one in backlog.list_quests(db=db)] == [("mine", 4)]


def test_a_strict_import_refuses_all_for_one_bad_line(db):
    before = contents(db)
    good = [{"task_id": f"t{n}", "quest_id": "q1"} for n in range(5)]

    with pytest.raises(ImportRefused) as refused:
        import_tasks(lines(*good, {"task_id": "", "quest_id": "q1"}), "jsonl", strict=True, db=db)
    assert [(line, field) for line, field, _ in refused.value.errors] == [(6, "task_id")]
    assert contents(db) == before


def test_one_bad_line_is_left_out_and_the_rest_imported(db):
    good = [{"task_id": f"t{n}", "quest_id": "q1"} for n in range(5)]

    imported = import_tasks(lines(*good, {"task_id": "", "quest_id": "q1"}), "jsonl", now=NOON, db=db)
    assert (imported.added, imported.left_out) == (5, 1)
    [report] = imported.reports
    assert (report.line, report.field, report.left_out) == (6, "task_id", True)
    assert sorted(statuses(db)) == ["t0", "t1", "t2", "t3", "t4"]


def test_what_the_market_refuses_is_told_by_line_too(db):
    rows = [
        {"task_id": "a", "quest_id": "q1", "depends_on": ["nowhere"]},
        {"task_id": "b", "quest_id": "q1"},
        {"task_id": "c", "quest_id": "q1", "pool": "gpu"},
        {"task_id": "d", "quest_id": "q1", "depends_on": ["c"]},
    ]
    with pytest.raises(ImportRefused) as refused:
        import_tasks(lines(*rows[:3]), "jsonl", strict=True, db=db)
    assert [(line, field) for line, field, _ in refused.value.errors] == [(1, "depends_on"), (3, "pool")]
    assert "nowhere" in refused.value.errors[0][2]

    imported = import_tasks(lines(*rows), "jsonl", now=NOON, db=db)
    assert (imported.added, imported.left_out) == (3, 1)
    # What waits for a task that nobody knows, or that was left out, waits on.
    assert statuses(db) == {"a": "held", "b": "open", "d": "held"}
    assert "waits for nowhere" in backlog.get_task("a", db=db).status_reason


def test_what_waited_for_an_unknown_task_opens_when_that_is_imported_too(db):
    waits = {"task_id": "a", "quest_id": "q1", "depends_on": ["b"], "status": "open"}
    import_tasks(lines(waits), "jsonl", now=NOON, db=db)
    assert statuses(db) == {"a": "held"}

    import_tasks(lines({"task_id": "b", "quest_id": "q1"}, waits), "jsonl", now=after(1), db=db)
    assert statuses(db) == {"a": "blocked", "b": "open"}


def test_a_circle_in_an_import_is_held_by_name(db):
    rows = [
        {"task_id": "a", "quest_id": "q1", "depends_on": ["b"]},
        {"task_id": "b", "quest_id": "q1", "depends_on": ["a"]},
    ]

    with pytest.raises(ImportRefused, match=r"line 1, depends_on: .*\"a\", \"b\""):
        import_tasks(lines(*rows), "jsonl", strict=True, db=db)

    import_tasks(lines(*rows, {"task_id": "c", "quest_id": "q1", "depends_on": ["b"]}), "jsonl", now=NOON, db=db)
    assert statuses(db) == {"a": "held", "b": "held", "c": "blocked"}
    assert "waits for itself through a → b → a" in backlog.get_task("a", db=db).status_reason


def test_a_file_is_read_by_its_path(db, tmp_path):
    path = tmp_path / "tasks.csv"
    path.write_text("task_id,quest_id,expected_value_usd\na,q1,5\n", encoding="utf-8")

    assert import_tasks(path, "csv", now=NOON, db=db).added == 1
    assert import_tasks(str(path), "csv", now=NOON, db=db).unchanged == 1


def test_what_cannot_be_read_is_refused(db, tmp_path):
    (tmp_path / "odd.csv").write_bytes(b"task_id\n\xff\xfe\n")

    for path in (tmp_path / "missing.csv", tmp_path, "missing.csv", "a\x00b"):
        with pytest.raises(InvalidArgument, match="must be a file that can be read"):
            import_tasks(path, "csv", db=db)
    with pytest.raises(InvalidArgument, match="must be UTF-8 text"):
        import_tasks(tmp_path / "odd.csv", "csv", db=db)
    with pytest.raises(InvalidArgument, match="format must be one of jsonl, csv, gh, beads"):
        import_tasks("[]", "xml", db=db)
    with pytest.raises(InvalidArgument, match="repo is for the issues of gh alone"):
        import_tasks("[]", "beads", repo="ada/engine", db=db)
    with pytest.raises(InvalidArgument, match="must be a text or a Path"):
        import_tasks(5, "csv", db=db)
