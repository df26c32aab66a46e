"""What a directory and this machine offer for a fleet: a repository, where work is listed, and coding agents."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 10.0
_GITHUB = re.compile(r"github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?$")
_ISSUE_FIELDS = "number,title,body,labels,state,url,createdAt,closedAt"

# Files in which a backlog is usually kept, and what reads them.
_BACKLOGS = {
    ".beads/issues.jsonl": "beads",
    "issues.json": "gh",
    "backlog.jsonl": "jsonl",
    "tasks.jsonl": "jsonl",
    "backlog.csv": "csv",
    "tasks.csv": "csv",
    "todo.txt": "todo.txt",
}


@dataclass(frozen=True)
class FoundSource:
    """A place where work is listed."""

    name: str
    format: str
    file: str = ""
    command: tuple[str, ...] = ()
    repo: str = ""
    write_back: bool = False

    def __str__(self) -> str:
        return self.file or f"issues of {self.repo}" if self.format == "gh" else self.file or self.name


@dataclass(frozen=True)
class FoundAgent:
    """A coding agent on the path, and how it is asked to work on a task."""

    name: str
    command: tuple[str, ...]
    meter: str
    outcome: str | None = None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Findings:
    """What was found; `repository` is where agents get worktrees of."""

    directory: Path
    repository: Path | None
    sources: tuple[FoundSource, ...]
    agents: tuple[FoundAgent, ...]


_AGENTS = (
    FoundAgent("claude", ("claude", "-p", "{title}", "--output-format", "json"), "claude", "claude"),
    FoundAgent("codex", ("codex", "exec", "--json", "{title}"), "codex", "codex"),
    FoundAgent("gemini", ("gemini", "-p", "{title}", "--output-format", "json"), "gemini", "gemini"),
    FoundAgent("opencode", ("opencode", "run", "--format", "json", "{title}"), "opencode", "opencode"),
    FoundAgent("mini", ("mini", "-y", "--exit-immediately", "-o", "trajectory.json", "-t", "{title}"), "mini", "mini"),
    FoundAgent("aider", ("aider", "--yes-always", "--message", "{title}"), "aider", "aider"),
)


def look_around(directory: Path) -> Findings:
    """Return what a directory and this machine offer. Programs are asked, and nothing is changed."""
    repository = _asked("git", "-C", str(directory), "rev-parse", "--show-toplevel")
    return Findings(
        directory=directory,
        repository=Path(repository) if repository else None,
        sources=tuple(_sources(directory)),
        agents=tuple(agent for agent in _AGENTS if shutil.which(agent.command[0])),
    )


def _sources(directory: Path) -> list[FoundSource]:
    found = [
        FoundSource(_name_of(file), format_, file=file)
        for file, format_ in _BACKLOGS.items()
        if (directory / file).is_file()
    ]
    if (directory / ".beads").is_dir() and shutil.which("bd"):
        listing: tuple[str, ...] = ("bd", "list", "--all", "--limit", "0", "--json")
        found = [one for one in found if one.format != "beads"]
        found.insert(0, FoundSource("beads", "beads", command=listing, write_back=True))
    repo = _github_repository(directory)
    if repo and shutil.which("gh") and _asked("gh", "auth", "status") is not None:
        listing = ("gh", "issue", "list", "--repo", repo, "--limit", "1000", "--json", _ISSUE_FIELDS)
        found.append(FoundSource("github", "gh", command=listing, repo=repo))
    return found


def _name_of(file: str) -> str:
    return Path(file).parts[0].strip(".") if "/" in file else Path(file).stem


def _github_repository(directory: Path) -> str:
    address = _asked("git", "-C", str(directory), "remote", "get-url", "origin") or ""
    found = _GITHUB.search(address)
    return found[1] if found else ""


def _asked(*command: str) -> str | None:
    """Return what a program prints; None where it is not there, fails, or takes too long."""
    program = shutil.which(command[0])
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603  (a list of arguments, no shell)
            [program, *command[1:]], capture_output=True, text=True, timeout=_SECONDS, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
