"""The proportional split of a bucket of tokens, and the order of turns that keeps to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction


def proportional_split(bucket_tokens: int, weights: Mapping[str, int] | Mapping[str, Fraction]) -> dict[str, int]:
    """
    Share a bucket in proportion to exact weights, to the last token.

    Everyone gets the whole part of its exact share; the tokens that are left go one each to the largest remainders,
    those of equal ones to the larger weight and then by name. Nobody with weight 0 gets any, and where all weights are
    0 nothing is shared.
    """
    total = sum(weights.values())
    if total == 0:
        return dict.fromkeys(weights, 0)
    shares = {name: bucket_tokens * weight // total for name, weight in weights.items()}
    left = bucket_tokens - sum(shares.values())
    by_remainder = sorted(weights, key=lambda name: (-(bucket_tokens * weights[name] % total), -weights[name], name))
    for name in by_remainder[:left]:
        shares[name] += 1
    return shares


def turns(shares: Iterable[tuple[str, int, int]]) -> list[str]:
    """
    Return names in the order in which it is their turn: who has used the smallest part of its share comes first.

    `shares` are (name, allocated, used). Equal parts go by the larger share, then by name; whoever was allocated
    nothing comes last.
    """

    def place(share: tuple[str, int, int]) -> tuple[bool, Fraction, int, str]:
        name, allocated, used = share
        return (allocated == 0, Fraction(used, allocated or 1), -allocated, name)

    return [share[0] for share in sorted(shares, key=place)]
