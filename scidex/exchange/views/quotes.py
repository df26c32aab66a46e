"""What to bid to win the next round."""

from __future__ import annotations

import json
from datetime import datetime

from scidex.exchange.book.pools import read_pools
from scidex.mechanism.winning import price_to_beat, price_to_win, quoted
from scidex.records import Quote
from scidex.settings import MOST_TOKENS
from scidex.store.database import Database, Row

_QUOTED_ROUNDS = 400


def quote(db: Database, pool: str, probability: float, now: datetime) -> Quote:
    """
    Return a bid that wins the next round with a probability by what recent rounds took, and beats today's book.

    Raises UnknownPool.
    """
    with db.reading() as tx:
        market = read_pools(tx, [pool])[pool]
        rounds = tx.rows("prices_to_win", pool=pool, now=now, page=_QUOTED_ROUNDS)
        asks = tx.rows("asks_on_offer", pool=pool, now=now)
        best = tx.values("best_prices", pool=pool, round_id=market.open_round_id, now=now, most=len(asks) + 1)
    took = [price_took(market.mechanism, row, json.loads(row["book"])) for row in reversed(rounds)]
    reserves = [ask["reserve_price_tokens"] for ask in asks]
    standing = price_to_beat(market.mechanism, best, reserves, most=MOST_TOKENS, **market.parameters) or 0
    seen, basis = _seen(took, probability)
    if seen < standing or not took:
        basis = "the book as it stands" if asks else "nothing yet"
    return Quote(pool, probability, max(1, seen, standing), len(took), basis)


def _seen(took: list[int | None], probability: float) -> tuple[int, str]:
    """Return what recent rounds say, or where no bid would have won so often, what the dearest of them took."""
    answer = quoted(took, probability)
    if answer is not None:
        return answer, "recent rounds"
    return max((price for price in took if price is not None), default=0), "the dearest of recent rounds"


def price_took(mechanism: str, winners: Row, book: Row) -> int | None:
    """Return the least bid that would have won a round for certain, by its lowest winners and what it remembered."""
    unsold = book["unsold"][0][4] if book["unsold"] else None
    return price_to_win(mechanism, winners["lowest"], winners["second"], unsold)
