"""Programs that say what they used and how they ended, by the name that an operator gives them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from scidex.agent.endings import Word
from scidex.agent.meters.programs import aider, claude, codex, gemini, mini, opencode
from scidex.agent.meters.said import Said


@dataclass(frozen=True)
class Program:
    """
    A program's own account of its runs, read by two pure functions.

    `usage` raises ValueError where the text does not say what was used. `word` gets standard error as well, and the
    time of the run's end, which some times to try again are counted from. `file` is where the program writes its
    account, None where it prints it.
    """

    meter: str
    usage: Callable[[str], Said]
    word: Callable[[str, str, datetime], Word]
    file: str | None = None


PROGRAMS: dict[str, Program] = {
    "claude": Program("claude", claude.usage, claude.word),
    "codex": Program("codex", codex.usage, codex.word),
    "gemini": Program("gemini", gemini.usage, gemini.word),
    "opencode": Program("opencode", opencode.usage, opencode.word),
    "mini": Program("mini-swe-agent", mini.usage, mini.word, "trajectory.json"),
    "aider": Program("aider", aider.usage, aider.word, "analytics.jsonl"),
}
