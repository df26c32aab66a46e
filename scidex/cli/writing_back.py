"""Writing the ends of tasks back to where they came from: beads by `bd`, GitHub issues by `gh`."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from scidex.records import CostReport, Task

_PAGE = 1_000
_SECONDS = 60.0
# An error of a program may be long; what is wrong stands at its beginning.
_MOST_ERROR_CHARACTERS = 300

Run = Callable[[Sequence[str]], str]


class WriteBackFailed(Exception):
    """The source's program failed."""


class WrittenBack(NamedTuple):
    """A task whose end was written back, or why it could not be."""

    task_id: str
    status: str
    command: str
    error: str = ""


class Ended(Protocol):
    """What is asked of a market here."""

    def list_tasks(self, *, source: str, after: str, limit: int) -> list[Task]:
        """Return tasks of a source in the order of their ids."""

    def note_written_back(self, task_id: str) -> Task:
        """Note that a task's end was written back."""

    def report_costs(self, since: datetime | None = None) -> CostReport:
        """Return what runs cost since a moment."""


def write_back(
    market: Ended, source: str, *, label: str | None = None, dry_run: bool = False, run: Run | None = None
) -> Iterator[WrittenBack]:
    """
    Write the end of each task of a source that this market ended, with what it cost, once; yield what was done.

    A bead that is done is closed, with the reason; a failed one gets a comment. An issue gets a comment, and `label`
    where one is given. What fails is told and tried again the next time. With `dry_run` nothing is run.
    """
    go = run or run_program
    for task in _ended(market, source):
        commands = _commands(task, _note(market, task), label)
        if not commands:
            continue
        shown = "; ".join(" ".join(command) for command in commands)
        if dry_run:
            yield WrittenBack(task.task_id, task.status, shown)
            continue
        try:
            if not _was_commented(task, go):
                for command in commands:
                    go(command)
        except WriteBackFailed as failed:
            yield WrittenBack(task.task_id, task.status, shown, str(failed))
            continue
        market.note_written_back(task.task_id)
        yield WrittenBack(task.task_id, task.status, shown)


def run_program(command: Sequence[str]) -> str:
    """Run a program of this machine and return what it prints. Raises WriteBackFailed."""
    program = shutil.which(command[0])
    if program is None:
        raise WriteBackFailed(f"{command[0]} is not on the path")
    try:
        done = subprocess.run(  # noqa: S603  (a list of arguments, no shell)
            [program, *command[1:]], capture_output=True, text=True, timeout=_SECONDS, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WriteBackFailed(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[:_MOST_ERROR_CHARACTERS]
        raise WriteBackFailed(f"{command[0]} exited with {done.returncode}: {said}")
    return done.stdout


def _ended(market: Ended, source: str) -> Iterator[Task]:
    after = ""
    while page := market.list_tasks(source=source, after=after, limit=_PAGE):
        after = page[-1].task_id
        for task in page:
            if task.status in ("done", "failed") and task.status_by == "market" and task.written_back_at is None:
                yield task


def _note(market: Ended, task: Task) -> str:
    """Return what is told of a task's end, and of its cost where that is known."""
    costs = market.report_costs(since=task.created_at).tasks
    cost = next((one for one in costs if one.task_id == task.task_id), None)
    parts = [f"{task.status} by scidex after {task.attempts} {'run' if task.attempts == 1 else 'runs'}"]
    if cost is not None:
        usd = f"{cost.cost_usd:.2f} USD" if not cost.runs_unknown else "USD not known of every run"
        parts.append(f"{cost.tokens:,} tokens, {usd}")
    if task.status_reason:
        parts.append(task.status_reason)
    return "; ".join(parts)


def _commands(task: Task, note: str, label: str | None) -> list[list[str]]:
    payload: dict[str, Any] = task.payload
    if payload.get("source") == "beads":
        if task.status == "done":
            return [["bd", "close", "--reason", note, "--", task.task_id]]
        return [["bd", "comments", "add", "--", task.task_id, note]]
    repo, number = payload.get("repo"), payload.get("number")
    if payload.get("source") == "gh" and isinstance(repo, str) and type(number) is int:
        body = f"{note[:1].upper()}{note[1:]}.\n\n{_mark(task)}"
        commands = [["gh", "issue", "comment", str(number), f"--repo={repo}", f"--body={body}"]]
        if label is not None:
            commands.append(["gh", "issue", "edit", str(number), f"--repo={repo}", f"--add-label={label}"])
        return commands
    return []


def _mark(task: Task) -> str:
    """Return what finds a comment again that was written before its being written was noted."""
    return f"<!-- scidex {task.task_id} {task.status} {task.attempts} -->"


def _was_commented(task: Task, go: Run) -> bool:
    if task.payload.get("source") != "gh":
        return False
    number, repo = str(task.payload["number"]), task.payload["repo"]
    answer = go(["gh", "issue", "view", number, f"--repo={repo}", "--json=comments"])
    try:
        comments = json.loads(answer)["comments"]
        return any(_mark(task) in str(comment.get("body", "")) for comment in comments)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WriteBackFailed("gh issue view printed no comments that can be read") from None
