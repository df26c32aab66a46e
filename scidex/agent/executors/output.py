"""What a command writes, kept within bounds."""

from __future__ import annotations

from collections import deque


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
