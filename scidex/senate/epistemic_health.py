"""Whether bidders' claims can be believed: what they claimed of their tasks against what these realised."""

from __future__ import annotations

from datetime import datetime
from itertools import groupby
from math import exp, fsum, log
from typing import NamedTuple

from scidex.bidding import judgement
from scidex.bidding.calibration import Calibration
from scidex.exchange import arguments as checked
from scidex.exchange.book import market_settings
from scidex.exchange.book.pools import read_pools
from scidex.exchange.quests import track_records
from scidex.settings import DEFAULT_POOL
from scidex.store import Database

__all__ = ["BidderHealth", "Score", "report"]

_FEW = 5
_ABOUT_RIGHT = (0.8, 1.25)


class Score(NamedTuple):
    """What a bidder claimed of one slot, and what came of it."""

    claimed_usd: float
    realised_usd: float


class BidderHealth(NamedTuple):
    """One bidder's claims against attested impact, over the slots that it won and settled."""

    bidder_id: str
    sample_size: int
    claimed_usd: float
    realised_usd: float
    bias_usd: float
    """Claimed less realised value, on average for a task: above 0 is over-claiming."""
    calibration_factor: float
    """How much of a claim of its usual size counts: 1 is all of it."""
    calibration_slope: float
    calibration_intercept: float
    """A claim counts as e^intercept × claim^slope, within bounds."""
    scores: tuple[Score, ...]
    """The newest of its scores, the oldest first: those that the factor rests on."""
    sentence: str


def report(pool: str = DEFAULT_POOL, *, now: datetime | None = None, db: Database | None = None) -> list[BidderHealth]:
    """
    Return each bidder's claimed against its realised value, the largest exaggeration first.

    Counted are settled slots that an evaluator judged, failures among them, in all pools; impact on a bidder's own word
    is not. The calibration is that by which a backlog's bids are corrected where `pool` is set to it. Winners are
    picked for their high claims, so that even honest estimates realise somewhat less than they claim. Raises
    UnknownPool.
    """
    database = checked.database(db)
    moment = checked.moment(now, database)
    name = checked.identifier(pool, "pool")
    with database.reading() as tx:
        read_pools(tx, [name])
        profile = market_settings.profiles_of(tx, [name])[name]
        rows = tx.tuples("claims_and_impacts", now=moment)
        told = {
            bidder: [Score(*score) for _, *score in group] for bidder, group in groupby(rows, key=lambda row: row[0])
        }
        scores = track_records.read(tx, profile, moment, others=told)
    healths = [
        _health(bidder, pairs, scores.pairs[bidder], scores.calibration(bidder), corrects=profile.calibrate)
        for bidder, pairs in told.items()
    ]
    return sorted(healths, key=lambda health: (-health.bias_usd, health.bidder_id))


def _health(
    bidder_id: str, pairs: list[Score], newest: list[judgement.Score], calibration: Calibration, *, corrects: bool
) -> BidderHealth:
    claimed = fsum(claim for claim, _ in pairs)
    realised = fsum(value for _, value in pairs)
    usual = _usual_claim(newest)
    sentence = _sentence(claimed, realised, len(pairs))
    if corrects:
        sentence += f" A claim of {usual:,.2f} USD counts as {calibration.value(usual):,.2f}."
    return BidderHealth(
        bidder_id=bidder_id,
        sample_size=len(pairs),
        claimed_usd=claimed,
        realised_usd=realised,
        bias_usd=(claimed - realised) / len(pairs),
        calibration_factor=calibration.factor(usual),
        calibration_slope=calibration.slope,
        calibration_intercept=calibration.intercept,
        scores=tuple(Score(*score) for score in newest),
        sentence=sentence,
    )


def _usual_claim(scores: list[judgement.Score]) -> float:
    """Return the geometric mean of claims; claims of nothing have no logarithm."""
    claims = [log(claimed) for claimed, _ in scores if claimed > 0]
    return exp(fsum(claims) / len(claims)) if claims else 1.0


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
