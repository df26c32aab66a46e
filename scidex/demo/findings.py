"""What the audits found: read from ruff's own reports, valued, and kept to be read at the end."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scidex.agent.evaluators import Impact
from scidex.agent.executors import RunResult
from scidex.agent.workplace import Workplace
from scidex.demo.audits import BY_QUEST, value_usd
from scidex.errors import shown

REPORT_NAME = "report.json"
_MOST_RULES = 20


@dataclass(frozen=True)
class Desk:
    """The evaluator's desk: values what ruff reported of a part, and files it under `directory`."""

    directory: Path
    attester_id: str
    sources: Path

    def judge(self, place: Workplace, result: RunResult) -> Impact:
        """Return what a run's findings are worth, and keep them. Never raises."""
        try:
            reported = json.loads((place.directory / REPORT_NAME).read_bytes())
            findings = [self._finding(one) for one in reported]
            self._keep(findings, place)
        except (OSError, ValueError, TypeError, KeyError) as error:
            return Impact(None, note=f"no report to value: {shown(str(error))}")
        audit = BY_QUEST[str(place.assignment.quest_id)]
        worth = value_usd(audit, (finding["rule"] for finding in findings))
        return Impact(worth, self.attester_id, f"{len(findings)} findings")

    def _finding(self, reported: dict[str, Any]) -> dict[str, Any]:
        return {
            "rule": str(reported["code"]),
            "where": f"{reported['filename'].removeprefix(f'{self.sources}/')}:{reported['location']['row']}",
            "message": reported["message"],
            "about": reported["url"],
        }

    def _keep(self, findings: list[dict[str, Any]], place: Workplace) -> None:
        audit, _, part = place.assignment.task_id.partition(":")
        folder = self.directory / audit
        folder.mkdir(parents=True, exist_ok=True)
        lines = ",\n".join(json.dumps(finding) for finding in findings)
        (folder / f"{part}.json").write_text(f"[{lines}]\n")


def read_findings(directory: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the findings that were filed, by the kind of audit."""
    found: dict[str, list[dict[str, Any]]] = {}
    for report in sorted(directory.glob("*/*.json")):
        found.setdefault(report.parent.name, []).extend(json.loads(report.read_bytes()))
    return found


def write_summary(directory: Path, file: Path) -> int:
    """Write the findings as a page to read, for each audit its commonest rules; return how many findings there are."""
    found = read_findings(directory)
    lines = ["# What the fleet found", "", f"Each finding with its place: `{directory.name}/`.", ""]
    for audit, findings in found.items():
        lines += [f"## {BY_QUEST[audit].title}: {len(findings)}", "", *_table(findings), ""]
    file.write_text("\n".join(lines))
    return sum(map(len, found.values()))


def _table(findings: list[dict[str, Any]]) -> list[str]:
    if not findings:
        return ["Nothing."]
    first = {finding["rule"]: finding for finding in reversed(findings)}
    lines = ["| rule | times | for example | where |", "|---|---|---|---|"]
    for rule, count in Counter(finding["rule"] for finding in findings).most_common(_MOST_RULES):
        message = first[rule]["message"].replace("|", "\\|").replace("\n", " ")
        lines.append(f"| [{rule}]({first[rule]['about']}) | {count} | {message} | `{first[rule]['where']}` |")
    return lines
