"""The clearing rules by name, and what a caller may rely on about each."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from scidex.errors import InvalidArgument, UnknownMechanism
from scidex.mechanism.clinching import clinching
from scidex.mechanism.k_double_auction import k_double_auction
from scidex.mechanism.marginal_pair import marginal_pair
from scidex.mechanism.mcafee import mcafee
from scidex.mechanism.pay_as_bid import pay_as_bid
from scidex.mechanism.trade_reduction import trade_reduction
from scidex.mechanism.uniform_price import uniform_price
from scidex.mechanism.values import Ask, Bid, Clearing
from scidex.mechanism.vcg_double import vcg_double
from scidex.mechanism.vickrey import vickrey


@dataclass(frozen=True, slots=True)
class Mechanism:
    """
    A clearing rule and its traits.

    `one_price`: every winner pays the same. `reads_whole_book`: False if the k + 1 best bids on k asks decide
    the outcome. `balanced`: providers never get more than buyers pay. `sells_all`: every trade that can be made
    is made, so that a bid at the reserve of a slot left over would have bought it. `parameters`: the keywords of
    `clear`.
    """

    name: str
    clear: Callable[..., Clearing]
    one_price: bool = True
    reads_whole_book: bool = False
    balanced: bool = True
    sells_all: bool = True
    parameters: frozenset[str] = frozenset()


_RULES = (
    Mechanism("uniform_price", uniform_price),
    Mechanism("pay_as_bid", pay_as_bid, one_price=False),
    Mechanism("vickrey", vickrey, one_price=False, reads_whole_book=True),
    Mechanism("k_double_auction", k_double_auction, parameters=frozenset({"theta"})),
    Mechanism("marginal_pair", marginal_pair, parameters=frozenset({"theta"})),
    Mechanism("mcafee", mcafee, sells_all=False),
    Mechanism("trade_reduction", trade_reduction, sells_all=False),
    Mechanism("vcg_double", vcg_double, balanced=False),
    Mechanism("clinching", clinching, one_price=False, reads_whole_book=True, parameters=frozenset({"budgets"})),
)

MECHANISMS: Mapping[str, Mechanism] = MappingProxyType({rule.name: rule for rule in _RULES})


def clear(name: str, bids: Iterable[Bid], asks: Iterable[Ask], **parameters: Any) -> Clearing:
    """
    Clear a round by the mechanism of this name, and return its trades, price and runner-up.

    Raises UnknownMechanism for a name not in MECHANISMS, and InvalidArgument for a keyword that the mechanism
    does not take, or a bid, an ask or a value that it cannot clear.
    """
    mechanism = named(name)
    for keyword in parameters.keys() - mechanism.parameters:
        fact = f"is not a parameter of {name}"
        raise InvalidArgument(field=keyword, value=parameters[keyword], fact=fact)
    return mechanism.clear(bids, asks, **parameters)


def named(name: str) -> Mechanism:
    """
    Return the mechanism of this name.

    Raises UnknownMechanism for a name not in MECHANISMS.
    """
    if not isinstance(name, str) or name not in MECHANISMS:
        raise UnknownMechanism(name=name)
    return MECHANISMS[name]
