"""Reads the usage that a command itself reports, in the file that `$SCIDEX_USAGE_FILE` names."""

from __future__ import annotations

from typing import Any

from scidex.agent.executors import RunResult
from scidex.agent.meters import Usage
from scidex.agent.workplace import Workplace, read_object
from scidex.errors import shown
from scidex.settings import MOST_TOKENS

_PARTS = ("input_tokens", "output_tokens")


class UsageFileMeter:
    """
    Reads a JSON object with `tokens`, or with `input_tokens` and `output_tokens`, which are added.

    A file that is missing or says something else counts as no usage known, and the note says why.
    """

    def read(self, place: Workplace, result: RunResult) -> Usage:
        """Return what the file says, 0 and `none` where that cannot be known. Never raises."""
        try:
            return Usage(_tokens(read_object(place.usage_file)), "reported")
        except FileNotFoundError:
            return Usage(0, "none")
        except (OSError, ValueError) as error:
            return Usage(0, "none", f"the usage file {error}")


def _tokens(usage: dict[str, Any]) -> int:
    names = ("tokens",) if "tokens" in usage else _PARTS
    counts = [usage.get(name) for name in names]
    for name, count in zip(names, counts, strict=True):
        if type(count) is not int or not 0 <= count <= MOST_TOKENS:
            raise ValueError(f"gives no whole number of {name}: {shown(count)}")
    return sum(count for count in counts if count is not None)
