"""The demo's work: quests with wallets, and a task for every part of every package."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scidex.agent.executors import RunResult
from scidex.agent.meters import PlainMeter, Usage, unknown
from scidex.agent.workplace import Workplace
from scidex.demo.audits import BY_QUEST, Audit, expected_usd
from scidex.demo.findings import REPORT_NAME
from scidex.demo.packages import Part
from scidex.exchange import backlog, token_ledger
from scidex.records import Assignment
from scidex.store import Database

# A language model reads about four bytes of source as one token.
_BYTES_PER_TOKEN = 4


@dataclass(frozen=True)
class Workload(PlainMeter):
    """The parts to audit, by name."""

    parts: Mapping[str, Part]
    sources: Path

    @classmethod
    def of(cls, parts: Iterable[Part], sources: Path) -> Workload:
        """Return the work of auditing these parts of what lies under `sources`."""
        return cls({part.name: part for part in parts}, sources)

    def open_quest(self, audit: Audit, db: Database) -> int:
        """Add a quest with its wallet and its backlog; return how many tasks it has."""
        quest = backlog.add_quest(audit.quest_id, audit.title, priority=audit.priority, owner_id="owners", db=db)
        token_ledger.mint(quest.account_id, audit.wallet_tokens, reason="starting grant", db=db)
        return backlog.put_tasks([self._task(audit, part) for part in self.parts.values()], db=db).added

    def part_of(self, task_id: str) -> Part:
        """Return what a task reads."""
        return self.parts[task_id.partition(":")[2]]

    def next_task(self, task_id: str) -> tuple[str, Part] | None:
        """Return the task that waits for this one, with its part; None after the last part of a package."""
        audit, _, name = task_id.partition(":")
        part = self.parts[name]
        following = self.parts.get(f"{part.package}-{part.number + 1}")
        return None if following is None else (f"{audit}:{following.name}", following)

    def command_for(self, assignment: Assignment) -> tuple[str, ...]:
        """Return the command of a task: ruff, as it is installed here, on the part's files."""
        rules = BY_QUEST[str(assignment.quest_id)].rules
        options = ("--isolated", "--no-cache", "--exit-zero", "--quiet", "--output-format", "json")
        files = map(str, self.part_of(assignment.task_id).files)
        ruff = (sys.executable, "-m", "ruff", "check")
        return (*ruff, "--select", rules, *options, "--output-file", REPORT_NAME, "--", *files)

    def read(self, place: Workplace, result: RunResult) -> Usage:
        """Return the tokens of the source that a run read: its bytes by four, which is an estimate."""
        if result.ended == "not_started":
            return unknown("it did not begin")
        part = self.part_of(place.assignment.task_id)
        return Usage(meter="demo", provenance="estimated", tokens=part.source_bytes // _BYTES_PER_TOKEN)

    def _task(self, audit: Audit, part: Part) -> dict[str, Any]:
        before = f"{audit.quest_id}:{part.package}-{part.number - 1}"
        return {
            "task_id": f"{audit.quest_id}:{part.name}",
            "quest_id": audit.quest_id,
            "title": f"{audit.title} in {part.package}, part {part.number}",
            "expected_value_usd": expected_usd(audit, part.source_bytes),
            "estimated_cost_tokens": part.source_bytes // _BYTES_PER_TOKEN,
            "depends_on": [before] if part.number > 1 else [],
            "payload": {"package": part.package, "files": len(part.files), "source_bytes": part.source_bytes},
        }
