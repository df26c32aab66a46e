"""What GitHub says of a pull request, by the program `gh`: its state, its checks, and if it was landed or reverted."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from scidex.agent.executors import CommandRun, Executor, RunResult
from scidex.agent.executors.local import ENVIRONMENT, LocalExecutor
from scidex.agent.workplace import parse_object
from scidex.errors import shown
from scidex.records import SeenPullRequest

# What `gh` needs to know who asks, beside what every command gets.
GH_ENVIRONMENT = (
    *ENVIRONMENT, "GH_TOKEN", "GITHUB_TOKEN", "GH_HOST", "GH_CONFIG_DIR", "GH_ENTERPRISE_TOKEN", "XDG_CONFIG_HOME",
)  # fmt: skip

_ADDRESS = re.compile(r"https?://([^\s/]+)/([\w.-]+/[\w.-]+)/pull/(\d+)")
_FACTS = "state,createdAt,mergedAt,closedAt,headRefOid,mergeCommit,baseRefName,title,labels,commits,comments"
_STATES = {"OPEN": "open", "MERGED": "merged", "CLOSED": "closed"}
_PAGE = 100
# A bot says what it did when it closes a pull request, or just before.
_BEFORE_CLOSE = timedelta(minutes=10)


class Address(NamedTuple):
    """Where a pull request is."""

    host: str
    repository: str
    number: int

    @property
    def url(self) -> str:
        """The address as a browser takes it."""
        return f"https://{self.host}/{self.repository}/pull/{self.number}"


class Facts(NamedTuple):
    """
    A pull request as it is now.

    `pushed_at` is when its last commit was made. One that a bot closed counts as merged where the bot says so
    (`merged_at` is then that time), and where it says nothing `is_unclear`.
    """

    seen: SeenPullRequest
    created_at: datetime | None = None
    pushed_at: datetime | None = None
    is_unclear: bool = False
    is_reverted: bool = False


def addresses_in(text: str) -> list[Address]:
    """Return the pull requests that a text names, the last one first, each once."""
    found = [Address(host.lower(), repository, int(number)) for host, repository, number in _ADDRESS.findall(text)]
    return list(dict.fromkeys(reversed([address for address in found if address.number < 10**9])))


def address_of(url: str) -> Address:
    """Return where a pull request is. Raises ValueError."""
    for address in addresses_in(url):
        return address
    raise ValueError(f"is asked about what is not a pull request: {shown(url)}")


@dataclass(frozen=True)
class PullRequests:
    """Reads pull requests by the program `gh`, which must be installed and logged in; any version since 2.0 will do."""

    executor: Executor = field(default_factory=lambda: LocalExecutor(environment=GH_ENVIRONMENT, kept_bytes=8_000_000))
    program: str = "gh"
    max_seconds: float = 60.0

    def see(self, address: Address) -> Facts:
        """Return a pull request as it is now. Raises ValueError where `gh` does not say, OSError."""
        url = address.url
        told = parse_object(self._said("pr", "view", url, "--json", _FACTS))
        state = _STATES.get(str(told.get("state")))
        if state is None:
            raise ValueError(f"gives no state of {url}: {shown(told.get('state'))}")
        facts = Facts(SeenPullRequest(url, state), _optional(told, "createdAt"), _pushed_at(told))
        if state == "merged":
            merged_at = _instant(told.get("mergedAt"), "mergedAt")
            is_reverted = self._is_reverted(address, told, merged_at)
            return facts._replace(seen=SeenPullRequest(url, state, "none", merged_at), is_reverted=is_reverted)
        if state == "closed":
            return self._closed(address, told, facts)
        return facts._replace(seen=SeenPullRequest(url, state, self._checks(address, told)))

    def _closed(self, address: Address, told: dict[str, Any], facts: Facts) -> Facts:
        """Return a pull request that was closed and not merged: some bots land its commits themselves, and close it."""
        closed_at = _optional(told, "closedAt")
        said = _said_by_bots(told, closed_at)
        if closed_at is not None and (_is_marked_as_landed(told) or any(map(_says_landed, said))):
            return facts._replace(seen=SeenPullRequest(address.url, "merged", "none", closed_at))
        return facts._replace(is_unclear=self._was_closed_by_a_bot(address, said))

    def _was_closed_by_a_bot(self, address: Address, said: list[str]) -> bool:
        try:
            issue = parse_object(self._api(address, f"issues/{address.number}"))
        except ValueError:
            return bool(said)
        return _is_bot(issue.get("closed_by"))

    def _is_reverted(self, address: Address, told: dict[str, Any], merged_at: datetime) -> bool:
        """Whether the branch that it was merged into took it back since: a commit there says which one it reverts."""
        commit = told.get("mergeCommit")
        merged_as = str(commit.get("oid")) if isinstance(commit, dict) else ""
        if not re.fullmatch(r"[0-9a-f]{40,64}", merged_as):
            return False
        since = quote(merged_at.isoformat().replace("+00:00", "Z"))
        branch = quote(str(told.get("baseRefName")), safe="")
        try:
            commits = _list(self._api(address, f"commits?sha={branch}&since={since}&per_page={_PAGE}"))
        except ValueError:  # it was merged; that it was taken back is found by a later look
            return False
        messages = [str(one["commit"].get("message")) for one in commits if isinstance(one.get("commit"), dict)]
        reverts = (f"This reverts commit {merged_as}", f"Reverts {address.repository}#{address.number}")
        return any(revert.lower() in message.lower() for message in messages for revert in reverts)

    def _checks(self, address: Address, told: dict[str, Any]) -> str:
        """Return what the checks of a pull request's last commit come to."""
        try:
            return self._checks_of(address, str(told.get("headRefOid")))
        except ValueError as error:
            # A key may see the one and not the other. Old versions of `gh` have no `pr checks --json`.
            try:
                rollup = parse_object(self._said("pr", "view", address.url, "--json", "statusCheckRollup"))
            except ValueError:
                raise error from None
        found = _objects(rollup.get("statusCheckRollup"), "statusCheckRollup")
        return checks_in_all(_bucket_of_status(one) if "state" in one else _bucket_of_run(one) for one in found)

    def _checks_of(self, address: Address, commit: str) -> str:
        if not re.fullmatch(r"[0-9a-f]{40,64}", commit):
            raise ValueError(f"gives no headRefOid of {address.url}: {shown(commit)}")
        runs = parse_object(self._api(address, f"commits/{commit}/check-runs?per_page={_PAGE}"))
        statuses = parse_object(self._api(address, f"commits/{commit}/status?per_page={_PAGE}"))
        found = _objects(runs.get("check_runs"), "check_runs")
        buckets = [_bucket_of_run(one) for one in found]
        buckets += [_bucket_of_status(one) for one in _objects(statuses.get("statuses"), "statuses")]
        # Of more checks than one page holds some may still fail.
        total = runs.get("total_count")
        return checks_in_all([*buckets, "pending"] if type(total) is int and total > len(found) else buckets)

    def _api(self, address: Address, path: str) -> str:
        host = () if address.host == "github.com" else ("--hostname", address.host)
        return self._said("api", f"repos/{address.repository}/{path}", *host)

    def _said(self, *words: str) -> str:
        with tempfile.TemporaryDirectory(prefix="scidex-gh-") as place:
            result = self.executor.run(CommandRun((self.program, *words), Path(place), self.max_seconds))
        if not result.succeeded:
            raise ValueError(_complaint(words, result))
        return result.stdout


def checks_in_all(buckets: Iterable[str]) -> str:
    """Return what checks come to: `fail` where one failed or was cancelled, `pending` where one still runs."""
    known = set(buckets)
    for bucket in ("fail", "pending", "pass"):
        if bucket in known:
            return bucket
    return "none"


_CONCLUSIONS = {
    "success": "pass", "neutral": "skipping", "skipped": "skipping", "failure": "fail", "cancelled": "fail",
    "timed_out": "fail", "action_required": "pending", "startup_failure": "fail", "stale": "fail",
}  # fmt: skip
_STATUSES = {"success": "pass", "pending": "pending", "expected": "pending", "failure": "fail", "error": "fail"}


def _bucket_of_run(run: Mapping[str, Any]) -> str:
    if str(run.get("status")).lower() != "completed":
        return "pending"
    return _named(_CONCLUSIONS, run.get("conclusion"), "conclusion")


def _bucket_of_status(status: Mapping[str, Any]) -> str:
    return _named(_STATUSES, status.get("state"), "state")


def _named(known: dict[str, str], found: Any, name: str) -> str:
    if not isinstance(found, str) or found.lower() not in known:
        raise ValueError(f"gives a check no known {name}: {shown(found)}")
    return known[found.lower()]


# What bots write that land commits themselves: bors, copybara, ghstack and their kin.
_TITLE = re.compile(r"\[Merged by \w+\]", re.IGNORECASE)
_LABEL = re.compile(r"merged|landed", re.IGNORECASE)
_LANDED = re.compile(
    r"\b(?:merged|landed|pushed)\b(?: \w+){0,4} (?:in|as|to|into|by|via)\b|successfully (?:merged|landed)|"
    r"(?:was|been) (?:merged|landed)|^\W*(?:merged|landed)\b",
    re.IGNORECASE | re.MULTILINE,
)
_NOT_LANDED = re.compile(
    r"(?:not|n't|never|without|fail\w*|unable|conflict\w*|before|once|until|when|will|can|must|instead of|to) "
    r"(?:\w+ ){0,3}(?:merge|land)",
    re.IGNORECASE,
)
_BOT = re.compile(r".*\[bot\]|.*bot|bors.*|mergify|copybara.*|.*robot", re.IGNORECASE)


def _is_marked_as_landed(told: dict[str, Any]) -> bool:
    labels = told.get("labels")
    names = [str(label.get("name")) for label in labels if isinstance(label, dict)] if isinstance(labels, list) else []
    return bool(_TITLE.match(str(told.get("title")))) or any(_LABEL.fullmatch(name) for name in names)


def _said_by_bots(told: dict[str, Any], closed_at: datetime | None) -> list[str]:
    """Return what bots wrote when a pull request was closed, and after."""
    comments = told.get("comments")
    said = []
    for one in comments if isinstance(comments, list) else []:
        if isinstance(one, dict) and _is_bot(one.get("author")):
            at = _optional(one, "createdAt")
            if closed_at is None or at is None or at >= closed_at - _BEFORE_CLOSE:
                said.append(str(one.get("body")))
    return said


def _says_landed(text: str) -> bool:
    return bool(_LANDED.search(text)) and not _NOT_LANDED.search(text)


def _is_bot(user: Any) -> bool:
    return isinstance(user, dict) and (user.get("type") == "Bot" or bool(_BOT.fullmatch(str(user.get("login")))))


def _pushed_at(told: dict[str, Any]) -> datetime | None:
    """Return when the last commit was made; None where that is not said."""
    commits = told.get("commits")
    last = commits[-1] if isinstance(commits, list) and commits else None
    return _optional(last, "committedDate") if isinstance(last, dict) else None


def _optional(told: dict[str, Any], name: str) -> datetime | None:
    return None if told.get(name) is None else _instant(told[name], name)


def _instant(value: Any, name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f"gives no {name}: {shown(value)}") from None
    if moment.tzinfo is None:
        raise ValueError(f"gives a {name} without its zone: {shown(value)}")
    return moment


def _list(text: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"prints what is no JSON: {error}") from error
    return _objects(found, "objects")


def _objects(found: Any, name: str) -> list[dict[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError(f"gives no list of {name}: {shown(found)}")
    return found


def _complaint(words: tuple[str, ...], result: RunResult) -> str:
    said = result.stderr.strip()[:200]
    return f"does not answer {words[0]} {shown(words[-1] if words[0] == 'api' else words[1])}: {result.reason}: {said}"
