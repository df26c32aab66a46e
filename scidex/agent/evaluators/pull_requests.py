"""Asks `gh` what became of a run's pull request: whether its checks passed, and whether it was merged."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from scidex.agent.evaluators import Impact
from scidex.agent.executors import Executor, Run, RunResult
from scidex.agent.executors.local import ENVIRONMENT, LocalExecutor
from scidex.agent.workplace import Workplace, parse_object, read_text
from scidex.errors import shown
from scidex.records import SeenPullRequest

# What `gh` needs to know who asks, beside what every command gets.
GH_ENVIRONMENT = (*ENVIRONMENT, "GH_TOKEN", "GITHUB_TOKEN", "GH_HOST", "GH_CONFIG_DIR", "XDG_CONFIG_HOME")

_ADDRESS = re.compile(r"https?://[^\s/]+/[\w.-]+/[\w.-]+/pull/\d+")
_STATES = {"OPEN": "open", "MERGED": "merged", "CLOSED": "closed"}
_PENDING = 8
_NO_CHECKS = "no checks reported"


@dataclass(frozen=True)
class PullRequests:
    """Reads pull requests by the program `gh`, which must be installed and logged in."""

    executor: Executor = field(default_factory=lambda: LocalExecutor(environment=GH_ENVIRONMENT))
    program: str = "gh"
    max_seconds: float = 60.0

    def see(self, url: str) -> SeenPullRequest:
        """Return a pull request as it is now. Raises ValueError where `gh` does not say, OSError."""
        told = parse_object(_said(self._gh("view", url, "state,mergedAt")))
        state = _STATES.get(str(told.get("state")))
        if state is None:
            raise ValueError(f"gives no state of {url}: {shown(told.get('state'))}")
        merged_at = _instant(told.get("mergedAt")) if state == "merged" else None
        return SeenPullRequest(url, state, self._checks(url), merged_at)

    def _checks(self, url: str) -> str:
        result = self._gh("checks", url, "name,state,bucket,link,workflow")
        if result.exit_code not in (0, 1, _PENDING):
            raise ValueError(f"does not tell the checks of {url}: {result.reason}")
        if _NO_CHECKS in result.stderr:
            return "none"
        # It ends with 1 where checks failed, and with 8 while they run, and prints them all the same.
        return checks_in_all(_buckets(result.stdout))

    def _gh(self, verb: str, url: str, fields: str) -> RunResult:
        with tempfile.TemporaryDirectory(prefix="scidex-gh-") as place:
            command = (self.program, "pr", verb, url, "--json", fields)
            return self.executor.run(Run(command, Path(place), self.max_seconds))


@dataclass(frozen=True)
class PullRequestEvaluator:
    """
    Attests impact by what became of the pull request that a run names: `merged_usd` once merged, 0 when closed.

    While it is open its impact is not known, unless passed checks alone are worth `passed_usd` already: then failed
    ones are worth 0. The operator says what these are worth; what a bidder claims plays no part.
    """

    attester_id: str
    merged_usd: float
    passed_usd: float | None = None
    pull_requests: PullRequests = field(default_factory=PullRequests)

    def judge(self, place: Workplace, result: RunResult) -> Impact:
        """Return the impact of a run's pull request as it is now. Never raises."""
        try:
            url = address_of(place, result)
        except (OSError, ValueError) as error:
            return Impact(None, note=f"no pull request: {error}")
        try:
            seen = self.pull_requests.see(url)
        except (OSError, ValueError) as error:
            return Impact(None, note=f"gh {error}")
        usd = self.worth(seen)
        note = f"pull request {seen.state}, checks {seen.checks}"
        return Impact(usd, None if usd is None else self.attester_id, note, seen)

    def worth(self, seen: SeenPullRequest) -> float | None:
        """Return what a pull request is worth as it was seen, None where that is not known yet."""
        if seen.state != "open":
            return self.merged_usd if seen.state == "merged" else 0.0
        if self.passed_usd is None or seen.checks not in ("pass", "fail"):
            return None
        return self.passed_usd if seen.checks == "pass" else 0.0


def address_of(place: Workplace, result: RunResult) -> str:
    """
    Return the address of a run's pull request: from its file, else its task's payload, else the last one it printed.

    Raises OSError, ValueError where there is none.
    """
    told = place.assignment.payload.get("pull_request")
    for text in (_left(place.pull_request_file), told if isinstance(told, str) else "", result.stdout):
        if found := _ADDRESS.findall(text):
            return str(found[-1])
    raise ValueError("the run names none")


def checks_in_all(buckets: list[str]) -> str:
    """Return what checks come to: `fail` where one failed or was cancelled, `pending` where one still runs."""
    if any(bucket in ("fail", "cancel") for bucket in buckets):
        return "fail"
    if "pending" in buckets:
        return "pending"
    return "pass" if "pass" in buckets else "none"


def _left(file: Path) -> str:
    try:
        return read_text(file)
    except FileNotFoundError:
        return ""


def _buckets(text: str) -> list[str]:
    try:
        checks = json.loads(text or "[]")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"prints checks that are no JSON: {error}") from error
    if not isinstance(checks, list) or not all(isinstance(check, Mapping) for check in checks):
        raise ValueError("prints checks that are no list of objects")
    buckets = [str(check.get("bucket")) for check in checks]
    if unknown := set(buckets) - {"pass", "fail", "pending", "skipping", "cancel"}:
        raise ValueError(f"tells of a check in no known bucket: {shown(min(unknown))}")
    return buckets


def _said(result: RunResult) -> str:
    if not result.succeeded:
        raise ValueError(f"{result.reason}: {result.stderr.strip()[:200]}")
    return result.stdout


def _instant(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f"gives no mergedAt: {shown(value)}") from None
    if moment.tzinfo is None:
        raise ValueError(f"gives a mergedAt without its zone: {shown(value)}")
    return moment
