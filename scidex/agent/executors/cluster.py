"""What is asked of Ray, in one place: a worker for one run, on a node that has room for it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from scidex.agent.executors.guard import order_of
from scidex.agent.executors.local import LocalExecutor
from scidex.agent.executors.parcels import Parcel, pack, unpack
from scidex.agent.executors.runs import CommandRun, RunResult
from scidex.errors import ExecutorUnavailable, InvalidArgument

_CONNECT_SECONDS = 5.0
_LOOK_SECONDS = 0.25
_NAMES = {"cpus": "num_cpus", "gpus": "num_gpus", "memory_bytes": "memory"}
_connecting = threading.Lock()


class ClusterLost(Exception):
    """A run's worker or node died under it."""


def connect(address: str) -> None:
    """
    Join a Ray cluster, `host:port` of its head, once for this process.

    Raises InvalidArgument for what is no such address, ExecutorUnavailable where Ray is not installed or the cluster
    does not answer.
    """
    _assert_answers(address)
    try:
        import ray  # noqa: PLC0415  (an extra, and slow to load)
    except ImportError as error:
        raise ExecutorUnavailable(fact="Ray is not installed: pip install 'scidex[ray]'") from error
    with _connecting:
        if ray.is_initialized():
            return
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False)
        except Exception as error:
            raise ExecutorUnavailable(address=address, fact=str(error)) from error


def _assert_answers(address: str) -> None:
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isdecimal() and 0 < int(port) < 2**16):
        raise InvalidArgument(field="address", value=address, fact="must be host:port of a Ray cluster's head")
    # Ray itself would look for a head that is not there for minutes.
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except OSError as error:
        raise ExecutorUnavailable(address=address, fact=f"no Ray cluster answers: {error}") from error


class Place:
    """Room on some node for one run, from when Ray finds it until it is left."""

    def __init__(self, needs: Mapping[str, float], most_silence_seconds: float) -> None:
        import ray  # noqa: PLC0415

        own = {name: amount for name, amount in needs.items() if name not in _NAMES and amount}
        asked: dict[str, Any] = {_NAMES[name]: amount for name, amount in needs.items() if name in _NAMES}
        options = {"num_cpus": 0, **asked, "resources": own, "max_restarts": 0, "max_concurrency": 3}
        try:
            self._worker = ray.remote(RunWorker).options(**options).remote(most_silence_seconds)
        except (ValueError, TypeError, AssertionError) as error:
            raise ClusterLost(str(error)) from error
        self._ready = Answer(self._worker.ready.remote())

    def is_there(self, seconds: float) -> bool:
        """Wait so long for room; return whether there is. Raises ClusterLost."""
        return self._ready.is_there(seconds) and bool(self._ready.get())

    def run(self, run: CommandRun, local: LocalExecutor, files: Mapping[str, bytes]) -> Answer:
        """Begin the run there."""
        return Answer(self._worker.run.remote(run, local, files))

    def stop(self) -> None:
        """Ask the run there to end."""
        self._worker.stop.remote()

    def say_that_somebody_waits(self) -> None:
        """Keep the run from being taken for one that nobody waits for."""
        self._worker.hear.remote()

    def leave(self) -> None:
        """Make the room free for others. What still runs there is ended by its guard."""
        import ray  # noqa: PLC0415

        with suppress(Exception):
            ray.kill(self._worker, no_restart=True)


class Answer:
    """What a worker will answer."""

    def __init__(self, reference: Any) -> None:
        self._reference = reference

    def is_there(self, seconds: float) -> bool:
        """Wait so long for the answer; return whether it came."""
        import ray  # noqa: PLC0415

        ready, _ = ray.wait([self._reference], timeout=seconds)
        return bool(ready)

    def get(self) -> Any:
        """Return the answer. Raises ClusterLost where whoever should give it is gone."""
        import ray  # noqa: PLC0415

        try:
            return ray.get(self._reference)
        except ray.exceptions.RayError as error:
            raise ClusterLost(" ".join(str(error).split())[:300]) from error


class RunWorker:
    """
    A Ray actor on some node: it lives for one run, and the run not a moment longer.

    It ends itself, and so the run, when its node's Ray is gone, or nothing was heard for `most_silence_seconds` of
    whoever waits for it: Ray would let it finish what it does.
    """

    def __init__(self, most_silence_seconds: float) -> None:
        self._heard_at = time.monotonic()
        self._most_silence_seconds = most_silence_seconds
        threading.Thread(target=self._watch, args=(os.getppid(),), daemon=True).start()
        self._guard: subprocess.Popen[bytes] | None = None
        self._is_told_to_stop = False
        self._telling = threading.Lock()

    def ready(self) -> bool:
        """Answer, once there is room."""
        return True

    def hear(self) -> None:
        """Know that somebody waits for the run."""
        self._heard_at = time.monotonic()

    def run(self, run: CommandRun, local: LocalExecutor, files: Mapping[str, bytes]) -> Parcel:
        """Run a command under a guard, in its directory, which is made here where this node does not share it."""
        is_shared = run.directory.is_dir()
        try:
            unpack(files, run.directory)
            result = self._guarded(run, local)
            return Parcel(result, {} if is_shared else _changed(run.directory, files))
        except OSError as error:
            return Parcel(RunResult.without_output("lost", f"the node could not run it: {error}"), {})
        finally:
            if not is_shared:
                shutil.rmtree(run.directory, ignore_errors=True)

    def stop(self) -> None:
        """End the run politely."""
        with self._telling:
            self._is_told_to_stop = True
            if self._guard is not None:
                _tell_to_end(self._guard)

    def _watch(self, raylet: int) -> None:
        while os.getppid() == raylet and time.monotonic() < self._heard_at + self._most_silence_seconds:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    def _guarded(self, run: CommandRun, local: LocalExecutor) -> RunResult:
        # If this worker is killed the pipe closes, and the guard, which is not its child, ends the run.
        with subprocess.Popen(
            [sys.executable, "-m", "scidex.agent.executors.guard"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        ) as guard:
            assert guard.stdin is not None
            assert guard.stdout is not None
            guard.stdin.write(order_of(run, local))
            with self._telling:
                self._guard = guard
                if self._is_told_to_stop:
                    _tell_to_end(guard)
            return _result(guard.stdout.read())


def _tell_to_end(guard: subprocess.Popen[bytes]) -> None:
    with suppress(OSError, ValueError):  # it has ended already
        assert guard.stdin is not None
        guard.stdin.write(b"end\n")


def _result(said: bytes) -> RunResult:
    try:
        return RunResult(**json.loads(said))
    except (ValueError, TypeError):
        return RunResult.without_output("lost", "the process that guarded it was ended")


def _changed(directory: Path, before: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in pack(directory).items() if before.get(name) != content}
