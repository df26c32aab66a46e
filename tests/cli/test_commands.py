"""Each command answers, in words and as JSON, and refuses in one sentence with a code that means something."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.cli.running import ROOT, scidex

# --- settings


def test_init_makes_a_new_market_by_the_recommended_profile(cli, tmp_path):
    new = f"sqlite:///{tmp_path}/new.db"

    assert cli("init", "--db", new) == (0, "pool scidex-agent uses the profile recommended\n", "")
    assert json.loads(cli("init", "--db", new, "--json")[1])["settings"]["strategy"] == "paced"


def test_init_leaves_a_market_that_is_set_as_it_is_unless_a_profile_is_named(cli, tmp_path):
    new = f"sqlite:///{tmp_path}/new.db"
    cli("init", "--db", new, "--profile", "brief")

    assert "profile brief" in cli("init", "--db", new)[1]
    assert "profile generous" in cli("init", "--db", new, "--profile", "generous")[1]


def test_init_opens_a_pool_that_is_missing(cli):
    assert cli("init", "--pool", "gpu")[1] == "pool gpu uses the profile recommended\n"


def test_a_profile_that_there_is_not_is_refused(cli):
    code, _, err = cli("init", "--profile", "mine")

    assert code == 2
    assert 'profile must be one of brief, recommended, generous; got "mine"' in err


def test_a_quest_is_told_how_to_bid(cli):
    assert "market" in cli("quest", "list")[1]
    assert cli("quest", "set", "docs", "--strategy", "fixed")[0] == 0
    assert json.loads(cli("quest", "list", "--json")[1])[0]["strategy"] == "fixed"
    assert cli("quest", "set", "docs", "--strategy", "snipe")[0] == 2


def test_a_quest_is_entitled_to_the_floor_and_no_longer(cli):
    assert json.loads(cli("quest", "entitle", "docs", "--json")[1])[0]["floor_entitled"] is True
    assert json.loads(cli("quest", "entitle", "docs", "--end", "--json")[1])[0]["floor_entitled"] is False
    assert cli("quest", "entitle", "nobody")[0] == 1


# --- reading


def test_the_book_shows_bids_and_slots(cli):
    code, out, _ = cli("book")
    as_json = json.loads(cli("book", "--json")[1])

    assert code == 0
    assert "agent:ada" in out
    assert "slot-1" in out
    assert as_json["bids"][0]["max_price_tokens"] == 300
    assert as_json["asks"][0]["slot_id"] == "slot-1"


def test_a_quote_and_an_explanation(cli):
    assert cli("quote")[0] == 0
    assert json.loads(cli("quote", "--json", "--probability", "0.5")[1])["probability"] == 0.5
    assert cli("explain", "1")[0] == 0
    assert json.loads(cli("explain", "1", "--json")[1])["status"] == "open"


def test_a_wallet_with_its_transfers(cli):
    code, out, _ = cli("wallet", "agent:ada")
    as_json = json.loads(cli("wallet", "agent:ada", "--json")[1])

    assert code == 0
    assert out.startswith("1,000 tokens: 300 set aside, 700 available\n")
    assert (as_json["balance"], as_json["available"], as_json["transfers"][0]["amount_tokens"]) == (1_000, 700, 1_000)


def test_tasks_are_listed_with_their_titles_as_they_are(cli):
    assert "[Write] it" in cli("task", "list")[1]
    assert json.loads(cli("task", "list", "--json", "--status", "open")[1])[0]["task_id"] == "write"
    assert json.loads(cli("task", "list", "--json", "--status", "done")[1]) == []


# --- importing


def test_an_import_says_what_it_did(cli, tmp_path):
    file = tmp_path / "tasks.csv"
    file.write_text("task_id,quest_id,expected_value_usd\nedit,docs,2\n")

    first = cli("task", "import", str(file), "--format", "csv")
    again = json.loads(cli("task", "import", str(file), "--format", "csv", "--json")[1])

    assert first[:2] == (0, "1 tasks added, 0 updated, 0 as they were.\n")
    assert again == {
        "added": 0,
        "updated": 0,
        "unchanged": 1,
        "left_out": 0,
        "missing": 0,
        "passed_over": {},
        "reports": [],
    }


def test_faulty_lines_of_an_import_are_named_and_left_out(cli, tmp_path):
    file = tmp_path / "tasks.jsonl"
    file.write_text('{"task_id": "good", "quest_id": "docs"}\n{"task_id": 5, "quest_id": "docs"}\nnonsense\n')

    code, out, error = cli("task", "import", str(file))

    assert (code, out) == (0, "1 tasks added, 0 updated, 0 as they were.\n")
    assert "line 2, task_id:" in error
    assert error.endswith("2 lines left out\n")
    assert [task["task_id"] for task in json.loads(cli("task", "list", "--json")[1])] == ["good", "write"]


def test_every_faulty_line_of_a_strict_import_is_named_and_nothing_is_imported(cli, tmp_path):
    file = tmp_path / "tasks.jsonl"
    file.write_text('{"task_id": "good", "quest_id": "docs"}\n{"task_id": 5, "quest_id": "docs"}\nnonsense\n')

    code, out, error = cli("task", "import", "--strict", str(file))

    assert (code, out) == (1, "")
    assert "line 2, task_id:" in error
    assert "line 3, " in error
    assert error.endswith("so nothing was imported.\n")
    assert [task["task_id"] for task in json.loads(cli("task", "list", "--json")[1])] == ["write"]


# --- refusing


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("wallet", "nobody"), 1),
        (("explain", "99"), 1),
        (("quote", "--probability", "1"), 2),
        (("book", "--pool", "nowhere"), 1),
        (("task", "list", "--status", "lost"), 2),
        (("book", "--url", "http://127.0.0.1:9"), 6),
        (("book", "--db", "sqlite:////nowhere-at-all/market.db"), 3),
        (("book", "--db", "mysql://host/market"), 3),
        (("up", "--host", "192.0.2.1"), 4),
        (("agent", "run", "--evaluator", "true", "--attester", "nobody", "--", "true"), 1),
    ],
)
def test_a_refusal_is_one_sentence_and_a_code(cli, words, code):
    ended, out, error = cli(*words)

    assert (ended, out) == (code, "")
    assert error.startswith("scidex: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("fly",),
        ("book", "--limit", "0"),
        ("explain", "one"),
        ("task", "import", "no-such-file"),
        ("up", "--port", "70000"),
        ("up", "--cycle-seconds", "0"),
        ("agent", "run"),
        ("agent", "run", "--task-commands", "--", "true"),
        ("agent", "run", "--evaluator", "judge", "--", "true"),
        ("agent", "run", "--evaluator", "'", "--attester", "a", "--", "true"),
    ],
)
def test_a_wrong_command_line_is_told_with_the_usage(cli, words):
    ended, out, error = cli(*words)

    assert (ended, out) == (2, "")
    assert "Usage:" in error


def test_no_secret_of_a_database_address_is_shown(cli, monkeypatch):
    monkeypatch.setenv("SCIDEX_DATABASE_DEADLINE_SECONDS", "1")
    code, out, error = cli("book", "--db", "postgresql://user:hunter2@127.0.0.1:1/market?connect_timeout=1")

    assert (code, out) == (3, "")
    assert "hunter2" not in error


def test_help_and_version_answer(cli):
    code, out, _ = cli("--version")

    assert (code, out.startswith("scidex ")) == (0, True)
    assert cli("--help")[0] == 0
    assert cli("up", "--help")[0] == 0


def test_help_loads_nothing_heavy():
    ask = "import atexit, sys; sys.argv = ['scidex', '--help']; from scidex.cli import main; "
    ask += "atexit.register(lambda: print(*sorted({name.split('.')[0] for name in sys.modules}))); main()"
    out = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    loaded = set(out.splitlines()[-1].split())

    assert "Start a market:" in out
    assert "typer" in loaded
    heavy = {"rich", "markdown_it", "httpx2", "fastapi", "uvicorn", "sqlite3", "psycopg", "jinja2", "aiosql"}
    assert not heavy & loaded


# --- completing


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell):
    code, out, _ = scidex(_SCIDEX_COMPLETE=f"source_{shell}")

    assert (code, "_SCIDEX_COMPLETE=complete_" + shell in out) == (0, True)


def test_words_are_completed():
    words = {"_SCIDEX_COMPLETE": "complete_bash", "COMP_WORDS": "scidex qu", "COMP_CWORD": "1"}

    assert scidex(**words) == (0, "quote\nquest\n", "")


def test_a_command_that_there_is_not_is_answered_with_one_like_it(cli):
    code, _, error = cli("quets")

    assert code == 2
    assert "Did you mean 'quest'" in error
