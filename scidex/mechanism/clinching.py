"""The clinching auction: as the price rises, owners secure the slots that their rivals leave over."""

from collections.abc import Hashable, Iterable, Mapping

from scidex.errors import InvalidArgument
from scidex.mechanism.book import Book, open_book
from scidex.mechanism.clock import Clock
from scidex.mechanism.validation import check_prices
from scidex.mechanism.values import Ask, Bid, Clearing, Price


def clinching(bids: Iterable[Bid], asks: Iterable[Ask], *, budgets: Mapping[Hashable, Price] | None = None) -> Clearing:
    """
    Raise a price from 0; as soon as an owner's rivals leave a slot over, the owner clinches it at that price.

    A slot is offered from its reserve on. Without budgets the outcome is multi-unit Vickrey's (Ausubel 2004).
    An owner in `budgets` pays at most its budget in total, and gives up slots that it can no longer afford;
    honest bids stay a best reply for an owner whose values are equal and whose budget is true (Dobzinski,
    Lavi, Nisan 2012). Prices are exact: a Fraction where several slots share a budget.
    Raises InvalidArgument for a budget, a bid or an ask that no rule can clear.
    """
    book = open_book(bids, asks)
    clinched = Clock(book, _checked({} if budgets is None else budgets, book)).run()
    prices = {owner: iter(paid) for owner, paid in clinched.items()}
    sales = ((bid, next(prices[bid.owner], None)) for bid in book.bids)
    return book.sell_each([(bid, price) for bid, price in sales if price is not None])


def _checked(budgets: Mapping[Hashable, Price], book: Book) -> Mapping[Hashable, Price]:
    if not isinstance(budgets, Mapping):
        raise InvalidArgument(field="budgets", value=budgets, fact="must map owners to amounts")
    check_prices("budgets", [*budgets.values(), *book.prices()])
    return budgets
