"""
How a run ended: its class, a word for why, and when to try again.

`failed` is the work's fault, or that of a limit of its own. `interrupted` is the fault of something else, such as a
provider's quota or an expired login, so the same task may well succeed later.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from scidex.agent.executors import RunResult

Kind = Literal["succeeded", "failed", "interrupted"]

# EX_TEMPFAIL of sysexits.h: by this exit code any command says "not now".
NOT_NOW_EXIT_CODE = 75

# Each word for the end of a run, and the class that it belongs to.
REASONS: dict[str, Kind] = {
    "done": "succeeded",
    "exit_code": "failed",  # the command says so
    "agent_error": "failed",  # the agent says that it did not do its work
    "nothing_done": "failed",  # a success that used nothing
    "unread": "failed",  # it was to say whether it succeeded, and did not
    "turn_limit": "failed",
    "budget": "failed",  # the run's own, not the provider's
    "time_limit": "failed",
    "output_limit": "failed",
    "memory_limit": "failed",
    "quota": "interrupted",  # a window, a plan or credits are used up
    "rate_limit": "interrupted",
    "overload": "interrupted",
    "login": "interrupted",  # a key or login that is refused, or a model that it may not use
    "network": "interrupted",
    "provider_error": "interrupted",
    "machine": "interrupted",  # the command cannot be started or set up here
    "stopped": "interrupted",  # by an operator, or since the agent stops
    "not_now": "interrupted",  # the command says so
}

_MOST_DETAIL_CHARACTERS = 200


@dataclass(frozen=True)
class Ending:
    """How a run ended: a word of REASONS, what was said about it, and when to try again where that was said."""

    reason: str
    detail: str = ""
    retry_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.reason not in REASONS:
            raise ValueError(f"{self.reason!r} is not a reason")
        line = " ".join("".join(c if c.isprintable() else " " for c in self.detail).split())
        object.__setattr__(self, "detail", line[:_MOST_DETAIL_CHARACTERS])

    @property
    def kind(self) -> Kind:
        """The class that the reason belongs to."""
        return REASONS[self.reason]

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


class Window(NamedTuple):
    """What a provider says of one of its windows: the share that is used, from 0 to 1, and when it starts anew."""

    name: str
    used: float | None = None
    resets_at: datetime | None = None
    is_shut: bool = False


@dataclass(frozen=True)
class Word:
    """What a run's own program says of its end, None where it says nothing, and of its provider's windows."""

    ending: Ending | None = None
    windows: tuple[Window, ...] = ()


def ending_of(
    result: RunResult, word: Ending | None = None, *, is_heeded: bool = False, retry_at: datetime | None = None
) -> Ending:
    """
    Return how a run ended, by its place, its exit code, and what its program said.

    An interruption that the program names counts for any exit code but 0. With `is_heeded` its word counts for 0 as
    well, and saying nothing is not a success; without, an exit code of 0 is one, unless the program did nothing.
    """
    if result.ended in _NO_FAULT:
        return Ending(_NO_FAULT[result.ended], result.reason)
    if result.ended in _LIMITS:
        # An agent that waits for its quota until its time is up was interrupted all the same.
        return word if word is not None and word.kind == "interrupted" else Ending(_LIMITS[result.ended], result.reason)
    if result.exit_code == NOT_NOW_EXIT_CODE:
        return _not_now(word, retry_at)
    if result.exit_code == 0:
        return _of_exit_0(word, is_heeded)
    return word if word is not None and word.kind != "succeeded" else Ending("exit_code", result.reason)


def within_budget(word: Ending, most_usd: float | None) -> Ending:
    """Return a refusal for a spent budget as the run's own fault, where the budget is that of the run's key."""
    if word.reason != "quota" or most_usd is None:
        return word
    is_own = re.search(r"key limit exceeded", word.detail, re.IGNORECASE) or any(
        float(amount) == most_usd
        for amount in re.findall(r"max budget: (\d{1,12}(?:\.\d+)?)", word.detail, re.IGNORECASE)
    )
    return Ending("budget", word.detail) if is_own else word


def _not_now(word: Ending | None, retry_at: datetime | None) -> Ending:
    if word is None or word.kind != "interrupted":
        return Ending("not_now", f"exited with {NOT_NOW_EXIT_CODE}", retry_at)
    return Ending(word.reason, word.detail, retry_at or word.retry_at)


def _of_exit_0(word: Ending | None, is_heeded: bool) -> Ending:
    if is_heeded:
        return word or Ending("unread", "its output does not say whether it succeeded")
    return word if word is not None and word.reason == "nothing_done" else Ending("done")


_NO_FAULT = {"stopped": "stopped", "lost": "machine", "not_started": "machine"}
_LIMITS = {"timed_out": "time_limit", "flooded": "output_limit", "swollen": "memory_limit"}
