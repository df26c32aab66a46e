"""A git worktree for each run, on a branch of its own: agents that work on one repository never share a checkout."""

from __future__ import annotations

import re
import secrets
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 120.0
_MOST_NAME_CHARACTERS = 60


class GitFailed(OSError):
    """Git refused."""


@dataclass(frozen=True)
class Worktree:
    """A checkout of one run: where it is, its branch, and the commit that it began at."""

    path: Path
    branch: str
    base: str


class Worktrees:
    """
    The worktrees of a repository.

    What a run leaves is kept by one rule: a branch with commits stays, a worktree with changes stays, and both stay
    where the run did not succeed, unless it changed nothing.
    """

    def __init__(self, repository: Path) -> None:
        """Use a repository that has a commit. Raises GitFailed."""
        self.repository = Path(_git(repository, "rev-parse", "--show-toplevel"))
        _git(self.repository, "rev-parse", "--verify", "HEAD^{commit}")
        self._lock = threading.Lock()

    def add(self, path: Path, task_id: str) -> Worktree:
        """Check the present commit out at `path`, on a new branch named for a task. Raises GitFailed."""
        branch = f"scidex/{_name_of(task_id)}-{secrets.token_hex(4)}"
        with self._lock:
            base = _git(self.repository, "rev-parse", "HEAD")
            _git(self.repository, "worktree", "add", "--quiet", "-b", branch, str(path), base)
        return Worktree(path, branch, base)

    def leave(self, tree: Worktree, *, succeeded: bool) -> bool:
        """Remove what need not be kept of a run, and return whether the worktree is gone. Raises GitFailed."""
        has_changes = bool(_git(tree.path, "status", "--porcelain"))
        has_commits = _git(tree.path, "rev-parse", "HEAD") != tree.base
        if has_changes or (has_commits and not succeeded):
            return False
        with self._lock:
            _git(self.repository, "worktree", "remove", str(tree.path))
            if not has_commits:
                _git(self.repository, "branch", "--quiet", "-D", tree.branch)
        return True


def _name_of(task_id: str) -> str:
    """Return a task's id as part of a branch's name."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", task_id).strip("-")
    return plain[:_MOST_NAME_CHARACTERS].strip("-") or "task"


def _git(directory: Path, *words: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603  (a list of arguments, no shell)
            ["git", "-C", str(directory), *words],  # noqa: S607  (the user's own git)
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise GitFailed(f"git {words[0]} took longer than {_SECONDS:g} s") from None
    if done.returncode != 0:
        raise GitFailed(f"git {words[0]}: {' '.join((done.stderr or done.stdout).split())[:300]}")
    return done.stdout.strip()
