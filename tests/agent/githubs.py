"""A GitHub of a few pull requests, as the program `gh` shows it: `pr view --json` and `api`."""

from __future__ import annotations

import json
import stat
import sys
import threading
from pathlib import Path
from typing import Any

from scidex.agent.executors import CommandRun, RunResult
from tests.agent.work import result

HEAD = "a" * 40
MERGED_AS = "b" * 40
REPOSITORY = "ada/tool"
URL = "https://github.com/ada/tool/pull/12"


class GitHub:
    """
    Runs `gh` as an executor does, and answers for one pull request, whatever its address.

    `view` are the fields of `gh pr view`, `api` the answers of `gh api` by the end of their path, and `refuses` the
    verbs that end with 1. `asked` are the words of each call.
    """

    def __init__(self, **view: Any) -> None:
        self.view: dict[str, Any] = {
            "state": "OPEN", "createdAt": None, "mergedAt": None, "closedAt": None, "headRefOid": HEAD,
            "mergeCommit": None, "baseRefName": "main", "title": "Fix it", "labels": [], "commits": [], "comments": [],
            **view,
        }  # fmt: skip
        self.api: dict[str, Any] = {
            "check-runs": {"total_count": 0, "check_runs": []},
            "status": {"state": "pending", "statuses": []},
            "commits": [],
            "issues/12": {"closed_by": {"login": "ada", "type": "User"}},
        }
        self.refuses: set[str] = set()
        self.asked: list[tuple[str, ...]] = []

    def checks(self, *conclusions: str | None) -> None:
        """Let checks have run; None is one that still does."""
        runs = [
            {"name": f"check {n}", "status": "completed" if one else "in_progress", "conclusion": one}
            for n, one in enumerate(conclusions)
        ]
        self.api["check-runs"] = {"total_count": len(runs), "check_runs": runs}

    def run(self, run: CommandRun, stop: threading.Event | None = None) -> RunResult:
        """Answer a call of `gh`."""
        words = run.command[1:]
        self.asked.append(words)
        if words[:2] == ("pr", "view"):
            told: Any = {name: self.view.get(name) for name in words[4].split(",")}
            name = "statusCheckRollup" if "statusCheckRollup" in told else "view"
        else:
            path = words[1].split("?")[0]
            name = next((end for end in self.api if path.endswith(end)), "")
            told = self.api.get(name)
        if name in self.refuses or not name:
            return result(1, stderr="gh: Not Found (HTTP 404)", reason="exited with 1")
        return result(stdout=told if isinstance(told, str) else json.dumps(told))


PROGRAM = """#!{python}
import json, sys
sys.path[:0] = {path!r}
from pathlib import Path
from scidex.agent.executors import CommandRun
from tests.agent.githubs import GitHub
hub = GitHub()
hub.__dict__.update(json.load(open({facts!r})), refuses=set(json.load(open({facts!r}))["refuses"]))
said = hub.run(CommandRun(("gh", *sys.argv[1:]), Path("."), 1.0))
sys.stdout.write(said.stdout); sys.stderr.write(said.stderr); sys.exit(said.exit_code)
"""


def install(hub: GitHub, folder: Path) -> None:
    """Write a program `gh` into a folder that answers as a hub does now."""
    folder.mkdir(exist_ok=True)
    facts = folder / "facts.json"
    facts.write_text(json.dumps({"view": hub.view, "api": hub.api, "refuses": sorted(hub.refuses)}))
    program = folder / "gh"
    program.write_text(PROGRAM.format(python=sys.executable, path=sys.path, facts=str(facts)))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
