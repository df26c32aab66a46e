"""The kinds of audit that the demo's quests stand for, and what their findings are worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import sqrt


@dataclass(frozen=True)
class Audit:
    """
    One kind of audit: a family of ruff's rules, and what its owner pays for what it finds.

    `usd_per_finding` is what one finding is worth to the owner, and `usd_per_rule` says otherwise of single rules.
    `usd_per_kilobyte` is what the owner expects of a kilobyte of source before anything was read: a guess.
    """

    quest_id: str
    title: str
    rules: str
    usd_per_finding: float
    usd_per_kilobyte: float
    priority: int
    wallet_tokens: int
    usd_per_rule: Mapping[str, float] = field(default_factory=dict)


# Dollars stand for a reviewer's time saved. What is expected of a kilobyte are round guesses: on most packages they are
# wrong, some too high and some too low, and the market shows which.
AUDITS = (
    Audit("security", "Security", "S", 4.0, 0.08, 5, 10_000, {"S101": 0.2}),
    Audit("bugs", "Likely bugs", "B", 3.0, 0.07, 4, 60_000, {"B904": 0.6, "B033": 0.5}),
    Audit("dates", "Dates without a zone", "DTZ", 8.0, 0.06, 3, 80_000),
    Audit("names", "Names that mislead", "F", 2.5, 0.03, 3, 20_000, {"F405": 0.2}),
    Audit("complexity", "Complexity", "C90", 2.0, 0.03, 2, 50_000),
    Audit("errors", "Errors swallowed", "BLE,TRY", 1.5, 0.03, 2, 40_000, {"TRY003": 0.2}),
    Audit("performance", "Performance", "PERF", 6.0, 0.04, 1, 20_000),
    Audit("spelling", "Old spellings", "UP", 0.6, 0.03, 1, 30_000),
)

# These join one after the other.
LATER_AUDITS = (
    Audit("design", "Design", "PLR", 0.8, 0.03, 2, 150_000),
    Audit("warnings", "Warnings", "PLW", 2.0, 0.04, 2, 150_000),
    Audit("arguments", "Unused arguments", "ARG", 1.5, 0.02, 1, 120_000),
    Audit("flags", "Flags as arguments", "FBT", 1.2, 0.02, 1, 120_000),
    Audit("paths", "Paths as strings", "PTH", 1.2, 0.03, 1, 120_000),
    Audit("naming", "Naming", "N", 1.0, 0.01, 1, 120_000),
    Audit("detours", "Detours", "SIM,RET", 1.0, 0.03, 1, 120_000),
    Audit("habits", "Bad habits", "RUF", 1.0, 0.02, 1, 120_000),
)

BY_QUEST = {audit.quest_id: audit for audit in (*AUDITS, *LATER_AUDITS)}

# The guess for a kind of audit weighs as much as so many kilobytes that were really read.
_GUESS_KILOBYTES = 100.0


def value_usd(audit: Audit, codes: Iterable[str]) -> float:
    """
    Return what findings are worth in USD, given the rule of each.

    The hundredth finding of one rule tells an owner less than the first, so n of them count as the square root of n.
    """
    worth = (
        audit.usd_per_rule.get(rule, audit.usd_per_finding) * sqrt(count) for rule, count in Counter(codes).items()
    )
    return round(sum(sorted(worth)), 4)


def expected_usd(audit: Audit, source_bytes: int, *, found_usd: float = 0.0, read_bytes: int = 0) -> float:
    """Return what an owner expects of a part of a package, from its size and what the package gave so far."""
    known = audit.usd_per_kilobyte * _GUESS_KILOBYTES + found_usd
    return round(known / (_GUESS_KILOBYTES + read_bytes / 1_000) * source_bytes / 1_000, 4)
