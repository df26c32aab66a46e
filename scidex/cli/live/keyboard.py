"""Keys of a terminal, one at a time and without an echo."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_NAMES = {
    "\x1b[A": "up",
    "\x1bOA": "up",
    "\x1b[B": "down",
    "\x1bOB": "down",
    "k": "up",
    "j": "down",
    "\r": "enter",
    "\n": "enter",
    "\t": "tab",
}

NextKey = Callable[[float], str]


@contextmanager
def keys() -> Iterator[NextKey]:
    """Give what waits for a key, at most so many seconds, and returns its name; '' where none came."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)

    def next_key(seconds: float) -> str:
        ready, _, _ = select.select([terminal], [], [], seconds)
        if not ready:
            return ""
        # A key such as an arrow comes as several bytes at once; the end of input quits.
        typed = os.read(terminal, 16).decode(errors="replace")
        return _NAMES.get(typed, typed) or "q"

    try:
        tty.setcbreak(terminal)
        yield next_key
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
