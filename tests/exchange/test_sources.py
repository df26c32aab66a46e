"""A backlog is imported again from its source: what left it is held or ended; what ended here is written back once."""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress

import pytest

from scidex.cli.writing_back import WriteBackFailed, run_program, write_back
from scidex.errors import AccountExists, InvalidArgument, UnknownTask
from scidex.exchange import backlog, services
from scidex.exchange.backlog_import import import_tasks
from scidex.market.embedded import EmbeddedMarket
from tests.backlogs import run, statuses
from tests.market import NOON, after, bid, clear, fund, offer


def beads(*names, **fields):
    rows = [{"id": name, "title": name, "status": "open", "issue_type": "task", **fields} for name in names]
    return json.dumps(rows)


def bring(db, text, minutes=0, form="beads", **options):
    return import_tasks(text, form, source="tracker", now=after(minutes), db=db, **options)


# --- a complete list


@pytest.mark.parametrize("missing", ["held", "done"])
def test_what_left_a_complete_list_is_held_or_done(db, missing):
    bring(db, beads("a-1", "a-2"))

    imported = bring(db, beads("a-2"), 1, complete=True, missing=missing)
    assert (imported.missing, statuses(db)) == (1, {"a-1": missing, "a-2": "open"})
    assert backlog.get_task("a-1", db=db).status_reason == "left the list of tracker"
    assert bring(db, beads("a-2"), 2, complete=True, missing=missing).missing == 0


def test_what_comes_back_is_open_again(db):
    bring(db, beads("a-1", "a-2"))
    bring(db, beads("a-2"), 1, complete=True)

    bring(db, beads("a-1", "a-2"), 2, complete=True)
    assert statuses(db) == {"a-1": "open", "a-2": "open"}


def test_a_list_that_is_not_complete_and_other_sources_end_nothing(db):
    bring(db, beads("a-1", "a-2"))
    import_tasks(beads("b-1"), "beads", source="other", now=NOON, db=db)

    assert bring(db, beads("a-2"), 1).missing == 0
    bring(db, beads("a-1", "a-2"), 2, complete=True)
    assert set(statuses(db).values()) == {"open"}


def test_what_this_market_or_an_operator_decided_stays(db):
    bring(db, beads("a-1", "a-2", "a-3"))
    backlog.set_task_status("a-1", "done", now=NOON, db=db)
    backlog.set_task_status("a-2", "held", reason="mine", now=NOON, db=db)

    bring(db, beads("a-3"), 1, complete=True)
    assert statuses(db) == {"a-1": "done", "a-2": "held", "a-3": "open"}
    assert backlog.get_task("a-2", db=db).status_reason == "mine"


def test_a_complete_list_needs_a_source(db):
    with pytest.raises(InvalidArgument, match="complete needs a source"):
        import_tasks(beads("a-1"), "beads", complete=True, db=db)
    with pytest.raises(InvalidArgument, match="missing must be one of held, done"):
        bring(db, beads("a-1"), complete=True, missing="gone")


def test_tasks_are_listed_by_their_source(db):
    bring(db, beads("a-1"))
    import_tasks(beads("b-1"), "beads", now=NOON, db=db)

    assert [(task.task_id, task.source) for task in backlog.list_tasks(source="tracker", db=db)] == [("a-1", "tracker")]


# --- writing back


def ended(db, task_id, succeeded=True):
    """Let an agent win the task and run it until this market has ended it."""
    with suppress(AccountExists):
        fund(db, 10_000, "agent:ada")
    while backlog.get_task(task_id, db=db).status == "open":
        bid(db, "agent:ada", task_id, 10)
        offer(db)
        clear(db)
        run(db, services.won_slots("agent:ada", db=db)[0], at=after(5), succeeded=succeeded)


class Programs:
    """What would be run, and what gh would answer."""

    def __init__(self, comments=(), fails=()):
        self.run = []
        self.comments = comments
        self.fails = fails

    def __call__(self, command):
        self.run.append(list(command))
        if command[0] in self.fails:
            raise WriteBackFailed(f"{command[0]} exited with 1: not logged in")
        return json.dumps({"comments": [{"body": body} for body in self.comments]})


def test_a_bead_that_is_done_is_closed_once_and_a_failed_one_gets_a_comment(db):
    bring(db, beads("a-1", "a-2", "a-3"))
    ended(db, "a-1")
    ended(db, "a-2", succeeded=False)
    market, programs = EmbeddedMarket(db), Programs()

    told = list(write_back(market, "tracker", run=programs))
    assert [(one.task_id, one.error) for one in told] == [("a-1", ""), ("a-2", "")]
    assert [command[:2] for command in programs.run] == [["bd", "close"], ["bd", "comments"]]
    assert programs.run[0][-2:] == ["--", "a-1"]
    assert programs.run[0][3].startswith("done by scidex after 1 run; ")
    assert "failed by scidex after 3 runs" in programs.run[1][-1]
    assert backlog.get_task("a-1", db=db).written_back_at is not None
    assert list(write_back(market, "tracker", run=programs)) == []


def test_what_ended_elsewhere_is_not_written_back(db):
    bring(db, beads("a-1", "a-2"))
    backlog.set_task_status("a-1", "done", now=NOON, db=db)
    bring(db, beads("a-2", status="closed"), 1)

    assert list(write_back(EmbeddedMarket(db), "tracker", run=Programs())) == []


def issue(number):
    return json.dumps([{"number": number, "title": "t", "url": f"https://github.com/ada/engine/issues/{number}"}])


def test_an_issue_gets_a_comment_and_a_label(db):
    bring(db, issue(7), form="gh")
    ended(db, "ada/engine#7")
    programs = Programs()

    [told] = write_back(EmbeddedMarket(db), "tracker", label="by-scidex", run=programs)
    assert told.error == ""
    view, comment, edit = programs.run
    assert (view[:3], comment[:4]) == (["gh", "issue", "view"], ["gh", "issue", "comment", "7"])
    assert comment[4] == "--repo=ada/engine"
    assert "<!-- scidex ada/engine#7 done 1 -->" in comment[5]
    assert edit[-1] == "--add-label=by-scidex"


def test_a_comment_that_is_there_already_is_not_written_again(db):
    bring(db, issue(7), form="gh")
    ended(db, "ada/engine#7")
    programs = Programs(comments=["Done. <!-- scidex ada/engine#7 done 1 -->"])

    assert len(list(write_back(EmbeddedMarket(db), "tracker", run=programs))) == 1
    assert [command[2] for command in programs.run] == ["view"]
    assert backlog.get_task("ada/engine#7", db=db).written_back_at is not None


def test_what_fails_is_told_and_tried_again(db):
    bring(db, beads("a-1"))
    ended(db, "a-1")

    [told] = write_back(EmbeddedMarket(db), "tracker", run=Programs(fails=["bd"]))
    assert "not logged in" in told.error
    assert len(list(write_back(EmbeddedMarket(db), "tracker", run=Programs()))) == 1


def test_a_dry_run_runs_nothing(db):
    bring(db, beads("a-1"))
    ended(db, "a-1")
    programs = Programs()

    [told] = write_back(EmbeddedMarket(db), "tracker", dry_run=True, run=programs)
    assert (programs.run, told.command.startswith("bd close")) == ([], True)
    assert backlog.get_task("a-1", db=db).written_back_at is None


def test_a_task_that_runs_again_is_written_back_again(db):
    bring(db, beads("a-1"))
    ended(db, "a-1")
    assert len(list(write_back(EmbeddedMarket(db), "tracker", run=Programs()))) == 1

    backlog.set_task_status("a-1", "open", now=NOON, db=db)
    ended(db, "a-1")
    assert len(list(write_back(EmbeddedMarket(db), "tracker", run=Programs()))) == 1


def test_an_unknown_task_was_not_written_back(db):
    with pytest.raises(UnknownTask):
        backlog.note_written_back("nothing", db=db)


def test_a_program_is_run_without_a_shell_and_its_failure_is_told(tmp_path, monkeypatch):
    program = tmp_path / "bd"
    program.write_text('#!/bin/sh\nprintf \'%s\\n\' "$@"\n[ "$1" != fail ] || { echo no >&2; exit 3; }\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    assert run_program(["bd", "close", "--reason", "$(id); `id`"]) == "close\n--reason\n$(id); `id`\n"
    with pytest.raises(WriteBackFailed, match="bd exited with 3: no"):
        run_program(["bd", "fail"])
    with pytest.raises(WriteBackFailed, match="is not on the path"):
        run_program(["no-such-program"])
