"""The clock of a clinching auction: what happens as the price rises, and who clinches at each step."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping
from fractions import Fraction
from heapq import heapify, heappop, heappush
from operator import attrgetter
from typing import Any, NamedTuple

from scidex.mechanism.book import Book
from scidex.mechanism.prices import in_kind
from scidex.mechanism.values import Price

# At one price slots are offered first, then bids drop out; only then do budgets run short.
OFFER, DROP, SHORTAGE = range(3)


class Event(NamedTuple):
    """What happens when the price gets there; events at one price go by kind, then by order."""

    price: Price
    kind: int
    order: int
    owner: Hashable = None
    place: int = 0


class Clock:
    """
    A price that rises from event to event until supply meets demand.

    Each event narrows the excess of demand over supply by one slot. An owner that wants more than the excess
    wants more than its rivals could use: it clinches the difference.
    """

    def __init__(self, book: Book, budgets: Mapping[Hashable, Price]) -> None:
        self._excess = len(book.bids)
        self._demand = Counter(bid.owner for bid in book.bids)
        self._owners_by_demand: defaultdict[int, set[Hashable]] = defaultdict(set)
        for owner, demand in self._demand.items():
            self._owners_by_demand[demand].add(owner)
        self._clinched: dict[Hashable, list[Price]] = {owner: [] for owner in self._demand}
        self._budgets: dict[Hashable, Any] = {owner: budgets[owner] for owner in self._demand if owner in budgets}
        numbers = (*book.prices(), *self._budgets.values())
        self._kind = next((number for number in numbers if not isinstance(number, int)), 0)
        self._events = [*_offers(book), *_drops(book)]
        self._events += (
            self._shortage(owner, -place)
            for place, owner in enumerate(_owners_by_sequence(book))
            if owner in self._budgets
        )
        heapify(self._events)

    def run(self) -> Mapping[Hashable, list[Price]]:
        """Return the prices at which each owner clinches its slots, in rising order."""
        while self._excess:
            event = heappop(self._events)
            if event.kind == OFFER:
                self._narrow(event.price)
            elif event.kind == DROP:
                self._drop(event)
            else:
                self._run_short(event)
        return self._clinched

    def _drop(self, event: Event) -> None:
        # A slot may have been given up before, for want of money.
        if len(self._clinched[event.owner]) + self._demand[event.owner] >= event.place:
            self._give_up(event)

    def _run_short(self, event: Event) -> None:
        owner = event.owner
        # Slots clinched or given up since the event was set have put the shortage off.
        if self._demand[owner] and self._shortage(owner, event.order) <= event:
            self._give_up(event)
        if self._demand[owner]:
            heappush(self._events, self._shortage(owner, event.order))

    def _shortage(self, owner: Hashable, order: int) -> Event:
        price = in_kind(Fraction(self._budgets[owner]) / self._demand[owner], self._kind)
        return Event(price, SHORTAGE, order, owner)

    def _give_up(self, event: Event) -> None:
        self._want_one_less(event.owner)
        self._narrow(event.price)

    def _narrow(self, price: Price) -> None:
        self._excess -= 1
        for owner in tuple(self._owners_by_demand[self._excess + 1]):
            self._clinch(owner, price)

    def _clinch(self, owner: Hashable, price: Price) -> None:
        self._want_one_less(owner)
        self._clinched[owner].append(price)
        if owner in self._budgets:
            self._budgets[owner] -= price

    def _want_one_less(self, owner: Hashable) -> None:
        demand = self._demand[owner]
        self._owners_by_demand[demand].remove(owner)
        self._owners_by_demand[demand - 1].add(owner)
        self._demand[owner] = demand - 1


def _owners_by_sequence(book: Book) -> list[Hashable]:
    # Not by price: who runs short first must not depend on what owners bid.
    first = {bid.owner: bid.sequence for bid in sorted(book.bids, key=attrgetter("sequence"), reverse=True)}
    return sorted(first, key=lambda owner: (first[owner], type(owner).__name__, str(owner)))


def _offers(book: Book) -> Iterator[Event]:
    for order, ask in enumerate(book.asks):
        yield Event(ask.reserve, OFFER, order)


def _drops(book: Book) -> Iterator[Event]:
    places: Counter[Hashable] = Counter()
    for rank, bid in enumerate(book.bids):
        places[bid.owner] += 1
        # Of bids at one price the last in rank drops out first.
        yield Event(bid.price, DROP, -rank, bid.owner, places[bid.owner])
