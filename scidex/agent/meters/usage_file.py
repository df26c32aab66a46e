"""Reads the usage that a command itself reports, in the file that `$SCIDEX_USAGE_FILE` names."""

from __future__ import annotations

from scidex.agent.executors import RunResult
from scidex.agent.meters import PlainMeter, Usage, unknown
from scidex.agent.meters.agents import reported_by_itself
from scidex.agent.workplace import Workplace, read_object


class UsageFileMeter(PlainMeter):
    """
    Reads a JSON object with `tokens`, or with input and output tokens, which are added, and perhaps `cost_usd`.

    A file that is missing or says something else counts as no usage known, and the note says why.
    """

    def read(self, place: Workplace, result: RunResult) -> Usage:
        """Return what the file says; `none` and no number where that cannot be known. Never raises."""
        try:
            return reported_by_itself(read_object(place.usage_file))
        except FileNotFoundError:
            return unknown("the usage file was not written", meter="file")
        except (OSError, ValueError) as error:
            return unknown(f"the usage file {error}", meter="file")
