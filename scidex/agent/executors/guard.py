"""
A process between a run and whoever asked for it: when the asker is gone, however it went, the run is ended.

`python -m scidex.agent.executors.guard` reads one line of JSON that says what to run, runs it as the local executor
does, and prints the result as JSON. A second line asks it to end the run politely; the end of its input means that
nobody is there any more, and ends the run at once.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import asdict
from io import FileIO
from pathlib import Path
from typing import Any

from scidex.agent.executors.local import LocalExecutor
from scidex.agent.executors.runs import CommandRun, RunResult


def order_of(run: CommandRun, executor: LocalExecutor) -> bytes:
    """Return the line that asks a guard for a run under an executor's limits."""
    told = {**asdict(run), "environment": dict(run.environment), "needs": {}}
    limits = {**asdict(executor), "environment": list(executor.environment)}
    return json.dumps({"run": told, "limits": limits}, default=os.fspath).encode() + b"\n"


def guard(asker: FileIO) -> RunResult:
    """Run what the asker's first line says, until it ends or the asker wants it ended, or is gone."""
    order: dict[str, Any] = json.loads(asker.readline())
    paths = {name: Path(order["run"][name]) for name in ("directory", "works_in") if order["run"][name] is not None}
    run = CommandRun(**{**order["run"], **paths})
    executor = _Abandonable(**order["limits"])
    stop = threading.Event()
    threading.Thread(target=_listen, args=(asker, executor, stop), daemon=True).start()
    return executor.run(run, stop)


class _Abandonable(LocalExecutor):
    """A local executor whose runs get no time to clean up once nobody waits for them."""

    def abandon(self) -> None:
        # Another copy of the task may begin elsewhere: this one must be gone by then.
        object.__setattr__(self, "grace_seconds", 0.0)


def _listen(asker: FileIO, executor: _Abandonable, stop: threading.Event) -> None:
    if not asker.readline():
        executor.abandon()
    stop.set()


def main() -> None:
    """Guard one run, and print what came of it."""
    # A child of nobody who asks: Ray kills a worker's children with it, and this one must live to end the run.
    if os.fork():
        os._exit(0)
    os.setsid()
    # Unbuffered: the thread that still waits for input at the end would hold the lock of a buffer.
    result = guard(FileIO(os.dup(sys.stdin.fileno())))
    sys.stdout.write(json.dumps(asdict(result)))


if __name__ == "__main__":
    main()
