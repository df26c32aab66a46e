"""Books to clear, by hand and at random, and readings of their clearings."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import cast

from hypothesis import settings
from hypothesis import strategies as st

from scidex.mechanism import Ask, Bid, Clearing, Price, clear

ONE_PRICE = ("uniform_price", "k_double_auction", "marginal_pair", "mcafee", "trade_reduction", "vcg_double")
OWN_PRICE = ("pay_as_bid", "vickrey", "clinching")

some = settings(max_examples=150, deadline=None, derandomize=True)

# Few distinct prices: ties are where rules go wrong.
prices = st.integers(0, 7)
reserves = st.lists(prices, max_size=6)


def bids_at(*prices: Price, owners: Sequence[Hashable] | None = None) -> list[Bid]:
    """Bids in order of arrival, with their place as id; each of its own owner unless owners are given."""
    owners = range(len(prices)) if owners is None else owners
    rows = zip(prices, owners, strict=True)
    return [Bid(place, owner, price, place) for place, (price, owner) in enumerate(rows)]


def asks_at(*reserves: Price) -> list[Ask]:
    """Asks with their place as id, each of its own provider."""
    return [Ask(place, f"provider {place}", reserve) for place, reserve in enumerate(reserves)]


@st.composite
def bids(draw: st.DrawFn, *, owners: int = 3, max_size: int = 8) -> list[Bid]:
    """Bids of a few owners, with many ties."""
    drawn = draw(st.lists(st.tuples(prices, st.integers(1, owners)), max_size=max_size))
    return bids_at(*(price for price, _ in drawn), owners=[owner for _, owner in drawn])


single_bids = st.lists(prices, max_size=8).map(lambda drawn: bids_at(*drawn))
asks = reserves.map(lambda drawn: asks_at(*drawn))


def winners(clearing: Clearing) -> list[Hashable]:
    return [trade.bid_id for trade in clearing.trades]


def sellers(clearing: Clearing) -> list[Hashable]:
    return sorted((trade.ask_id for trade in clearing.trades), key=str)


def payments(clearing: Clearing, bids: Iterable[Bid]) -> Counter[Hashable]:
    """What each owner pays in total."""
    owner_of = {bid.id: bid.owner for bid in bids}
    paid: Counter[Hashable] = Counter()
    for trade in clearing.trades:
        paid[owner_of[trade.bid_id]] += cast("int", trade.buyer_pays)
    return paid


def surplus(name: str, bids: Sequence[Bid], asks: Sequence[Ask], owner: Hashable, values: Sequence[int]) -> Price:
    """What an owner with falling values gains from the slots that these bids win it."""
    clearing = clear(name, bids, asks)
    won = sum(bid.owner == owner for bid in bids if bid.id in winners(clearing))
    return sum(values[:won]) - payments(clearing, bids)[owner]
