"""Tables: a line for a row at any width, ids and numbers whole, plain values in a pipe."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

import pytest

from scidex.cli.output import print_json, print_table
from scidex.records import Quote

ROW = {
    "slot_id": "slot-0123456789abcdef",
    "bid_id": 1234,
    "price_tokens": 9000,
    "title": "Write the guide to the market, all of it",
    "seen_at": datetime(2026, 11, 30, 12, 0, 0, 250_000, tzinfo=UTC),
    "is_open": True,
    "roi": None,
}
COLUMNS = tuple(ROW)


@pytest.fixture
def at_width(monkeypatch, capsys):
    """Print a table on a terminal of a width, and return its lines and what was said beside them."""

    def shown(width, rows=(ROW,), columns=COLUMNS):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", str(width))
        print_table(rows, columns)
        said = capsys.readouterr()
        return said.out.splitlines(), said.err

    return shown


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 200])
def test_a_row_is_a_line_and_its_id_is_whole_at_every_width(at_width, width):
    lines, _ = at_width(width)

    assert len(lines) == 2
    assert lines[1].startswith("slot-0123456789abcdef")
    assert all(len(line) <= max(width, len("slot-0123456789abcdef")) for line in lines)


def test_all_columns_are_shown_where_there_is_room(at_width):
    lines, said = at_width(200)

    assert [line.split("  ")[0] for line in lines] == ["slot id", "slot-0123456789abcdef"]
    assert lines[0].endswith("title                                     seen at               is open  roi")
    assert lines[1].endswith("1234         9,000  Write the guide to the market, all of it  2026-11-30 12:00:00Z  yes")
    assert said == ""


def test_prose_is_cut_before_a_column_is_left_out(at_width):
    lines, said = at_width(100)

    assert "Write the guide to…" in lines[1]
    assert "2026-11-30 12:00:00Z" in lines[1]
    assert said == ""


def test_columns_that_do_not_fit_are_named(at_width):
    lines, said = at_width(45)

    assert lines == ["slot id                bid id  price tokens", "slot-0123456789abcdef    1234         9,000"]
    assert "title, seen at, is open, roi" in said


def test_wide_letters_count_double(at_width):
    lines, _ = at_width(30, [{"id": "a", "title": "市場" * 20}, {"id": "b", "title": "x"}], ("id", "title"))

    assert lines[1] == "a   " + "市場" * 6 + "…"


def test_a_pipe_gets_plain_values_between_tabs(capsys):
    print_table([ROW, {**ROW, "title": "two\nlines\tand a tab"}], COLUMNS)

    first, second, third = capsys.readouterr().out.splitlines()
    assert first.split("\t") == list(COLUMNS)
    assert second.split("\t")[1:4] == ["1234", "9000", "Write the guide to the market, all of it"]
    assert second.split("\t")[4:] == ["2026-11-30T12:00:00.250000+00:00", "true", ""]
    assert third.split("\t")[3] == "two lines and a tab"


def test_what_would_steer_a_terminal_is_replaced(at_width):
    lines, _ = at_width(80, [{"id": 1, "title": "\x1b[2Jgone"}], ("id", "title"))

    assert lines[1] == " 1  �[2Jgone"


def test_nothing_found_says_the_next_step_beside_the_table(monkeypatch, capsys):
    print_table([], ("id",), empty="Make one.")
    in_pipe = capsys.readouterr()
    print_table([], ("id",), empty="Make one.", as_json=True)
    as_json = capsys.readouterr()

    assert (in_pipe.out, in_pipe.err) == ("id\n", "Make one.\n")
    assert (json.loads(as_json.out), as_json.err) == ([], "")


def test_records_within_records_are_json_by_their_fields(capsys):
    print_json({"quote": Quote("p", 0.5, 7, 3, "rounds"), "scopes": frozenset({"b", "a"}), "at": ROW["seen_at"]})

    told = json.loads(capsys.readouterr().out)
    assert told["quote"]["max_price_tokens"] == 7
    assert told["scopes"] == ["a", "b"]
    assert told["at"] == "2026-11-30T12:00:00.250000+00:00"
