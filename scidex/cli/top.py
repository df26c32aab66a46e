"""`scidex top`: a market to watch in the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from scidex.cli.commands import command
from scidex.cli.options import POOL, PoolOption
from scidex.cli.session import Session
from scidex.cli.stopping import stop_signal

if TYPE_CHECKING:
    from scidex.cli.live.snapshot import Snapshot

_ONCE_LINES = 200


@command("scidex top", "scidex top --pool gpu --every 5", "scidex top --json")
def top(
    session: Session,
    pool: PoolOption = POOL,
    every: Annotated[float, typer.Option(min=0.1, max=3_600, help="Seconds from look to look.")] = 2.0,
) -> None:
    """Watch a pool: rounds, seats, prices, spending, what runs, what waits and why; in a pipe look once."""
    from scidex.cli.live.snapshot import SnapshotReader

    watcher = SnapshotReader(session.market)
    first = watcher.look(pool)
    if session.as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        session.show(vars(first), _in_words(first))
        return
    from scidex.cli.live.loop import LiveView

    with stop_signal() as stop:
        LiveView(watcher, first, every).run(stop)


def _in_words(snapshot: Snapshot) -> str:
    from scidex.cli.live.screen import KEYS, View, lines_of

    lines = [line.plain.rstrip() for line in lines_of(snapshot, View(chosen=-1), _ONCE_LINES, _ONCE_LINES)]
    return "\n".join(line for line in lines if line not in ("", KEYS))
