"""The directory that a task's command works in, and what it finds there and leaves there."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scidex.agent.executors import RunResult
from scidex.agent.worktrees import Worktree, Worktrees
from scidex.records import Assignment

_USAGE_NAME = "usage.json"
_TASK_NAME = "task.json"
_TREE_NAME = "tree"
_RESULT_NAME = "result.json"
_PULL_REQUEST_NAME = "pull_request"
_RETRY_AT_NAME = "retry_at"
# What a command prints, while it prints it; a name that no command is likely to use itself.
TRANSCRIPT_NAME = ".scidex-stdout"
# What the executor leaves in the place of what it did not keep.
_CUT = re.compile(r"^\[… \d+ bytes left out …\]$", re.MULTILINE)
_MOST_FILE_BYTES = 1_000_000
_MOST_TEXT_BYTES = 64_000_000


@dataclass(frozen=True)
class Workplace:
    """
    One run's directory, made new for it under the agent's own.

    The command finds its task there (`$SCIDEX_TASK_FILE`, JSON) and may leave its usage (`$SCIDEX_USAGE_FILE`)
    and the address of its pull request (`$SCIDEX_PULL_REQUEST_FILE`). One that says "not now" (exit code 75) may leave
    the time to try again (`$SCIDEX_RETRY_AT_FILE`). How it ended is added for the evaluator (`$SCIDEX_RESULT_FILE`).
    """

    directory: Path
    assignment: Assignment
    # The checkout that the command works in, beside the files of its run; without one it works in the directory.
    tree: Worktree | None = None
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def prepare(cls, root: Path, assignment: Assignment, worktrees: Worktrees | None = None) -> Workplace:
        """Make the directory, with a worktree of a repository if there is one, and the task in it. Raises OSError."""
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory = Path(tempfile.mkdtemp(prefix="run-", dir=root)).resolve()
        tree = None if worktrees is None else worktrees.add(directory / _TREE_NAME, assignment.task_id)
        place = cls(directory, assignment, tree)
        (place.directory / _TASK_NAME).write_text(json.dumps(place.task(), indent=2) + "\n")
        return place

    @property
    def works_in(self) -> Path:
        """Where the command is started: its worktree, or its directory."""
        return self.directory if self.tree is None else self.tree.path

    @property
    def usage_file(self) -> Path:
        """Where the command may say what it used."""
        return self.directory / _USAGE_NAME

    @property
    def pull_request_file(self) -> Path:
        """Where the command may leave the address of its pull request."""
        return self.directory / _PULL_REQUEST_NAME

    @property
    def retry_at_file(self) -> Path:
        """Where a command that says "not now" may leave the time to try again."""
        return self.directory / _RETRY_AT_NAME

    def task(self) -> dict[str, Any]:
        """Return what a command is told of its task."""
        told = self.assignment
        return {
            "task_id": told.task_id,
            "quest_id": told.quest_id,
            "title": told.title,
            "pool": told.pool,
            "payload": told.payload,
            "token_allowance": told.token_allowance,
            "expected_value_usd": told.expected_value_usd,
        }

    def environment(self) -> dict[str, str]:
        """Return what the command's environment says of its task."""
        told = {
            "SCIDEX_TASK_ID": self.assignment.task_id,
            "SCIDEX_TASK_TITLE": self.assignment.title or "",
            **({} if self.tree is None else {"SCIDEX_BRANCH": self.tree.branch}),
            "SCIDEX_AGENT_ID": self.assignment.agent_id,
            "SCIDEX_TASK_FILE": str(self.directory / _TASK_NAME),
            "SCIDEX_USAGE_FILE": str(self.usage_file),
            "SCIDEX_PULL_REQUEST_FILE": str(self.pull_request_file),
            "SCIDEX_RETRY_AT_FILE": str(self.retry_at_file),
        }
        if self.assignment.token_allowance is not None:
            told["SCIDEX_TOKEN_ALLOWANCE"] = str(self.assignment.token_allowance)
        return told

    def record(self, result: RunResult) -> dict[str, str]:
        """Write down how the command ended, and return what an evaluator's environment says. Raises OSError."""
        file = self.directory / _RESULT_NAME
        file.write_text(json.dumps({**vars(result), "succeeded": result.succeeded}, indent=2) + "\n")
        return {
            "SCIDEX_TASK_ID": self.assignment.task_id,
            "SCIDEX_TASK_FILE": str(self.directory / _TASK_NAME),
            "SCIDEX_RESULT_FILE": str(file),
        }

    def printed(self, result: RunResult) -> str:
        """Return all that a run printed, where all of it was kept. Raises OSError, ValueError as `read_text` does."""
        if not _CUT.search(result.stdout):
            return result.stdout
        try:
            return read_text(self.directory / TRANSCRIPT_NAME)
        except FileNotFoundError:
            return result.stdout

    def is_cut(self, result: RunResult) -> bool:
        """Whether a part of what a run printed was kept nowhere."""
        return bool(_CUT.search(result.stdout)) and not (self.directory / TRANSCRIPT_NAME).is_file()

    def keep_output(self, result: RunResult) -> None:
        """Keep what a run wrote beside what it left. Raises OSError."""
        transcript = self.directory / TRANSCRIPT_NAME
        if transcript.is_file() and not transcript.is_symlink():
            transcript.replace(self._free("stdout"))
        else:
            self._free("stdout").write_text(result.stdout, errors="replace")
        self._free("stderr").write_text(result.stderr, errors="replace")

    def _free(self, name: str) -> Path:
        """Return a file's name; another one where the command left a file of that name, which may be its account."""
        file = self.directory / f"{name}.txt"
        return self.directory / f"scidex-{name}.txt" if file.exists() or file.is_symlink() else file

    def discard(self) -> None:
        """Remove the directory with all that is in it."""
        shutil.rmtree(self.directory, ignore_errors=True)


def read_object(file: Path) -> dict[str, Any]:
    """
    Return the JSON object in a file that a command left.

    Raises OSError where there is no such plain file, ValueError where it is too large or holds something else.
    """
    return parse_object(_read(file, _MOST_FILE_BYTES))


def read_text(file: Path) -> str:
    """Return the text of a file that a command left. Raises OSError, ValueError as `read_object` does."""
    return _read(file, _MOST_TEXT_BYTES).decode(errors="replace")


def _read(file: Path, most: int) -> bytes:
    if not file.exists():
        raise FileNotFoundError("was not written")
    if not file.is_file():  # reading a pipe or a device might never end
        raise ValueError("is no plain file")
    with file.open("rb") as stream:
        text = stream.read(most + 1)
    if len(text) > most:
        raise ValueError(f"is larger than {most} bytes")
    return text


def parse_object(text: bytes | str) -> dict[str, Any]:
    """Return the JSON object that a text is. Raises ValueError."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError("is JSON, but no object")
    return found
