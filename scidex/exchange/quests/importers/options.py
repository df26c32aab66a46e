"""How a backlog is to be read, whatever its format."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from scidex.exchange.quests.importers.statuses import StatusTable
from scidex.exchange.quests.importers.values import ValueTable


class ReadOptions(NamedTuple):
    """What the caller says of a backlog that its text does not."""

    quest_id: str | None = None
    """Takes all tasks into this quest."""
    value_table: ValueTable | None = None
    """USD by priority or label, for all quests or for each."""
    status_table: StatusTable | None = None
    """Statuses by the source's own words."""
    repo: str | None = None
    """The repository of issues that have no address."""
    now: datetime | None = None
    """What is put off until later than this is held; without it, whatever is put off."""


DEFAULTS = ReadOptions()
