"""One seed of a plan: what a policy achieves in its world, and what an honest quest gains by misreporting there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from scidex.errors import InvalidArgument
from scidex.lab import measures
from scidex.lab.checks import whole
from scidex.lab.market import MarketPolicy
from scidex.lab.misreports import MISREPORTS
from scidex.lab.optimum import clairvoyant
from scidex.lab.policies import BASELINES, Policy
from scidex.lab.simulation import run
from scidex.lab.worlds import World, WorldSpec, draw
from scidex.profiles import Profile, profile_named

POLICIES = (*BASELINES, "market")
HELD_OUT = 1_000
"""Held-out seeds are so much higher than those on which the best misreport is picked."""


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """What to simulate."""

    world: WorldSpec = field(default_factory=WorldSpec)
    policy: str = "market"
    profile: Profile = field(default_factory=lambda: profile_named("recommended"))
    seeds: int = 20
    first_seed: int = 0
    misreport: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated. Raises InvalidArgument."""
        if self.policy not in POLICIES:
            raise InvalidArgument(field="policy", value=self.policy, fact=f"must be one of {', '.join(POLICIES)}")
        whole("seeds", self.seeds, least=1, most=HELD_OUT)
        whole("first_seed", self.first_seed, least=0, most=2**31)
        if self.misreport and self.world.inflators == self.world.quests:
            raise InvalidArgument(field="inflators", value=self.world.inflators, fact="must leave one quest honest")


class Tokens(NamedTuple):
    """What the tokens of a seed came to."""

    wallet_gini: float
    mean_price: float
    price_volatility: float
    """The standard deviation of the change of log price from one cycle to the next, where both have one."""
    given_free: float
    """The part of the slots that the floor gave away."""


class Sample(NamedTuple):
    """What one seed came to."""

    efficiency: float
    longest_wait: int
    jain_value: float
    jain_slots: float
    tokens: Tokens | None
    gains: Mapping[str, float]
    """By misreport: by what part the value of an honest quest's tasks that ran rises; 1 doubles it."""


def sample(plan: StudyPlan, seed: int, misreports: tuple[str, ...] = ()) -> Sample:
    """Return what one seed comes to, and what each of the misreports gains there."""
    world = draw(plan.world, seed)
    policy = policy_of(plan, world, seed)
    honest = run(world, policy)
    liar = int(np.flatnonzero(~world.inflates)[0]) if misreports else -1
    return Sample(
        efficiency=measures.efficiency(honest, clairvoyant(world)),
        longest_wait=measures.longest_wait(honest),
        jain_value=measures.jain(measures.value_shares(honest)),
        jain_slots=measures.jain(honest.served.sum(axis=0).astype(np.float64)),
        tokens=_tokens(policy) if isinstance(policy, MarketPolicy) else None,
        gains={name: _gain(plan, world, seed, name, liar, honest.value_of(liar)) for name in misreports},
    )


def policy_of(plan: StudyPlan, world: World, seed: int) -> Policy:
    """Return the plan's policy, new, for a world."""
    if plan.policy == "market":
        return MarketPolicy(world.spec, world.priority, plan.profile, seed=str(seed))
    return BASELINES[plan.policy](world.spec, world.priority, plan.profile)


def _gain(plan: StudyPlan, world: World, seed: int, name: str, liar: int, honest_value: float) -> float:
    told, disguise = MISREPORTS[name].of(world, liar)
    got = run(told, policy_of(plan, told, seed), disguise=disguise).value_of(liar)
    return got / honest_value - 1 if honest_value else 0.0


def _tokens(market: MarketPolicy) -> Tokens:
    prices = np.array(market.prices, dtype=np.float64)
    both = (prices[1:] > 0) & (prices[:-1] > 0)
    changes = np.log(prices[1:][both] / prices[:-1][both])
    return Tokens(
        wallet_gini=measures.gini(market.economy.wallets.balance),
        mean_price=float(prices.mean()),
        price_volatility=float(changes.std()) if len(changes) else 0.0,
        given_free=market.given_free / (market.spec.slots * market.spec.cycles),
    )
