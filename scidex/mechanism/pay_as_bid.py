"""Pay as bid: the discriminatory auction."""

from collections.abc import Iterable

from scidex.mechanism.book import open_book
from scidex.mechanism.values import Ask, Bid, Clearing, Trade


def pay_as_bid(bids: Iterable[Bid], asks: Iterable[Ask]) -> Clearing:
    """
    Sell to the best bids; each pays its own price to its provider.

    Bidders gain by bidding below their values (Krishna 2010, chapter 12).
    Raises InvalidArgument for a bid or an ask that no rule can clear.
    """
    book = open_book(bids, asks)
    pairs = zip(book.bids[: book.quantity], book.asks, strict=False)
    return book.clearing(tuple(Trade(bid.id, ask.id, bid.price, bid.price) for bid, ask in pairs))
