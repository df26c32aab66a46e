"""What every one-price rule reads: the last efficient trade, and the first bid and ask beyond it."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from scidex.mechanism.book import Book, open_book
from scidex.mechanism.values import Ask, Bid, Clearing, Price


class Margin(NamedTuple):
    """The quantity q, at least 1; the q-th bid and ask; and the next ones, None where there are none."""

    quantity: int
    bid: Price
    ask: Price
    next_bid: Price | None
    next_ask: Price | None

    def lowest_price(self) -> Price:
        """Return the lowest market-clearing price: max(a_q, b_{q+1})."""
        return self.ask if self.next_bid is None else max(self.ask, self.next_bid)

    def highest_price(self) -> Price:
        """Return the highest market-clearing price: min(b_q, a_{q+1})."""
        return self.bid if self.next_ask is None else min(self.bid, self.next_ask)


class MarginTerms(NamedTuple):
    """How many of the best bids trade, what each of them pays, and what each provider gets."""

    quantity: int
    buyer_pays: Price
    provider_gets: Price


Rule: TypeAlias = Callable[[Margin], MarginTerms]


def clear_at_margin(rule: Rule, bids: Iterable[Bid], asks: Iterable[Ask]) -> Clearing:
    """
    Clear a round on the terms that `rule` finds at its margin; without an efficient trade, sell nothing.

    Raises InvalidArgument for a bid or an ask that no rule can clear.
    """
    book = open_book(bids, asks)
    if not book.quantity:
        return book.clearing(())
    quantity, buyer_pays, provider_gets = rule(_margin(book))
    return book.sell(quantity, buyer_pays=buyer_pays, provider_gets=provider_gets)


def _margin(book: Book) -> Margin:
    bids, asks, quantity = book
    return Margin(
        quantity=quantity,
        bid=bids[quantity - 1].price,
        ask=asks[quantity - 1].reserve,
        next_bid=bids[quantity].price if quantity < len(bids) else None,
        next_ask=asks[quantity].reserve if quantity < len(asks) else None,
    )
