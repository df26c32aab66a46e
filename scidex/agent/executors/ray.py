"""Runs commands on a Ray cluster, each on a node with room for what it needs, and outlives the deaths of nodes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from scidex.agent.executors.cluster import Answer, ClusterLost, Place, connect
from scidex.agent.executors.local import LocalExecutor
from scidex.agent.executors.parcels import Parcel, pack, unpack
from scidex.agent.executors.runs import CommandRun, RunResult

_LOOK_SECONDS = 0.1
# What a dead node's worker had running is killed by its guard within this time; only then may it begin elsewhere.
_PAUSE_SECONDS = 1.0
# A node that keeps its time limit says so soon after; one that does not is not waited for.
_MOST_LATE_SECONDS = 30.0
_WORDS_A_SILENCE = 5


@dataclass(frozen=True)
class RayExecutor:
    """
    Runs commands on a Ray cluster, as the local executor does on the node that Ray chooses.

    `needs` are what a run asks of a node that names nothing itself: `cpus`, `gpus`, `memory_bytes` and a cluster's own
    resources. A run whose worker or node dies is begun again, at most `most_restarts` times and within its time; one
    that finds no room within `most_wait_seconds` is lost, and so given back. Variables in `forwarded` are taken from
    this process's environment, those of `local` from the node's. A run whose agent is not heard of for
    `most_silence_seconds` ends itself. The lease stays the record of who runs a task.
    """

    address: str
    local: LocalExecutor = field(default_factory=LocalExecutor)
    needs: Mapping[str, float] = field(default_factory=lambda: {"cpus": 1.0})
    forwarded: tuple[str, ...] = ()
    most_wait_seconds: float = 300.0
    most_restarts: int = 2
    most_silence_seconds: float = 15.0

    def __post_init__(self) -> None:
        connect(self.address)

    def run(self, run: CommandRun, stop: threading.Event | None = None) -> RunResult:
        """Run a command to its end, its limits, or until `stop` is set; nothing of it is left running. Never raises."""
        began = time.monotonic()
        stop = stop or threading.Event()
        sent = self._as_sent(run)
        try:
            run.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            return RunResult.without_output("not_started", f"its directory could not be made: {error}")
        restarts = 0
        while True:
            left = began + self.most_wait_seconds + run.max_seconds - time.monotonic()
            try:
                return self._attempt(replace(sent, max_seconds=min(run.max_seconds, left)), stop)
            except ClusterLost as error:
                lost = str(error)
            restarts += 1
            if restarts > self.most_restarts or left <= 0:
                return RunResult.without_output("lost", f"the cluster lost it: {lost}", time.monotonic() - began)
            if stop.wait(_PAUSE_SECONDS):
                return _stopped(time.monotonic() - began)

    def _as_sent(self, run: CommandRun) -> CommandRun:
        forwarded = {name: os.environ[name] for name in self.forwarded if name in os.environ}
        return replace(run, environment={**forwarded, **run.environment}, needs={**self.needs, **run.needs})

    def _attempt(self, run: CommandRun, stop: threading.Event) -> RunResult:
        """Run a command once. Raises ClusterLost where its place died under it."""
        began = time.monotonic()
        place = Place(run.needs, self.most_silence_seconds)
        try:
            if _until(place.is_there, stop, self.most_wait_seconds):
                return self._waited_for(place.run(run, self.local, pack(run.directory)), place, run, stop)
            if stop.is_set():
                return _stopped(time.monotonic() - began)
            reason = f"no node had room for it within {self.most_wait_seconds:g} s: {_told(run.needs)}"
            return RunResult.without_output("lost", reason, time.monotonic() - began)
        finally:
            place.leave()

    def _waited_for(self, parcel: Answer, place: Place, run: CommandRun, stop: threading.Event) -> RunResult:
        late_at = time.monotonic() + run.max_seconds + self.local.grace_seconds + _MOST_LATE_SECONDS
        speak_at = 0.0
        while not parcel.is_there(_LOOK_SECONDS):
            now = time.monotonic()
            if stop.is_set():
                return self._ended(parcel, place, run)
            if now >= late_at:
                raise ClusterLost("its node does not answer")
            if now >= speak_at:
                place.say_that_somebody_waits()
                speak_at = now + self.most_silence_seconds / _WORDS_A_SILENCE
        return _opened(parcel.get(), run)

    def _ended(self, parcel: Answer, place: Place, run: CommandRun) -> RunResult:
        """Ask a run to end, and return what came of it; one whose worker does not answer is killed with it."""
        with suppress(ClusterLost):
            place.stop()
            if parcel.is_there(self.local.grace_seconds + 5.0):
                return _opened(parcel.get(), run)
        return _stopped(0.0)


def _until(is_there: Callable[[float], bool], stop: threading.Event, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not is_there(_LOOK_SECONDS):
        if stop.is_set() or time.monotonic() >= deadline:
            return False
    return True


def _opened(parcel: Parcel, run: CommandRun) -> RunResult:
    try:
        unpack(parcel.files, run.directory)
    except OSError as error:
        return replace(parcel.result, reason=f"{parcel.result.reason}; its files could not be kept: {error}")
    return parcel.result


def _stopped(seconds: float) -> RunResult:
    return RunResult.without_output("stopped", "ended because the agent stops", seconds)


def _told(needs: Mapping[str, float]) -> str:
    return ", ".join(f"{amount:g} {name}" for name, amount in sorted(needs.items()) if amount)
