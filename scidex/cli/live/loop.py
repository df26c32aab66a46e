"""The loop of a live view: looks at the market in a thread of its own, draws what it saw, and heeds keys."""

from __future__ import annotations

import threading
from dataclasses import replace

from rich.console import Console, Group
from rich.live import Live

from scidex.cli.live.keyboard import NextKey, keys
from scidex.cli.live.screen import View, lines_of
from scidex.cli.live.snapshot import Snapshot, SnapshotReader, fault_of
from scidex.errors import ScidexError
from scidex.loops import Loop

_KEY_SECONDS = 0.2


class LiveView:
    """A pool as it goes on, until someone quits."""

    def __init__(self, watcher: SnapshotReader, first: Snapshot, every_seconds: float) -> None:
        self._watcher = watcher
        self._snapshot = first
        self._every = every_seconds
        self._looking = Loop("looking", self._look, begins_after=every_seconds)
        self._view = View()
        self._fault = ""

    def run(self, stop: threading.Event) -> None:
        """Show the market until `q` is typed or `stop` is set."""
        console = Console()
        with self._looking, keys() as next_key, Live(console=console, screen=True, auto_refresh=False) as live:
            while not stop.is_set():
                snapshot, view = self._snapshot, replace(self._view, fault=self._fault)
                lines = lines_of(snapshot, view, console.width, console.height)
                live.update(Group(*lines), refresh=True)
                if not self._heed(next_key, snapshot):
                    return

    def _heed(self, next_key: NextKey, snapshot: Snapshot) -> bool:
        """Do what a key asks for; return whether to go on."""
        rows = len(snapshot.waiting)
        match next_key(_KEY_SECONDS):
            case "q" | "Q":
                return False
            case "up":
                self._view = self._view.moved(-1, rows)
            case "down":
                self._view = self._view.moved(1, rows)
            case "enter" if rows:
                self._say(lambda: self._watcher.why(snapshot.waiting[min(self._view.chosen, rows - 1)]))
            case "p":
                self._say(lambda: self._turn(snapshot))
            case "tab" if snapshot.pools:
                self._turn_to_next(snapshot)
        return True

    def _turn(self, snapshot: Snapshot) -> str:
        market, pool = self._watcher.market, snapshot.pool
        status = market.resume(pool) if snapshot.status.paused else market.pause(pool)
        self._looking.wake()
        return f"pool {pool} is {'paused' if status.paused else 'resumed'}"

    def _turn_to_next(self, snapshot: Snapshot) -> None:
        place = snapshot.pools.index(snapshot.pool) if snapshot.pool in snapshot.pools else -1
        self._look_at(snapshot.pools[(place + 1) % len(snapshot.pools)])
        self._view = View()

    def _say(self, ask: object) -> None:
        assert callable(ask), "something to ask the market"
        try:
            message = str(ask())
        except ScidexError as error:
            message = fault_of(error)
        self._view = replace(self._view, message=message)

    def _look(self) -> float:
        self._look_at(self._snapshot.pool)
        return self._every

    def _look_at(self, pool: str) -> None:
        """Take a snapshot; where the market does not answer the last one stays, with the reason."""
        try:
            self._snapshot, self._fault = self._watcher.look(pool), ""
        except ScidexError as error:
            self._fault = fault_of(error)
