"""Whether bidders' claims can be believed: what they claimed of their tasks against what these realised."""

from __future__ import annotations

from datetime import datetime
from itertools import groupby
from math import fsum
from typing import NamedTuple

from scidex.clock import utc_now
from scidex.exchange import arguments as checked
from scidex.senate.calibration import fit_line
from scidex.store import Database

_FEW = 5
_ABOUT_RIGHT = (0.8, 1.25)


class BidderHealth(NamedTuple):
    """One bidder's claims against attested impact, over the slots that it won and settled."""

    bidder_id: str
    sample_size: int
    claimed_usd: float
    realised_usd: float
    bias_usd: float
    """Claimed less realised value, on average for a task: above 0 is over-claiming."""
    calibration_slope: float | None
    calibration_intercept: float | None
    sentence: str


def report(*, now: datetime | None = None, db: Database | None = None) -> list[BidderHealth]:
    """
    Return each bidder's claimed against its realised value, the largest exaggeration first.

    Counted are settled slots whose impact an evaluator attested, and failures; impact on a bidder's own word is not.
    Winners are picked for their high claims, so that even honest estimates realise somewhat less than they claim.
    """
    moment = utc_now() if now is None else checked.instant(now, "now")
    with checked.database(db).reading() as tx:
        rows = tx.tuples("claims_and_impacts", now=moment)
    healths = [
        health_of(bidder_id, [(claimed, realised) for _, claimed, realised in group])
        for bidder_id, group in groupby(rows, key=lambda row: row[0])
    ]
    return sorted(healths, key=lambda health: (-health.bias_usd, health.bidder_id))


def health_of(bidder_id: str, pairs: list[tuple[float, float]]) -> BidderHealth:
    """Return a bidder's health by its (claimed, realised) values in USD, of which there is at least one."""
    claimed = fsum(claim for claim, _ in pairs)
    realised = fsum(value for _, value in pairs)
    line = fit_line(pairs)
    return BidderHealth(
        bidder_id=bidder_id,
        sample_size=len(pairs),
        claimed_usd=claimed,
        realised_usd=realised,
        bias_usd=(claimed - realised) / len(pairs),
        calibration_slope=line.slope if line else None,
        calibration_intercept=line.intercept if line else None,
        sentence=_sentence(claimed, realised, len(pairs)),
    )


def _sentence(claimed: float, realised: float, count: int) -> str:
    tasks = "1 task" if count == 1 else f"{count} tasks"
    told = f"Over {tasks} it claimed {claimed:,.2f} USD and realised {realised:,.2f}: {_verdict(claimed, realised)}."
    return told + (" These are too few to go by." if count < _FEW else "")


def _verdict(claimed: float, realised: float) -> str:
    least, most = _ABOUT_RIGHT
    if realised <= 0:
        return "nothing of its claims came true" if claimed > 0 else "it claimed nothing and nothing came of it"
    ratio = claimed / realised
    if ratio > most:
        return f"it claims {ratio:,.1f} times what comes true"
    if ratio < least:
        return f"it claims {100 * ratio:,.0f} % of what comes true"
    return "its claims are about right"
