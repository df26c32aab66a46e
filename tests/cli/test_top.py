"""The live view: what it shows of a market, that it fits the terminal, and its keys, typed in a real one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.cli.live.screen import View, lines_of, sparkline
from scidex.cli.live.snapshot import Running, Snapshot, SnapshotReader, Waiting
from scidex.exchange import backlog, compute_auction, cycle
from scidex.market.embedded import EmbeddedMarket
from scidex.records import CycleStatus
from scidex.store import connect
from tests.cli.running import ROOT

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.fixture
def busy_url(market_url) -> str:
    """A market with a sold slot, a bid that waits, a task that is held, one that is blocked, and a second pool."""
    with connect(market_url) as db:
        compute_auction.clear_round(db=db)
        compute_auction.create_pool("gpu", db=db)
        compute_auction.place_bid("agent:ada", "write", 120, db=db)
        backlog.add_task("review", "docs", "Review it", depends_on=["write"], db=db)
        backlog.add_task("plan", "docs", expected_value_usd=2.0, db=db)
        backlog.add_task("print", "docs", "Print it", db=db)
        backlog.set_task_status("print", "held", reason="no paper", db=db)
    return market_url


def test_a_snapshot_says_what_runs_and_what_waits_and_why(busy_url):
    with connect(busy_url) as db:
        watcher = SnapshotReader(EmbeddedMarket(db))
        seen = watcher.look("scidex-agent")

        assert [(one.task_id, one.status) for one in seen.running] == [("task-1", "won")]
        assert [(one.task_id, one.title, one.price_tokens, one.why) for one in seen.waiting] == [
            ("write", "[Write] it", 120, "is 1 in the book"),
            ("plan", "", None, "no bid; worth 2.00 USD"),
            ("review", "Review it", None, "waits for write"),
            ("print", "Print it", None, "held: no paper"),
        ]
        assert seen.pools == ("gpu", "scidex-agent")
        assert watcher.why(seen.waiting[0]).startswith("write: ")
        assert watcher.why(seen.waiting[1]) == "plan: no bid; worth 2.00 USD"
        assert watcher.why(seen.waiting[3]) == "print: held: no paper"


def test_a_task_that_runs_without_a_sale_is_shown_too(busy_url):
    with connect(busy_url) as db:
        backlog.set_task_status("plan", "running", db=db)

        seen = SnapshotReader(EmbeddedMarket(db)).look("scidex-agent")

    assert [(one.task_id, one.price_tokens) for one in seen.running] == [("task-1", 0), ("plan", None)]


def test_in_a_pipe_it_looks_once(cli, busy_url):
    code, out, _ = cli("top", "--db", busy_url)
    told = json.loads(cli("top", "--db", busy_url, "--json")[1])

    assert code == 0
    assert "RUNNING (1)" in out
    assert "print" in out
    assert "held: no paper" in out
    assert told["waiting"][0]["task_id"] == "write"


def test_a_pool_that_is_not_there_is_refused(cli, busy_url):
    assert cli("top", "--db", busy_url, "--pool", "nowhere")[0] == 1


# --- the screen


def status(**more) -> CycleStatus:
    given = {
        "pool": "p",
        "paused": False,
        "interval_seconds": 60.0,
        "last_cycle_at": NOW,
        "next_cycle_at": NOW + timedelta(seconds=12),
        "missed": 0,
        "mode": "auction",
        "mode_since_at": NOW,
        "mode_reason": "",
    }
    return CycleStatus(**{**given, **more})


def snapshot(*, waiting=(), running=(), **more) -> Snapshot:
    stats = {"rounds": 3, "last_price_tokens": 90, "fill_rate": 0.5, "prices": [{"clearing_price_tokens": 90}]}
    given = {
        "at": NOW,
        "pool": "p",
        "pools": ("p", "q"),
        "status": status(),
        "stats": stats,
        "on_offer": 2,
        "workers": (),
        "costs": None,
        "running": tuple(running),
        "waiting": tuple(waiting),
    }
    return Snapshot(**{**given, **more})


@given(st.integers(1, 200), st.integers(1, 60), st.integers(0, 40), st.integers(0, 40), st.integers(0, 60))
def test_the_screen_fits_every_terminal(width, height, waits, runs, chosen):
    waiting = [Waiting(f"task-{n}" * 5, "市場" * 30, "open", n, "is 1 in the book", n) for n in range(waits)]
    running = [Running(f"run-{n}", "title " * 20, "slot-1", "won", 5, NOW) for n in range(runs)]
    lines = lines_of(snapshot(waiting=waiting, running=running), View(chosen, "said", "fault"), width, height)

    assert len(lines) <= height
    assert all(line.cell_len <= width for line in lines)


@given(st.integers(1, 40), st.integers(0, 39))
def test_the_chosen_task_is_always_on_the_screen(waits, chosen):
    waiting = [Waiting(f"task-{n}", "", "open", n, "", n) for n in range(waits)]
    view = View().moved(chosen, waits)

    [marked] = [line for line in lines_of(snapshot(waiting=waiting), view, 80, 24) if line.plain.startswith("> ")]
    assert f" task-{min(chosen, waits - 1)} " in marked.plain


@pytest.mark.parametrize(
    ("when", "said"),
    [
        (status(), "auction, clears in 12 s"),
        (status(next_cycle_at=NOW - timedelta(seconds=5)), "auction, overdue by 5 s"),
        (status(mode="fallback"), "fallback, clears in 12 s"),
        (status(paused=True), "PAUSED"),
        (status(next_cycle_at=None), "no loop clears it"),
    ],
)
def test_the_first_line_says_when_the_pool_clears(when, said):
    assert said in lines_of(snapshot(status=when), View(), 120, 24)[0].plain


def test_choosing_stays_within_the_rows():
    assert View().moved(-1, 3).chosen == 0
    assert View().moved(9, 3).chosen == 2
    assert View().moved(1, 0).chosen == 0


def test_a_sparkline_has_its_highest_bar_for_the_largest():
    assert sparkline([0, 50, 100]) == "▁▄█"
    assert sparkline([]) == ""
    assert sparkline([0, 0]) == "▁▁"


# --- a real terminal


class Terminal:
    """A terminal of 100 columns and 30 rows in which a command runs, by tmux."""

    def __init__(self, command: str, socket: str) -> None:
        self._socket = socket
        self._tmux("-f", os.devnull, "new-session", "-d", "-x", "100", "-y", "30", f"{command}; echo ended=$?; cat")

    def _tmux(self, *words: str) -> str:
        return subprocess.run(
            ["tmux", "-S", self._socket, *words], capture_output=True, text=True, check=True, timeout=30
        ).stdout

    def typed(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def shows(self, wanted: Callable[[str], bool]) -> str:
        """Wait until the screen is as wanted, and return it."""
        ends = time.monotonic() + 60
        while not wanted(screen := self._tmux("capture-pane", "-p")):
            assert time.monotonic() < ends, screen
            time.sleep(0.05)
        return screen

    def close(self) -> None:
        self._tmux("kill-server")


@pytest.fixture
def terminal(busy_url, tmp_path) -> Iterator[Terminal]:
    opened = Terminal(
        f"cd {ROOT}; {sys.executable} -m scidex top --db {busy_url} --every 0.2", str(tmp_path / "tmux.socket")
    )
    yield opened
    opened.close()


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_keys_choose_explain_pause_change_pools_and_quit(terminal, busy_url):
    terminal.shows(lambda screen: "> write" in screen and "RUNNING (1)" in screen)

    terminal.typed("Down", "Down", "Down")
    terminal.shows(lambda screen: "> print" in screen)
    terminal.typed("Enter")
    terminal.shows(lambda screen: "print: held: no paper" in screen)

    terminal.typed("p")
    terminal.shows(lambda screen: "PAUSED" in screen and "pool scidex-agent is paused" in screen)
    with connect(busy_url) as db:
        assert cycle.cycle_status(db=db).paused
        backlog.set_task_status("print", "open", db=db)
    terminal.shows(lambda screen: "held: no paper" not in screen)

    terminal.typed("Tab")
    terminal.shows(lambda screen: "gpu (1 of 2 pools)" in screen)

    terminal.typed("q")
    assert "RUNNING" not in terminal.shows(lambda screen: "ended=0" in screen)
