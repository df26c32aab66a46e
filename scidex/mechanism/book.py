"""The book of a round: ranked bids and asks, how many of them trade, and the numbers at the margin."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat, zip_longest
from operator import attrgetter, itemgetter, lt
from typing import NamedTuple

from scidex.mechanism.ranking import rank_asks, rank_bids
from scidex.mechanism.validation import check_book
from scidex.mechanism.values import Ask, Bid, Clearing, Price, Trade


class Book(NamedTuple):
    """Bids from the best, asks from the cheapest, of which the first `quantity` trade efficiently."""

    bids: Sequence[Bid]
    asks: Sequence[Ask]
    quantity: int

    def sell(self, quantity: int, *, buyer_pays: Price, provider_gets: Price) -> Clearing:
        """Sell the cheapest slots to the best bids, `quantity` of them, all on the same terms."""
        bid_ids = map(attrgetter("id"), self.bids[:quantity])
        ask_ids = map(attrgetter("id"), self.asks[:quantity])
        trades = tuple(map(Trade, bid_ids, ask_ids, repeat(buyer_pays), repeat(provider_gets)))
        runner_up = self.bids[quantity].id if quantity < len(self.bids) else None
        return Clearing(trades, buyer_pays if trades else None, runner_up)

    def sell_each(self, sales: Sequence[tuple[Bid, Price]]) -> Clearing:
        """
        Sell to each of these bids, ranked, at the price beside it; its provider gets what it pays.

        The smallest payment goes to the cheapest ask, and so on up.
        """
        by_payment = sorted(sales, key=itemgetter(1))
        ask_ids = {bid.id: ask.id for (bid, _), ask in zip(by_payment, self.asks, strict=False)}
        return self.clearing(tuple(Trade(bid.id, ask_ids[bid.id], price, price) for bid, price in sales))

    def clearing(self, trades: tuple[Trade, ...], price: Price | None = None) -> Clearing:
        """Return these trades as a clearing, with the best bid that is not among them as runner-up."""
        pairs = zip_longest(self.bids, trades)
        runner_up = next((bid.id for bid, trade in pairs if trade is None or trade.bid_id != bid.id), None)
        return Clearing(trades, price, runner_up)

    def prices(self) -> Iterator[Price]:
        """Return every price and reserve of the round."""
        return chain(map(attrgetter("price"), self.bids), map(attrgetter("reserve"), self.asks))


def open_book(bids: Iterable[Bid], asks: Iterable[Ask]) -> Book:
    """
    Rank the bids and asks of a round, and count the efficient trades: the largest n with b_n >= a_n.

    Raises InvalidArgument for a bid or an ask that no rule can clear.
    """
    bids, asks = list(bids), list(asks)
    check_book(bids, asks)
    ranked_bids, ranked_asks = rank_bids(bids), rank_asks(asks)
    depth = min(len(bids), len(asks))
    quantity = bisect_left(range(depth), True, key=lambda n: lt(ranked_bids[n].price, ranked_asks[n].reserve))
    return Book(ranked_bids, ranked_asks, quantity)
