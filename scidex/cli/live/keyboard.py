"""Keys of a terminal, one at a time and without an echo."""

from __future__ import annotations

import os
import re
import select
import sys
import termios
import tty
from collections import deque
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

_KEY = re.compile(r"\x1b[\[O].|.", re.DOTALL)
NextKey = Callable[[float], str]


@contextmanager
def keys() -> Iterator[NextKey]:
    """Give what waits for a key, at most so many seconds, and returns its name; '' where none came."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)

    waiting: deque[str] = deque()

    def next_key(seconds: float) -> str:
        if not waiting:
            ready, _, _ = select.select([terminal], [], [], seconds)
            if not ready:
                return ""
            # Keys that are held down come several at once, each as one character or more. The end of input quits.
            waiting.extend(_KEY.findall(os.read(terminal, 256).decode(errors="replace")) or ["q"])
        typed = waiting.popleft()
        return _NAMES.get(typed, typed)

    try:
        tty.setcbreak(terminal)
        yield next_key
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
