"""Where the numbers of a settlement come from: the command's own usage file, and an evaluator's command."""

from __future__ import annotations

import json
import os
import sys

import pytest

from scidex.agent.evaluators import Impact, NoEvaluator
from scidex.agent.evaluators.command import CommandEvaluator
from scidex.agent.executors.local import LocalExecutor
from scidex.agent.meters import NoMeter, Usage
from scidex.agent.meters.usage_file import UsageFileMeter
from scidex.agent.workplace import Workplace
from tests.agent.work import ASSIGNMENT, result


@pytest.fixture
def place(tmp_path):
    return Workplace.prepare(tmp_path, ASSIGNMENT)


def evaluator(code: str, **options) -> CommandEvaluator:
    return CommandEvaluator((sys.executable, "-c", code), "evaluator:ci", LocalExecutor(), **options)


# --- the workplace


def test_a_command_finds_its_task_and_nothing_of_other_runs(tmp_path):
    first, second = Workplace.prepare(tmp_path, ASSIGNMENT), Workplace.prepare(tmp_path, ASSIGNMENT)

    told = json.loads((first.directory / "task.json").read_text())
    assert first.directory != second.directory
    assert (told["task_id"], told["quest_id"], told["payload"]) == ("task-1", "docs", {"page": "tutorial"})
    assert first.environment()["SCIDEX_TASK_FILE"] == str(first.directory / "task.json")


def test_an_allowance_is_told_where_there_is_one(tmp_path):
    without = Workplace.prepare(tmp_path, ASSIGNMENT).environment()
    with_one = Workplace.prepare(tmp_path, ASSIGNMENT._replace(token_allowance=500)).environment()

    assert "SCIDEX_TOKEN_ALLOWANCE" not in without
    assert with_one["SCIDEX_TOKEN_ALLOWANCE"] == "500"


def test_a_workplace_can_be_discarded(place):
    place.discard()

    assert not place.directory.exists()


# --- meters


@pytest.mark.parametrize(
    ("written", "tokens"),
    [({"tokens": 1200}, 1200), ({"input_tokens": 1000, "output_tokens": 50}, 1050), ({"tokens": 0, "model": "m"}, 0)],
)
def test_the_usage_file_reports_tokens(place, written, tokens):
    place.usage_file.write_text(json.dumps(written))

    usage = UsageFileMeter().read(place, result())

    assert usage._replace(input_tokens=None, output_tokens=None, model="") == Usage("file", "reported", tokens)


def test_without_a_usage_file_nothing_is_known(place):
    assert UsageFileMeter().read(place, result()) == Usage("file", "none", note="the usage file was not written")
    assert NoMeter().read(place, result()) == Usage("none", "none")


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("", "is no JSON"),
        ("[1]", "no object"),
        ("{}", "input_tokens: nothing"),
        ('{"tokens": -1}', "tokens: -1"),
        ('{"tokens": 1.5}', "tokens: 1.5"),
        ('{"tokens": true}', "tokens: true"),
        ('{"tokens": 9007199254740993}', "tokens: 9007199254740993"),
        ('{"tokens": NaN}', "tokens: NaN"),
        ('{"input_tokens": 5}', "output_tokens: nothing"),
        ("[" * 100_000, "is no JSON"),
        ("\udcff", "is no JSON"),
        ("x" * 1_000_001, "is larger than"),
    ],
)
def test_a_usage_file_that_says_something_else_counts_as_none_and_says_why(place, written, complaint):
    place.usage_file.write_bytes(written.encode(errors="surrogateescape"))

    usage = UsageFileMeter().read(place, result())

    assert (usage.tokens, usage.provenance) == (None, "none")
    assert complaint in usage.note


def test_a_usage_file_that_is_a_pipe_is_not_waited_for(place):
    os.mkfifo(place.usage_file)

    assert UsageFileMeter().read(place, result()).note == "the usage file is no plain file"


# --- evaluators


def test_an_evaluators_last_line_is_the_impact(place):
    impact = evaluator("print('thinking'); print('{\"impact_usd\": 4.5}')").judge(place, result())

    assert impact == Impact(4.5, "evaluator:ci")


@pytest.mark.parametrize(("said", "usd"), [("4.5", 4.5), ("-3", -3.0), ("0", 0.0), ("thinking\n12 \n\n", 12.0)])
def test_an_evaluators_last_line_may_be_a_number(place, said, usd):
    assert evaluator(f"print({said!r})").judge(place, result()) == Impact(usd, "evaluator:ci")


def test_an_evaluator_reads_the_task_and_how_the_run_ended(place):
    code = (
        "import json, os\n"
        "task = json.load(open(os.environ['SCIDEX_TASK_FILE']))\n"
        "ended = json.load(open(os.environ['SCIDEX_RESULT_FILE']))\n"
        "print(json.dumps({'impact_usd': len(ended['stdout']) if task['payload']['page'] == 'tutorial' else 0}))"
    )

    assert evaluator(code).judge(place, result(stdout="four")).usd == 4.0


def test_without_an_evaluator_the_impact_is_not_known_yet(place):
    assert NoEvaluator().judge(place, result()) == Impact(None)


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("raise SystemExit(3)", "exited with 3"),
        ("pass", "is no JSON"),
        ("print('great work')", "is no JSON"),
        ("print('{}')", "impact_usd: nothing"),
        ("print('4.5 USD')", "is no JSON"),
        ("print('1_000')", "is no JSON"),
        ("print('1e9')", "no object"),
        ("print('NaN')", "no object"),
        ("print('{\"impact_usd\": true}')", "impact_usd: true"),
        ("print('{\"impact_usd\": NaN}')", "impact_usd: NaN"),
        ("print('{\"impact_usd\": 1e999}')", "impact_usd: Infinity"),
        ("print('{\"impact_usd\": ' + '9' * 400 + '}')", "impact_usd: 9"),
        ("import time; time.sleep(600)", "its time was up"),
    ],
)
def test_an_evaluator_that_fails_leaves_the_impact_unknown_and_says_why(place, code, complaint):
    impact = evaluator(code, max_seconds=2.0).judge(place, result())

    assert (impact.usd, impact.attested_by) == (None, None)
    assert complaint in impact.note
