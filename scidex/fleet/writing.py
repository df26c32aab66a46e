"""A `scidex.toml` with comments, from what was found in a directory and what was chosen of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scidex.fleet.finding import FoundAgent, FoundSource
from scidex.fleet.reference import SCHEMA_FILE

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_HEAD = f"""\
#:schema {SCHEMA_FILE}
# A whole fleet in one file: `scidex start` runs it, `scidex check` finds its faults, `scidex apply` brings a market in
# line with it. Every setting is in docs/reference/fleet-file.md.

# Its directory keeps itself out of the repository.
database = "sqlite:///.scidex/market.db"

[pools.scidex-agent]
profile = "recommended"   # or brief, generous
cycle = "15s"             # time from round to round
"""
_NO_SOURCE = """
# Where work comes from. Nothing was found here: name a file or a command.
# [[sources]]
# name = "backlog"
# format = "jsonl"        # jsonl, csv, gh, beads, linear, jira, taskwarrior or todo.txt
# file = "backlog.jsonl"
"""
_NO_AGENT = """
# Who does it. No coding agent was found on the path: name a command.
# [[agents]]
# name = "mine"
# command = ["./do-one-task", "{task_id}"]
"""
_EVALUATOR = """\
# What judges a run, and so refills the wallet that paid for it: a command that prints {"impact_usd": 5}, exit-code:USD,
# or pull-request:USD_MERGED. Without one quests live on their daily income.
# evaluator = "pull-request:50,5"
# attester = "evaluator:ci"
# pass = ["ANTHROPIC_API_KEY"]   # variables of the environment that the command gets
"""


@dataclass(frozen=True)
class Choice:
    """What is to be written."""

    quest: str
    sources: tuple[FoundSource, ...]
    agent: FoundAgent | None
    seats: int
    worktree: bool


def written(choice: Choice) -> str:
    """Return the text of a file for what was chosen."""
    return "\n".join([_HEAD, _quest(choice), *_sources(choice), *_agents(choice)])


def _quest(choice: Choice) -> str:
    return f"[quests.{_key(choice.quest)}]\npriority = 1             # its share where money is split by priority"


def _sources(choice: Choice) -> Iterator[str]:
    if not choice.sources:
        yield _NO_SOURCE
    for one in choice.sources:
        told = [
            "\n[[sources]]",
            f"name = {_value(one.name)}",
            f"format = {_value(one.format)}",
            f"file = {_value(one.file)}" if one.file else f"command = {_list(one.command)}",
            f"quest = {_value(choice.quest)}",
            'every = "5m"',
        ]
        if one.repo:
            told.append(f"repo = {_value(one.repo)}")
        told.append(f"write_back = {'true' if one.write_back else 'false'}       # tell the source how its tasks ended")
        yield "\n".join(told)


def _agents(choice: Choice) -> Iterator[str]:
    agent = choice.agent
    if agent is None:
        yield _NO_AGENT
        return
    told = [
        "\n[[agents]]",
        f"name = {_value(agent.name)}",
        f"command = {_list(agent.command)}",
        f"seats = {choice.seats}                # runs side by side",
        f"meter = {_value(agent.meter)}",
    ]
    if agent.outcome is not None:
        told.append(f"outcome = {_value(agent.outcome)}")
    if choice.worktree:
        told.append('worktree = "."           # each run gets a worktree of this repository, on a branch of its own')
    told.append('max_seconds = "30m"')
    yield "\n".join(told) + "\n" + _EVALUATOR


def _key(text: str) -> str:
    return text if _BARE.fullmatch(text) else _value(text)


def _value(text: str) -> str:
    # What JSON writes of a text is what TOML reads as one, but for one control character.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(words: Iterable[str]) -> str:
    return f"[{', '.join(map(_value, words))}]"
