"""What a command writes: its beginning and end within bounds, and on request all of it in a file."""

from __future__ import annotations

import logging
import os
from collections import deque
from pathlib import Path
from typing import IO

_log = logging.getLogger(__name__)


class BoundedOutput:
    """The beginning and the end of a stream, at most `most_bytes` of it, and how long it was."""

    def __init__(self, most_bytes: int) -> None:
        self._most_head = most_bytes // 2
        self._most_tail = most_bytes - self._most_head
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self.total_bytes = 0

    def add(self, data: bytes) -> None:
        """Take in the next piece."""
        self.total_bytes += len(data)
        room = self._most_head - len(self._head)
        self._head += data[:room]
        if rest := data[room:]:
            self._tail.append(rest)
            self._tail_bytes += len(rest)
        while self._tail and self._tail_bytes - len(self._tail[0]) >= self._most_tail:
            self._tail_bytes -= len(self._tail.popleft())

    def text(self) -> str:
        """Return what was kept, with a line where something was left out."""
        tail = b"".join(self._tail)[-self._most_tail :]
        left_out = self.total_bytes - len(self._head) - len(tail)
        cut = f"\n[… {left_out} bytes left out …]\n".encode() if left_out else b""
        return (bytes(self._head) + cut + tail).decode(errors="replace")


class Transcript:
    """A new file that takes in all of a stream; where it cannot, nothing of it is left, and the run goes on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        try:
            # A first attempt elsewhere may have left one.
            path.unlink(missing_ok=True)
            # Unbuffered: it is read while the run lasts.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            self._file = os.fdopen(descriptor, "wb", buffering=0)
        except OSError as error:
            _log.warning("what a run prints is not kept whole: %s", error)

    def add(self, data: bytes) -> None:
        """Take in the next piece."""
        if self._file is None:
            return
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            _log.warning("what a run prints is not kept whole: %s", error)
            self.close()
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; what is in it stays."""
        if self._file is not None:
            self._file.close()
            self._file = None
