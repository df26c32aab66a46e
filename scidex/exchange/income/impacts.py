"""Attested impact that earns a share of the day's bucket: kept until it is counted, taken back when it was too much."""

from __future__ import annotations

from fractions import Fraction

from scidex.exchange.ledger import arrears
from scidex.exchange.ledger.wallets import Wallet
from scidex.money.clawback import taken_back
from scidex.profiles import Profile
from scidex.records import Clear
from scidex.store.database import Transaction
from scidex.store.db_writes import Work


def exact(impact_usd: float) -> Fraction:
    """Return an impact as it is written, not the nearest binary number."""
    return Fraction(str(impact_usd))


def earns_share(tx: Transaction, clear: Clear, profile: Profile | None) -> bool:
    """Return whether a slot's impact earns a share of the bucket: one that earned a refill at once never does both."""
    if tx.row("attested_impact", slot_id=clear.slot_id) is not None:
        return True
    return profile is not None and profile.impact_percent > 0 and not tx.rows("refills_of", slot_id=clear.slot_id)


def note(work: Work, locked: dict[str, Wallet], clear: Clear) -> None:
    """
    Write down the present word on a slot's impact; take back what an earlier one earned too much.

    Only what an evaluator attests counts, and nothing below zero. The wallets are locked, and the slot's pool, so that
    no bucket is split meanwhile.
    """
    tx = work.tx
    known = tx.row("attested_impact", slot_id=clear.slot_id)
    impact = max(0.0, clear.actual_impact or 0.0) if clear.attested_by is not None else 0.0
    if known is None and impact == 0:
        return
    counted, earned = (known["counted_usd"], known["earned_tokens"]) if known else (0.0, 0)
    taken = taken_back(earned, counted_impact=exact(counted), attested_impact=exact(impact))
    assert 0 <= taken <= earned, "no more is taken back than was earned"
    tx.run(
        "save_attested_impacts",
        slot_id=clear.slot_id,
        pool=clear.pool,
        account_id=clear.bidder_id,
        impact_usd=impact,
        counted_usd=min(counted, impact),
        earned_tokens=earned - taken,
    )
    arrears.take(work, locked, clear.bidder_id, taken, f"impact taken back {clear.slot_id}")
