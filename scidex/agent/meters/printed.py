"""Reads what a coding agent prints of its own usage, or writes into a file of its run's directory."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scidex.agent.executors import RunResult
from scidex.agent.meters import PlainMeter, Usage, unknown
from scidex.agent.meters.agents import Reader
from scidex.agent.workplace import Workplace, read_text

# What the executor leaves in the place of what it did not keep.
_CUT = re.compile(r"^\[… \d+ bytes left out …\]$", re.MULTILINE)


@dataclass(frozen=True)
class PrintedMeter(PlainMeter):
    """
    Reads by an agent's own format what a run printed, or with `file` what it wrote there.

    `needs_all` says that the format tells parts that have to be added: then output of which a part was not kept tells
    nothing.
    """

    name: str
    reader: Reader
    file: str | None = None
    needs_all: bool = False

    def read(self, place: Workplace, result: RunResult) -> Usage:
        """Return what the run says it used; `none` and no number where it does not. Never raises."""
        where = "output" if self.file is None else f"file {self.file}"
        try:
            return self.reader(self._text(place, result))
        except FileNotFoundError:
            return unknown(f"the {where} was not written", meter=self.name)
        except (OSError, ValueError) as error:
            return unknown(f"the {where} {error}", meter=self.name)

    def _text(self, place: Workplace, result: RunResult) -> str:
        if self.file is not None:
            return read_text(place.directory / self.file)
        if self.needs_all and _CUT.search(result.stdout):
            raise ValueError("is longer than what was kept of it: let the command write it to a file")
        return result.stdout
