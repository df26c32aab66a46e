"""Multi-unit Vickrey: each owner pays what its presence costs the others."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from itertools import islice, zip_longest

from scidex.mechanism.book import Book, open_book
from scidex.mechanism.values import Ask, Bid, Clearing, Price


def vickrey(bids: Iterable[Bid], asks: Iterable[Ask]) -> Clearing:
    """
    Sell to the best bids; an owner of m winners pays the m values that they displace.

    A winner displaces the best bid of another owner that would have won in its place, or the reserve of a
    slot that would have stayed unsold. Of one owner's bids the best pays the least. No payment exceeds a
    winning bid, and each provider gets what its buyer pays, at least its reserve. Honest bidding is dominant
    for any owner with falling values (Vickrey 1961; Krishna 2010, section 12.1).
    Raises InvalidArgument for a bid or an ask that no rule can clear.
    """
    book = open_book(bids, asks)
    winners = book.bids[: book.quantity]
    won = Counter(bid.owner for bid in winners)
    displaced = {owner: _displaced(book, owner, won[owner]) for owner in won}
    return book.sell_each([(bid, next(displaced[bid.owner])) for bid in winners])


def _displaced(book: Book, owner: Hashable, won: int) -> Iterator[Price]:
    """Return the values that an owner's winners displace, from the least."""
    rivals = (bid.price for bid in islice(book.bids, book.quantity, None) if bid.owner != owner)
    reserves = [ask.reserve for ask in book.asks[book.quantity - won : book.quantity]]
    # Without its winners, the slots from q - won + 1 on go to the best losing rivals that cover the reserves.
    return iter(sorted(map(max, zip_longest(reserves, islice(rivals, won), fillvalue=0))))
