"""Runs a command, such as a project's tests, in a clean checkout of what a run committed."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from scidex.agent.evaluators import Impact
from scidex.agent.executors import CommandRun, Executor, RunResult
from scidex.agent.workplace import Workplace

_GIT_SECONDS = 120.0


@dataclass(frozen=True)
class TestsEvaluator:
    """
    Attests `usd` to a run whose last commit passes a command in a checkout of its own, and 0 where that fails.

    The checkout holds what was committed, and nothing else that the run left. A run that committed nothing is worth 0:
    the tests may have passed before it. Where the command ends in another way than by itself nothing is known.
    """

    __test__ = False  # not a test of ours

    attester_id: str
    usd: float
    command: tuple[str, ...]
    executor: Executor
    max_seconds: float = 1_800.0

    def judge(self, place: Workplace, result: RunResult) -> Impact:
        """Return what the command says of a run's last commit. Never raises."""
        try:
            clone = clone_in(place.directory)
            commit, made_at = self._last_commit(clone)
            if made_at < place.began_at.replace(microsecond=0):
                return Impact(0.0, self.attester_id, "the run committed nothing")
            with tempfile.TemporaryDirectory(prefix="scidex-checkout-") as folder:
                return self._tried(Path(folder) / "checkout", clone, commit)
        except (OSError, ValueError) as error:
            return Impact(None, note=f"tests: {error}")

    def _tried(self, checkout: Path, clone: Path, commit: str) -> Impact:
        self._git("clone", "--quiet", "--no-local", "--no-checkout", str(clone), str(checkout), at=checkout.parent)
        self._git("-c", "core.hooksPath=/dev/null", "checkout", "--quiet", "--detach", commit, at=checkout)
        tried = self.executor.run(CommandRun(self.command, checkout, self.max_seconds))
        if tried.ended != "exited" or tried.exit_code is None or tried.exit_code < 0:
            raise ValueError(tried.reason)
        usd = self.usd if tried.exit_code == 0 else 0.0
        return Impact(usd, self.attester_id, f"tests of {commit[:12]} {tried.reason}")

    def _last_commit(self, clone: Path) -> tuple[str, datetime]:
        commit, _, seconds = self._git("log", "-1", "--format=%H %ct", at=clone).strip().partition(" ")
        if not re.fullmatch(r"[0-9a-f]{40,64}", commit) or not seconds.isdecimal():
            raise ValueError("git gives no last commit")
        return commit, datetime.fromtimestamp(int(seconds), UTC)

    def _git(self, *words: str, at: Path) -> str:
        said = self.executor.run(CommandRun(("git", *words), at, _GIT_SECONDS))
        if not said.succeeded:
            raise ValueError(f"git {words[0]} {said.reason}: {said.stderr.strip()[:200]}")
        return said.stdout


def clone_in(directory: Path) -> Path:
    """Return the one repository in a run's directory: itself, or a folder in it. Raises OSError, ValueError."""
    folders = [directory, *(path for path in directory.iterdir() if path.is_dir() and not path.is_symlink())]
    clones = [folder for folder in folders if (folder / ".git").exists()]
    if len(clones) != 1:
        raise ValueError(f"the run's directory holds {len(clones) or 'no'} repositories, not one")
    return clones[0]
