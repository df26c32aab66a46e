"""What bidders' claims are worth, by what the market's record has of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from math import ceil
from typing import NamedTuple

from scidex.bidding.calibration import Calibration, Line, Record, fit, pooled, record_of
from scidex.profiles import Profile
from scidex.store.database import Transaction

# Older tasks weigh less than a fiftieth of the newest.
_LOOKED_BACK = 4


Score = tuple[float, float]
"""What a bidder claimed of a slot, and what came of it, in USD."""


class Scores(NamedTuple):
    """Bidders' claims and what came of them, the oldest first, and the line of those that bid for backlogs."""

    profile: Profile
    pool: Line
    records: Mapping[str, Record]
    pairs: Mapping[str, list[Score]]

    def calibration(self, bidder_id: str) -> Calibration:
        """Return what a bidder's claims are worth."""
        return fit(self.records.get(bidder_id, Record()), self.pool, self.profile)


def read(tx: Transaction, profile: Profile, now: datetime, *, others: Iterable[str] = ()) -> Scores:
    """
    Return the newest scores of the accounts that quests bid from, and of `others`, which leave the line as it is.

    A score is a slot that was settled, and what impact an evaluator attested, or was none; in whatever pool.
    """
    quests = tx.values("accounts_of_quests")
    names = sorted({*quests, *others})
    most = ceil(_LOOKED_BACK * profile.slow_tasks)
    found = tx.gather([("newest_scores", {"bidder_id": name, "now": now, "most": most}) for name in names])
    pairs: dict[str, list[Score]] = {
        name: [(row["claimed_usd"], row["realised_usd"]) for row in reversed(rows)]
        for name, rows in zip(names, found, strict=True)
    }
    records = {name: record_of(scores, profile) for name, scores in pairs.items()}
    return Scores(profile, pooled((records[name] for name in quests), profile), records, pairs)
