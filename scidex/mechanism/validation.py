"""Refuse bids, asks and prices that no rule can clear; whole columns at a time, for books are large."""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from operator import attrgetter
from typing import Any

from scidex.errors import InvalidArgument
from scidex.mechanism.prices import is_finite
from scidex.mechanism.values import Ask, Bid

NUMBERS = (int, Fraction, float, Decimal)
_INTEGERS = {int}


def check_book(bids: Sequence[Bid], asks: Sequence[Ask]) -> None:
    """Raise InvalidArgument unless a rule can clear these bids and asks."""
    check_types("bids", bids, (Bid,))
    check_types("asks", asks, (Ask,))
    _check_ids("bid.id", _column(bids, "id"))
    _check_ids("ask.id", _column(asks, "id"))
    _distinct("bid.owner", _column(bids, "owner"))
    check_types("bid.sequence", _column(bids, "sequence"), (int,))
    price_types = check_prices("bid.price", _column(bids, "price"))
    reserve_types = check_prices("ask.reserve", _column(asks, "reserve"))
    _check_one_kind("bid.price", price_types | reserve_types)


def check_prices(field: str, prices: Collection[Any]) -> set[type]:
    """
    Return the types of these prices.

    Raises InvalidArgument unless they are finite numbers of one kind, none below 0.
    """
    types = check_types(field, prices, NUMBERS)
    if types != _INTEGERS:
        _check_one_kind(field, types)
    if types - {int, Fraction}:
        _refuse(field, (price for price in prices if not is_finite(price)), "must be finite")
    if prices and min(prices) < 0:
        raise InvalidArgument(field=field, value=min(prices), fact="must not be negative")
    return types


def check_types(field: str, values: Collection[object], allowed: tuple[type, ...]) -> set[type]:
    """
    Return the types of these values.

    Raises InvalidArgument unless all of them are allowed; a bool is no number.
    """
    types = set(map(type, values))
    if types.issubset(allowed):
        return types
    strangers = {kind for kind in types if kind is bool or not issubclass(kind, allowed)}
    if strangers:
        names = " or ".join(kind.__name__ for kind in allowed)
        _refuse(field, (value for value in values if type(value) in strangers), f"must be of type {names}")
    return types


def _column(rows: Sequence[Bid] | Sequence[Ask], field: str) -> list[Any]:
    return list(map(attrgetter(field), rows))


def _check_ids(field: str, ids: Collection[Hashable]) -> None:
    if len(_distinct(field, ids)) < len(ids):
        repeated = (value for value, times in Counter(ids).items() if times > 1)
        _refuse(field, repeated, "must occur once")


def _distinct(field: str, values: Iterable[Hashable]) -> set[Hashable]:
    try:
        return set(values)
    except TypeError as error:
        raise InvalidArgument(field=field, value=None, fact="must be hashable") from error


def _check_one_kind(field: str, types: set[type]) -> None:
    kinds = [kind.__name__ for kind in NUMBERS[1:] if any(issubclass(each, kind) for each in types)]
    if len(kinds) > 1:
        raise InvalidArgument(field=field, value=kinds, fact="must be one kind of number, integers aside")


def _refuse(field: str, offenders: Iterable[object], fact: str) -> None:
    for value in offenders:
        raise InvalidArgument(field=field, value=value, fact=fact)
