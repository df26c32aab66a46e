"""Runs a command as a process of this machine, and sees to it that it ends, with all that it started."""

from __future__ import annotations

import os
import resource
import secrets
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import IO

from scidex.agent.executors.output import BoundedOutput, Transcript
from scidex.agent.executors.processes import RunProcesses
from scidex.agent.executors.runs import CommandRun, Ended, RunResult
from scidex.errors import InvalidArgument, shown

# What commands need in order to find programs, home and language. Anything else, above all the address of a database
# or a key, reaches a command only when the operator names it.
ENVIRONMENT = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
)

_MARK = "SCIDEX_RUN"
_LOOK_SECONDS = 0.05
# A command closes its output a moment before it ends.
_LAST_LOOK_SECONDS = 0.005
# Adding up what all of a run's processes hold reads /proc, so it is done less often.
_WEIGH_SECONDS = 0.25
_PIECE_BYTES = 65_536


@dataclass(frozen=True)
class LocalExecutor:
    """
    Runs commands as processes of this machine, each in a session of its own and without a shell.

    Of each stream `kept_bytes` are kept; a run that writes more than `most_output_bytes` in all is ended. Whatever
    still lives at its end gets SIGTERM, and SIGKILL after `grace_seconds`. Of the environment only the variables named
    in `environment` are passed on.

    `cpu_seconds` and `memory_bytes` are limits of the system's for each process of a run; a run whose processes
    together hold more than `memory_bytes` is ended too. Raises InvalidArgument where the system has no such limits.
    """

    environment: Iterable[str] = ENVIRONMENT
    kept_bytes: int = 256 * 1024
    most_output_bytes: int = 64 * 1024 * 1024
    grace_seconds: float = 2.0
    cpu_seconds: int | None = None
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        for name in ("cpu_seconds", "memory_bytes"):
            if getattr(self, name) is not None and not hasattr(resource, "prlimit"):
                raise InvalidArgument(field=name, value=getattr(self, name), fact="needs Linux, which has such limits")

    def run(self, run: CommandRun, stop: threading.Event | None = None) -> RunResult:
        """Run a command to its end, its limits, or until `stop` is set; nothing of it is left running. Never raises."""
        began = time.monotonic()
        mark = f"{_MARK}={secrets.token_hex(16)}"
        try:
            leader = self._start(run, mark)
        except (OSError, ValueError, UnicodeError) as error:
            return RunResult.without_output("not_started", _why_not_started(run, error))
        transcript = Transcript(run.directory / run.transcript) if run.transcript else None
        watch = _Watch(leader, RunProcesses(leader, mark), self, transcript)
        try:
            watch.processes.limit(self._limits())
            ended = watch.until_it_ends(began + run.max_seconds, stop)
        finally:
            left_behind = watch.finish()
        return RunResult(
            ended=ended,
            exit_code=leader.returncode,
            stdout=watch.stdout.text(),
            stderr=watch.stderr.text(),
            output_bytes=watch.output_bytes,
            left_behind=left_behind,
            seconds=time.monotonic() - began,
            reason=_reason(ended, leader.returncode, run, self),
        )

    def _limits(self) -> dict[int, int]:
        limits = {resource.RLIMIT_CPU: self.cpu_seconds, resource.RLIMIT_DATA: self.memory_bytes}
        return {number: most for number, most in limits.items() if most is not None}

    def _start(self, run: CommandRun, mark: str) -> subprocess.Popen[bytes]:
        if not run.command:
            raise ValueError("it has no words")
        run.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        passed_on = {name: os.environ[name] for name in self.environment if name in os.environ}
        name, _, value = mark.partition("=")
        return subprocess.Popen(  # noqa: S603  (the words of the command go to the system as they are, not to a shell)
            list(run.command),
            cwd=run.works_in or run.directory,
            env={**passed_on, **run.environment, name: value},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )


@dataclass
class _Watch:
    """Reads what a command writes until it ends or must be ended."""

    leader: subprocess.Popen[bytes]
    processes: RunProcesses
    limits: LocalExecutor
    transcript: Transcript | None = None
    stdout: BoundedOutput = field(init=False)
    stderr: BoundedOutput = field(init=False)

    def __post_init__(self) -> None:
        self.stdout = BoundedOutput(self.limits.kept_bytes)
        self.stderr = BoundedOutput(self.limits.kept_bytes)
        self._weighed_at = 0.0
        self._selector = selectors.DefaultSelector()
        for pipe, output in zip(self._pipes(), (self.stdout, self.stderr), strict=True):
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ, output)

    @property
    def output_bytes(self) -> int:
        return self.stdout.total_bytes + self.stderr.total_bytes

    def until_it_ends(self, deadline: float, stop: threading.Event | None) -> Ended:
        """Wait for the end, and say which one it was. The command may still be alive where it must be ended."""
        while not self.processes.leader_has_ended():
            if time.monotonic() >= deadline:
                return "timed_out"
            if stop is not None and stop.is_set():
                return "stopped"
            self._read(min(_LOOK_SECONDS, max(0.0, deadline - time.monotonic())))
            if self.output_bytes > self.limits.most_output_bytes:
                return "flooded"
            if self._weighs_too_much():
                return "swollen"
        return "exited"

    def finish(self) -> int:
        """End what is left, take in what it last wrote, and return how many processes were left behind."""
        left_behind = self.processes.end(self.limits.grace_seconds)
        # Nobody writes any more; a pipe that a stranger keeps open must not keep us waiting.
        while self._read(0.0) and self.output_bytes <= self.limits.most_output_bytes:
            pass
        self._selector.close()
        for pipe in self._pipes():
            pipe.close()
        if self.transcript is not None:
            self.transcript.close()
        return left_behind

    def _weighs_too_much(self) -> bool:
        now, most = time.monotonic(), self.limits.memory_bytes
        if most is None or now < self._weighed_at + _WEIGH_SECONDS:
            return False
        self._weighed_at = now
        return self.processes.memory_bytes() > most

    def _pipes(self) -> list[IO[bytes]]:
        return [pipe for pipe in (self.leader.stdout, self.leader.stderr) if pipe is not None]

    def _read(self, seconds: float) -> bool:
        """Take in what is there, waiting so long for it; return whether anything came."""
        if not self._selector.get_map():
            time.sleep(min(seconds, _LAST_LOOK_SECONDS))
            return False
        ready = self._selector.select(seconds)
        for key, _ in ready:
            self._take(key.fileobj, key.data)  # type: ignore[arg-type]
        return bool(ready)

    def _take(self, pipe: IO[bytes], output: BoundedOutput) -> None:
        piece = pipe.read(_PIECE_BYTES)
        if piece:
            output.add(piece)
            if self.transcript is not None and output is self.stdout:
                self.transcript.add(piece)
        elif piece == b"":
            self._selector.unregister(pipe)


def _reason(ended: Ended, exit_code: int, run: CommandRun, limits: LocalExecutor) -> str:
    match ended:
        case "timed_out":
            return f"ended after {run.max_seconds:g} s: its time was up"
        case "flooded":
            return f"ended because it wrote more than {limits.most_output_bytes} bytes"
        case "swollen":
            return f"ended because it held more than {limits.memory_bytes} bytes of memory"
        case "stopped":
            return "ended because the agent stops"
        case _ if exit_code == -signal.SIGXCPU:
            return f"ended after {limits.cpu_seconds} s of CPU time"
        case _:
            return f"exited with {exit_code}" if exit_code >= 0 else f"ended by signal {-exit_code}"


def _why_not_started(run: CommandRun, error: Exception) -> str:
    name = run.command[0] if run.command else ""
    return f"could not start {shown(name)}: {shown(str(error))}"
