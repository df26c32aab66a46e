"""The processes of one run: those of its group, and those that slipped out of it."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import Popen

_PROC = Path("/proc")
_PAGE_BYTES = resource.getpagesize()
_LOOK_SECONDS = 0.02
# A process may fork while it is being killed, so those found are killed again until none is found.
_MOST_KILLS = 200


class RunProcesses:
    """
    Every process of one run: the group that the command leads, and where /proc tells, whoever carries its mark.

    The mark is a variable in the environment that children inherit, so that a child in a session of its own is found.
    """

    def __init__(self, leader: Popen[bytes], mark: str) -> None:
        self._leader = leader
        self._mark = mark.encode()

    def leader_has_ended(self) -> bool:
        """Tell whether the command has ended, without collecting it: while it is not, its number is nobody else's."""
        if self._leader.returncode is not None:
            return True
        flags = os.WEXITED | os.WNOWAIT | os.WNOHANG
        return os.waitid(os.P_PID, self._leader.pid, flags) is not None

    def end(self, grace_seconds: float) -> int:
        """
        End all: politely, then for good. Collect the command, and return how many others were alive.

        What handles SIGTERM has `grace_seconds` to clean up after itself.
        """
        others = [pid for pid in self._alive() if pid != self._leader.pid]
        if others or not self.leader_has_ended():
            self._signal_all(signal.SIGTERM)
            self._wait_for_end(grace_seconds)
            self._kill_all()
        self._leader.wait()
        return len(others)

    def limit(self, limits: dict[int, int]) -> None:
        """Put limits on resources, by their numbers, on every process of the run; those they start inherit them."""
        # The command first: what it starts from then on has the limits; what it started before is found after it.
        for pid in [self._leader.pid, *self._alive()]:
            for number, most in limits.items():
                with suppress(ProcessLookupError, PermissionError):
                    resource.prlimit(pid, number, (most, most + 1))  # told first, by SIGXCPU, then killed

    def memory_bytes(self) -> int:
        """Return the memory that the run's processes hold together, pages they share counted for each."""
        return sum(map(_resident_bytes, self._alive()))

    def _wait_for_end(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._alive() and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)

    def _kill_all(self) -> None:
        self._signal_all(signal.SIGKILL)
        for _ in range(_MOST_KILLS):
            if not self._alive():
                return
            self._signal_all(signal.SIGKILL)
            time.sleep(_LOOK_SECONDS)

    def _signal_all(self, number: signal.Signals) -> None:
        # Each gets the signal once: a second SIGTERM can cut short the cleaning up that the first began.
        strays = [pid for pid, group in self._alive().items() if group != self._leader.pid]
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._leader.pid, number)
        for pid in strays:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    def _alive(self) -> dict[int, int]:
        """Return the living processes of the run, each with its group."""
        if not _PROC.is_dir():
            return {} if self.leader_has_ended() else {self._leader.pid: self._leader.pid}
        return {pid: group for pid, group in _groups() if group == self._leader.pid or self._is_marked(pid)}

    def _is_marked(self, pid: int) -> bool:
        try:
            return self._mark in (_PROC / str(pid) / "environ").read_bytes()
        except OSError:  # it ended meanwhile, or belongs to somebody else
            return False


def _resident_bytes(pid: int) -> int:
    try:
        return int((_PROC / str(pid) / "statm").read_bytes().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):  # it ended meanwhile
        return 0


def _groups() -> Iterator[tuple[int, int]]:
    """Yield every living process and its group."""
    for place in _PROC.iterdir():
        if not place.name.isdigit():
            continue
        with suppress(OSError, ValueError):
            # The name in brackets may hold anything; state, parent and group follow its last bracket.
            state, _, group = (place / "stat").read_bytes().rpartition(b")")[2].split()[:3]
            if state not in (b"Z", b"X"):
                yield int(place.name), int(group)
