"""What a run's pull request is worth: the run's own, in its task's repository, and merged after the run began."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scidex.agent.evaluators import Impact
from scidex.agent.evaluators.github import Address, Facts, PullRequests, addresses_in
from scidex.agent.executors import RunResult
from scidex.agent.workplace import Workplace, read_text
from scidex.records import Assignment

_MOST_ASKED_ABOUT = 5
# Two machines' clocks need not agree to the minute.
_SLACK = timedelta(minutes=2)
_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_IN_AN_ADDRESS = re.compile(r"(?:https?://|ssh://git@|git@)[^\s/:]+[/:]([\w.-]+/[\w.-]+?)(?:\.git)?(?:/.*)?$")
_IN_A_TASK_ID = re.compile(r"([\w.-]+/[\w.-]+)#\d+")


@dataclass(frozen=True)
class PullRequestEvaluator:
    """
    Attests impact by what became of the pull request that a run opened or pushed to.

    That is `merged_usd` once it is merged, 0 when it is closed, or merged and then reverted. While it is open its
    impact is not known, unless passed checks alone are worth `passed_usd` already: then failed ones are worth 0. The
    operator says what these are worth; what a bidder claims plays no part.
    """

    attester_id: str
    merged_usd: float
    passed_usd: float | None = None
    repository: str | None = None
    pull_requests: PullRequests = field(default_factory=PullRequests)

    def judge(self, place: Workplace, result: RunResult) -> Impact:
        """Return the impact of a run's pull request as it is now. Never raises."""
        try:
            named = named_by(place, result)
            repositories = self._repositories(place)
        except (OSError, ValueError) as error:
            return Impact(None, note=f"no pull request: {error}")
        why_not = "the run names none"
        for address in named[:_MOST_ASKED_ABOUT]:
            if address.repository.lower() not in repositories:
                of = " or ".join(sorted(repositories)) or "no repository that is known: name it by --repository"
                why_not = f"{address.url} is not of the task's repository ({of})"
                continue
            try:
                facts = self.pull_requests.see(address)
            except (OSError, ValueError) as error:
                return Impact(None, note=f"gh {error}")
            reason = not_of_the_run(facts, place.began_at, datetime.now(UTC))
            if reason is None:
                return self._impact(facts)
            why_not = f"{address.url} {reason}"
        return Impact(None, note=f"no pull request: {why_not}")

    def worth(self, facts: Facts) -> float | None:
        """Return what a pull request is worth as it was seen, None where that is not known yet."""
        if facts.is_unclear:
            return None
        if facts.seen.state != "open":
            return self.merged_usd if facts.seen.state == "merged" and not facts.is_reverted else 0.0
        if self.passed_usd is None or facts.seen.checks not in ("pass", "fail"):
            return None
        return self.passed_usd if facts.seen.checks == "pass" else 0.0

    def _impact(self, facts: Facts) -> Impact:
        usd = self.worth(facts)
        state = "merged and reverted" if facts.is_reverted else facts.seen.state
        note = f"pull request {state}, checks {facts.seen.checks}"
        return Impact(usd, None if usd is None else self.attester_id, note, facts.seen)

    def _repositories(self, place: Workplace) -> set[str]:
        """Return the repositories that the task may be about, as the operator, the task, or the run's clones say."""
        if self.repository is not None:
            return {self.repository.lower()}
        return repositories_of(place.assignment) or repositories_in(place.directory)


def named_by(place: Workplace, result: RunResult) -> list[Address]:
    """
    Return the pull requests that a run names: in its file, else its task's payload, else in its output, the last first.

    Raises OSError, ValueError.
    """
    told = place.assignment.payload.get("pull_request")
    for text in (_left(place.pull_request_file), told if isinstance(told, str) else "", place.printed(result)):
        if found := addresses_in(text):
            return found
    return []


def repositories_of(task: Assignment) -> set[str]:
    """Return the repository that a task says it is about, by its payload or its id; none where it says nothing."""
    for name in ("repository", "repo", "pull_request", "url"):
        told = task.payload.get(name)
        if not isinstance(told, str):
            continue
        if found := _NAME.fullmatch(told):
            return {found[0].lower()}
        if found := _IN_AN_ADDRESS.search(told):
            return {found[1].lower()}
    named = _IN_A_TASK_ID.fullmatch(task.task_id)
    return {named[1].lower()} if named else set()


def repositories_in(directory: Path) -> set[str]:
    """Return the repositories that a run's directory, and the folders in it, are clones of. Raises OSError."""
    found = set()
    for folder in (directory, *(path for path in directory.iterdir() if path.is_dir() and not path.is_symlink())):
        config = _config_of(folder)
        if config.is_file():
            for line in read_text(config).split("\n"):
                name, _, address = line.partition("=")
                if name.strip() in ("url", "pushurl") and (where := _IN_AN_ADDRESS.search(address.strip())):
                    found.add(where[1].lower())
    return found


def _config_of(folder: Path) -> Path:
    """Return where a checkout keeps its configuration: a worktree with the repository it is of. Raises OSError."""
    git = folder / ".git"
    if not git.is_file():
        return git / "config"
    own = folder / read_text(git).partition("gitdir:")[2].strip()
    shared = own / "commondir"
    return (own / read_text(shared).strip() if shared.is_file() else own) / "config"


def not_of_the_run(facts: Facts, began_at: datetime, ended_at: datetime) -> str | None:
    """Return why a pull request is not the work of a run that lasted from one time to another; None where it is."""
    if facts.seen.merged_at is not None and facts.seen.merged_at < began_at:
        return "was merged before the run began"
    if any(
        at is not None and began_at - _SLACK <= at <= ended_at + _SLACK for at in (facts.created_at, facts.pushed_at)
    ):
        return None
    return "was neither opened nor pushed to by the run"


def _left(file: Path) -> str:
    try:
        return read_text(file)
    except FileNotFoundError:
        return ""
