"""What quests would bid for their tasks: claims corrected, a strategy's prices, the cap by rank, and pacing."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from fractions import Fraction
from math import fsum
from typing import Any, NamedTuple

from scidex.bidding import Position, pacing, rank_cap, strategy_named
from scidex.bidding.calibration import Calibration
from scidex.errors import InvalidArgument, UnknownStrategy, shown
from scidex.exchange.book import market_settings
from scidex.exchange.book.pools import OpenPool
from scidex.exchange.ledger.wallets import Wallet
from scidex.exchange.quests import track_records
from scidex.money.tokens import in_tokens
from scidex.profiles import Profile
from scidex.store.database import Row, Transaction

_LOG = logging.getLogger(__name__)

MARKETS_OWN = "market"
"""The word of a quest that bids as its market does."""


class Wish(NamedTuple):
    """What a quest would bid for one of its tasks."""

    account_id: str
    task_id: str
    pool: str
    price: int
    expected_value_usd: float
    deadline_at: datetime | None


class Pace(NamedTuple):
    """The share of value that a quest bids in a pool, what it means to spend a round, and from which round on."""

    quest_id: str
    pool: str
    alpha: float
    target_tokens: float
    round_id: int


class Plan(NamedTuple):
    """
    What quests would bid, the shares that they came to, and what their claims were taken to be worth.

    `values` are what each pool's tasks are worth in tokens, `faults` what kept quests from planning, by quest.
    """

    wishes: list[Wish]
    paces: list[Pace]
    calibrations: list[tuple[str, str, float, float]]
    values: dict[str, list[Fraction]]
    faults: dict[str, str]

    @classmethod
    def empty(cls) -> Plan:
        """Return a plan of nothing."""
        return cls([], [], [], defaultdict(list), {})

    def add(self, other: Plan) -> None:
        """Take in another plan."""
        self.wishes.extend(other.wishes)
        self.paces.extend(other.paces)
        self.calibrations.extend(other.calibrations)
        for pool, values in other.values.items():
            self.values[pool] += values


class Planner:
    """Plans the bids of quests for one moment."""

    def __init__(
        self,
        tx: Transaction,
        now: datetime,
        *,
        tasks: list[dict[str, Any]],
        wallets: Mapping[str, Wallet],
        markets: Mapping[str, OpenPool],
        strategy: str | None,
        tokens_per_usd: int,
        cycle_seconds: float,
    ) -> None:
        self._tx = tx
        self._now = now
        self._markets = markets
        self._strategy = strategy
        self._tokens_per_usd = tokens_per_usd
        self._cycle_seconds = cycle_seconds
        held = {row["bidder_id"]: row["tokens"] for row in tx.rows("tokens_of_won_slots", account_ids=list(wallets))}
        self._wallets = {name: wallet.balance - held.get(name, 0) for name, wallet in wallets.items()}
        self._by_quest: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
        for task in tasks:
            self._by_quest[task["quest_id"]][task["pool"]].append(task)
        self._profiles = market_settings.profiles_of(tx, sorted({task["pool"] for task in tasks}))
        self._paces = {
            (row["quest_id"], row["pool"]): Pace(**row) for row in tx.rows("pacing_of", quest_ids=list(self._by_quest))
        }
        self._scores: dict[Profile, track_records.Scores] = {}

    def plan(self) -> Plan:
        """Return what every quest would bid in the pools at hand; one that cannot be planned bids nothing."""
        plan = Plan.empty()
        for quest_id, by_pool in self._by_quest.items():
            of_quest = Plan.empty()
            try:
                self._plan_quest(of_quest, quest_id, by_pool)
            except (ArithmeticError, ValueError, InvalidArgument, UnknownStrategy) as error:
                _LOG.exception("the bids of quest %s could not be planned", quest_id)
                plan.faults[quest_id] = shown(f"{type(error).__name__}: {error}")
            else:
                plan.add(of_quest)
        return plan

    def _plan_quest(self, plan: Plan, quest_id: str, by_pool: Mapping[str, list[Row]]) -> None:
        tasks = [task for pool in sorted(by_pool) for task in by_pool[pool]]
        account_id = tasks[0]["account_id"]
        wallet = self._wallets[account_id]
        values = {pool: self._values(plan, account_id, pool, by_pool[pool]) for pool in sorted(by_pool)}
        whole = fsum(map(float, (value for of_pool in values.values() for value in of_pool)))
        prices: list[int] = []
        for pool, of_pool in values.items():
            plan.values[pool] += of_pool
            profile = self._profiles[pool]
            strategy = self._strategy or _chosen(tasks[0]["strategy"], profile)
            share = fsum(map(float, of_pool)) / whole if whole else 0.0
            alpha = self._alpha(plan, quest_id, account_id, pool, strategy, wallet * share)
            prices += strategy_named(strategy)(Position(wallet, of_pool, len(tasks), alpha), profile)
        for task, price, capped in zip(tasks, prices, rank_cap(prices, wallet), strict=True):
            if task["pool"] in self._markets:
                bid = capped if self._profiles[task["pool"]].rank_cap else min(price, max(0, wallet))
                terms = (task["task_id"], task["pool"], bid, task["expected_value_usd"], task["deadline_at"])
                plan.wishes.append(Wish(account_id, *terms))

    def _values(self, plan: Plan, account_id: str, pool: str, tasks: Iterable[Row]) -> list[Fraction]:
        """Return what tasks are worth in tokens, by their quest's claims and what these have been worth."""
        claims = [task["expected_value_usd"] for task in tasks]
        if self._profiles[pool].calibrate:
            calibration = self._calibration(account_id, pool)
            plan.calibrations.append((pool, account_id, *calibration))
            claims = [calibration.value(claim) for claim in claims]
        return [in_tokens(claim, self._tokens_per_usd) for claim in claims]

    def _calibration(self, account_id: str, pool: str) -> Calibration:
        profile = self._profiles[pool]
        if profile not in self._scores:
            self._scores[profile] = track_records.read(self._tx, profile, self._now)
        return self._scores[profile].calibration(account_id)

    def _alpha(
        self, plan: Plan, quest_id: str, account_id: str, pool: str, strategy: str, wallet_share: float
    ) -> float:
        """Return the share of value to bid; where the market paces the quest, adapt it to what was spent."""
        profile, known = self._profiles[pool], self._paces.get((quest_id, pool))
        alpha = profile.alpha_start if known is None else known.alpha
        if strategy != "paced" or self._strategy is not None or pool not in self._markets:
            return alpha
        open_round_id = self._markets[pool].open_round_id
        if known is not None:
            alpha = self._adapted(known, account_id, open_round_id, profile)
        left = pacing.rounds_left(self._now, interval_seconds=self._interval(pool), profile=profile)
        target = pacing.target(wallet_share, rounds_left=left)
        plan.paces.append(Pace(quest_id, pool, alpha, round(target, 6), open_round_id))
        return alpha

    def _adapted(self, known: Pace, account_id: str, open_round_id: int, profile: Profile) -> float:
        """Return a share after the rounds that cleared since it was set, if any did."""
        rounds_since = {"pool": known.pool, "first_round_id": known.round_id, "open_round_id": open_round_id}
        rounds = self._tx.values("rounds_between", **rounds_since)[0]
        if not rounds:
            return known.alpha
        spent = self._tx.values("spent_between", account_id=account_id, **rounds_since)[0]
        return pacing.next_alpha(known.alpha, spent=spent, target=rounds * known.target_tokens, profile=profile)

    def _interval(self, pool: str) -> float:
        cycle = self._tx.rows("cycle", pool=pool)[0]
        return float(cycle["interval_seconds"] or self._cycle_seconds)


def _chosen(strategy: str, profile: Profile) -> str:
    return profile.strategy if strategy == MARKETS_OWN else strategy
