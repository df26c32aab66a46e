"""Reads a program's own account of a run: what it printed, or wrote into a file of its run's directory."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from scidex.agent.endings import Word
from scidex.agent.executors import RunResult
from scidex.agent.meters import PlainMeter, Usage, unknown
from scidex.agent.meters.programs import Program, codex
from scidex.agent.meters.said import Said, charged_once
from scidex.agent.meters.sessions import SessionBook
from scidex.agent.workplace import Workplace, read_text

_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class PrintedMeter(PlainMeter):
    """
    Reads by a program's own format what a run printed, or with `file` what it wrote there.

    Output of which a part was not kept says nothing of usage: what is missing would count as 0.
    """

    program: Program
    file: str | None = None
    sessions: SessionBook = field(default_factory=SessionBook)

    def word(self, place: Workplace, result: RunResult) -> Word:
        """Return what the program says of the run's end, and of its provider's windows. Never raises."""
        try:
            text = self._text(place, result)
        except (OSError, ValueError):
            text = ""
        return self.program.word(text, result.stderr, datetime.now(UTC))

    def is_cut(self, place: Workplace, result: RunResult) -> bool:
        """Whether a part of what the program says was not kept, so that its silence means nothing."""
        return self.file is None and place.is_cut(result)

    def read(self, place: Workplace, result: RunResult) -> Usage:
        """Return what the run says it used; `none` and no number where it does not. Never raises."""
        where = "output" if self.file is None else f"file {self.file}"
        try:
            if self.is_cut(place, result):
                raise ValueError("is longer than what was kept of it")
            said = self._said(place, self._text(place, result))
            return self._charged(said, place.assignment.assignment_id)
        except FileNotFoundError:
            return unknown(f"the {where} was not written", meter=self.program.meter)
        except (OSError, ValueError) as error:
            return unknown(f"the {where} {error}", meter=self.program.meter)

    def _said(self, place: Workplace, text: str) -> Said:
        return self.program.usage(text)

    def _charged(self, said: Said, run_id: str) -> Usage:
        before = self.sessions.before(self.program.meter, said.sessions, run_id)
        usage = charged_once(said, before)
        self.sessions.keep(self.program.meter, said.sessions, run_id, before)
        return usage

    def _text(self, place: Workplace, result: RunResult) -> str:
        return place.printed(result) if self.file is None else read_text(place.works_in / self.file)


@dataclass(frozen=True)
class CodexMeter(PrintedMeter):
    """Reads Codex: what it printed, and where a turn was cut off, the rollouts that it keeps of its threads."""

    def word(self, place: Workplace, result: RunResult) -> Word:
        """Return what Codex says of the run's end; its rollouts say what it heard of its provider's windows."""
        word = super().word(place, result)
        with suppress(OSError, ValueError):
            for text in self._rollouts(place, self._text(place, result)).values():
                word = replace(word, windows=codex.windows_of_rollout(text, datetime.now(UTC)))
        return word

    def _said(self, place: Workplace, text: str) -> Said:
        try:
            return self.program.usage(text)
        except ValueError:
            rollouts = self._rollouts(place, text)
            if not rollouts:
                raise
        return codex.of_rollouts(rollouts)

    def _rollouts(self, place: Workplace, text: str) -> dict[str, str]:
        """Return the rollouts of all threads of a run; none where one of them is not found."""
        threads = codex.threads(text)
        files = {thread_id: file for thread_id in threads if (file := _rollout_of(thread_id, place)) is not None}
        return {thread_id: read_text(file) for thread_id, file in files.items()} if len(files) == len(threads) else {}


_THREAD_ID = re.compile(r"[0-9A-Za-z-]{8,64}")


def _rollout_of(thread_id: str, place: Workplace) -> Path | None:
    homes = [place.works_in / ".codex", Path.home() / ".codex"]
    if named := os.environ.get("CODEX_HOME"):
        homes.insert(1, Path(named))
    if not _THREAD_ID.fullmatch(thread_id):
        return None
    for home in homes:
        for file in sorted(home.glob(f"sessions/*/*/*/rollout-*{thread_id}.jsonl")):
            return file
    return None


@dataclass(frozen=True)
class TrajectoryMeter(PrintedMeter):
    """
    Reads a file that is written anew after every step, and remembers its last whole state while the run lasts.

    A run that is killed while it writes leaves an empty file, or half of one.
    """

    _whole: dict[Path, str] = field(default_factory=dict, repr=False)

    @contextmanager
    def watching(self, place: Workplace, max_seconds: float) -> Iterator[Mapping[str, str]]:
        """Look at the file again and again; ask nothing of the run."""
        over = threading.Event()
        looks = threading.Thread(target=self._look, args=(place, over), daemon=True)
        looks.start()
        try:
            yield {}
        finally:
            over.set()
            looks.join()
            self._whole.pop(place.directory, None)

    def _look(self, place: Workplace, over: threading.Event) -> None:
        file, seen = place.works_in / (self.file or ""), 0
        while not over.wait(_LOOK_SECONDS):
            with suppress(OSError, ValueError):
                changed = file.stat().st_mtime_ns
                if changed != seen:
                    text = read_text(file)
                    self.program.usage(text)
                    self._whole[place.directory], seen = text, changed

    def _text(self, place: Workplace, result: RunResult) -> str:
        try:
            text = super()._text(place, result)
            self.program.usage(text)
        except (OSError, ValueError):
            if place.directory not in self._whole:
                raise
            return self._whole[place.directory]
        return text
