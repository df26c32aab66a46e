"""Stopping cleanly: the first signal asks, the second one insists."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_SECONDS = 0.5


@contextmanager
def stop_signal() -> Iterator[threading.Event]:
    """Give an event that is set by Ctrl-C, SIGTERM or a lost terminal; a second signal interrupts at once."""
    stop = threading.Event()

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


def wait_for_stop(stop: threading.Event) -> None:
    """Return once `stop` is set, by a signal or otherwise."""
    # The system may hand a signal to any thread, above all in a process that was frozen. Its handler runs in the main
    # thread all the same, and only once that one is awake.
    while not stop.wait(_LOOK_SECONDS):
        pass
