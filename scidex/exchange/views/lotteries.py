"""What decided a cleared round's ties, told so that anybody can check it."""

from __future__ import annotations

from scidex.exchange.views.listings import known_round
from scidex.mechanism.tie_breaking import commitment, ticket
from scidex.records import Lottery
from scidex.store.database import Database

_MOST_TICKETS = 10_000


def check(db: Database, round_id: int, noted: str | None) -> Lottery:
    """Return a round's seed, its commitment and its owners' tickets, the lowest first. Raises UnknownRound."""
    with db.reading() as tx:
        facts = known_round(tx, round_id)
        owners = tx.values("owners_in_round", pool=facts["pool"], round_id=round_id, page=_MOST_TICKETS)
    published = commitment(facts["seed"])
    return Lottery(
        round_id=round_id,
        tie_rule=facts["tie_rule"],
        seed=facts["seed"],
        seed_commitment=published,
        kept=None if noted is None else noted == published,
        tickets=tuple(sorted(((owner, ticket(facts["seed"], owner)) for owner in owners), key=lambda one: one[1])),
    )
