"""Background loops: each is a thread that takes turns from `start` until `stop`, which waits for its end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from scidex.errors import ScidexError

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.1
_MOST_PAUSE_SECONDS = 1.0


class Loop:
    """
    Takes turns until it is stopped. A turn returns after how many seconds the next one is due; None: when it is woken.

    A turn that raises is logged and tried again after a pause. One that waits for something is given `interrupt`, which
    is called once at the end so that it need not be waited for. Safe to share between threads.
    """

    def __init__(
        self,
        name: str,
        turn: Callable[[], float | None],
        *,
        begins_after: float = 0.0,
        interrupt: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self._turn = turn
        self._begins_after = begins_after
        self._interrupt = interrupt
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None
        self._failures = 0
        self.is_over = False

    def start(self) -> Loop:
        """Begin to take turns, once; one that was stopped stays so."""
        with self._lock:
            if self._thread is None and not self.is_over:
                self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
                self._thread.start()
        return self

    def wake(self) -> None:
        """Take the next turn now, or right after the one that is being taken."""
        self._woken.set()

    def stop(self) -> None:
        """Take no further turn, and wait until the one that is being taken has ended."""
        with self._lock:
            is_first, self.is_over = not self.is_over, True
        self._woken.set()
        if is_first and self._interrupt is not None:
            self._interrupt()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Loop:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        pause: float | None = self._begins_after
        while not self.is_over:
            self._woken.wait(pause)
            self._woken.clear()
            if not self.is_over:
                pause = self._turn_or_pause()

    def _turn_or_pause(self) -> float | None:
        try:
            due = self._turn()
        except Exception as error:  # the database may be away; the loop must outlive that
            self._failures += 1
            self._log(error)
            return min(_FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures - 1, 10), _MOST_PAUSE_SECONDS)
        self._failures = 0
        return due

    def _log(self, error: Exception) -> None:
        """Log the first, second, fourth and so on of failures in a row; what nobody expected with its traceback."""
        if self._failures & (self._failures - 1) == 0:
            is_odd = self._failures == 1 and not isinstance(error, ScidexError)
            _LOG.error("%s: a turn failed (%d in a row): %r", self.name, self._failures, error, exc_info=is_odd)
