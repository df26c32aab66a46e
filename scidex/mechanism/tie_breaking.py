"""The order of bids, down to the last tie."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

TieRule = Literal["arrival", "lottery"]
TIE_RULES: tuple[TieRule, ...] = ("arrival", "lottery")


class Standing(NamedTuple):
    """A bid in the book, with all that ranks it."""

    id: int
    bidder: str
    owner: str
    task: str
    price: int
    sequence: int
    expected_value_usd: float
    resting: bool


def rank(bids: Iterable[Standing], *, tie_rule: TieRule, seed: str) -> list[Standing]:
    """
    Return the bids from best to worst: by price, then resting before round bids, then as the tie rule says.

    Resting bids of one price stand in the order of arrival. Round bids of one price stand so too under `arrival`; under
    `lottery` their owners are drawn by `seed`, and one owner's bids follow each other by expected value, then arrival.
    The last tie is the id.
    """
    keys: dict[TieRule, Callable[[Standing], tuple[Any, ...]]] = {
        "arrival": lambda bid: (-bid.price, not bid.resting, bid.sequence, bid.id),
        "lottery": lambda bid: (-bid.price, not bid.resting, *_drawn(bid, draw), bid.sequence, bid.id),
    }
    draw = _Lottery(seed)
    return sorted(bids, key=keys[tie_rule])


def commitment(seed: str) -> str:
    """Return what is published of a seed before its round: a hash that only this seed has (SHA-256)."""
    return hashlib.sha256(f"scidex seed {seed}".encode()).hexdigest()


def ticket(seed: str, owner: str) -> str:
    """Return an owner's ticket in a round: a keyed hash, so that nobody can choose a name that wins every tie."""
    return hashlib.sha256(f"{seed} {owner}".encode()).hexdigest()


class _Lottery(dict[str, str]):
    """Each owner's ticket, drawn once; the lowest stands first."""

    def __init__(self, seed: str) -> None:
        self._seed = seed

    def __missing__(self, owner: str) -> str:
        drawn = self[owner] = ticket(self._seed, owner)
        return drawn


def _drawn(bid: Standing, draw: _Lottery) -> tuple[str, float]:
    return ("", 0.0) if bid.resting else (draw[bid.owner], -bid.expected_value_usd)
