"""What bidders' claims are worth, by what the market's record has of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from math import ceil
from typing import NamedTuple

from scidex.bidding.calibration import Calibration, Line, Record, fit, pooled, record_of
from scidex.bidding.judgement import Score, SettledRun, judged
from scidex.profiles import Profile
from scidex.store.database import Row, Transaction

# Older tasks weigh less than a fiftieth of the newest.
_LOOKED_BACK = 4


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

    A score is of a settled slot that an evaluator judged, in whatever pool, once others of its age could be judged too.
    """
    quests = tx.values("accounts_of_quests")
    names = sorted({*quests, *others})
    most = ceil(_LOOKED_BACK * profile.slow_tasks)
    asked = [{"bidder_id": name, "now": now, "most": most} for name in names]
    found = tx.gather([(statement, one) for one in asked for statement in ("newest_verdicts", "open_verdicts")])
    pairs: dict[str, list[Score]] = {
        name: judged([*map(_judged_run, reversed(verdicts)), *map(_open_run, waiting)], now)
        for name, verdicts, waiting in zip(names, found[::2], found[1::2], strict=True)
    }
    records = {name: record_of(scores, profile) for name, scores in pairs.items()}
    return Scores(profile, pooled((records[name] for name in quests), profile), records, pairs)


def _judged_run(row: Row) -> SettledRun:
    instants = (row["slot_finished_at"], row["attest_ends_at"], row["judged_at"])
    return SettledRun(row["claimed_usd"], *instants, row["realised_usd"])


def _open_run(row: Row) -> SettledRun:
    return SettledRun(0.0, row["slot_finished_at"], row["attest_ends_at"])
