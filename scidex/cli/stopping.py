"""Stopping cleanly: the first signal asks, the second one insists."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_SECONDS = 0.5


class _Stop(threading.Event):
    """An event for which the main thread may wait without end, though a signal is what sets it."""

    def wait(self, timeout: float | None = None) -> bool:
        # The system may give a signal to any thread, above all in a process that is busy or was frozen. Its handler
        # runs in the main thread all the same, and only once that one is awake.
        ends_at = math.inf if timeout is None else time.monotonic() + timeout
        while not super().wait(max(0.0, min(_LOOK_SECONDS, ends_at - time.monotonic()))):
            if time.monotonic() >= ends_at:
                return False
        return True


@contextmanager
def stop_signal() -> Iterator[threading.Event]:
    """Give an event that is set by Ctrl-C, SIGTERM or a lost terminal; a second signal interrupts at once."""
    stop = _Stop()

    def told(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, told) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
