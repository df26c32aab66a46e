"""The market as a policy: bids, the floor, one price, pacing and income, by the rules that the exchange goes by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scidex.bidding import arrays, pacing
from scidex.lab.appraisal import Appraiser
from scidex.lab.backlogs import Backlog, Results, at, interval
from scidex.lab.economy import Economy
from scidex.lab.policies import names
from scidex.lab.worlds import Flags, Floats, Integers, WorldSpec
from scidex.mechanism.arrays import covered, uniform_price
from scidex.mechanism.tie_breaking import Standing, TieRule, rank
from scidex.money import floor
from scidex.profiles import Profile
from scidex.settings import Settings


class MarketPolicy:
    """
    Sells the slots of each cycle at one price.

    `owners` are the quests' owners, one each unless given; `entitled` says which quests the floor serves, all unless
    given. `prices` are those of the cycles so far, 0 where nothing was scarce.
    """

    def __init__(
        self,
        spec: WorldSpec,
        priority: Integers,
        profile: Profile,
        *,
        seed: str = "",
        owners: Sequence[str] | None = None,
        entitled: Flags | None = None,
        tokens_per_usd: int = Settings.tokens_per_usd,
    ) -> None:
        self.spec = spec
        self.profile = profile
        self.tokens_per_usd = tokens_per_usd
        self._quests = names(spec.quests)
        self.owners = owners or self._quests
        self._entitled = np.ones(spec.quests, dtype=np.bool_) if entitled is None else entitled
        self._seed = seed
        self._tie_rule: TieRule = "lottery" if profile.tie_rule == "lottery" else "arrival"
        self.economy = Economy(spec, priority, profile, self.owners, tokens_per_usd)
        self.alpha = np.full(spec.quests, profile.alpha_start)
        self.prices: list[int] = []
        self.given_free = 0
        self._appraiser = Appraiser(spec, profile)
        self._unserved = np.zeros(spec.quests, dtype=np.int64)
        self._credit = 0
        self._target: list[float | None] = [None] * spec.quests
        self._paced_at = [0] * spec.quests
        self._owing = np.zeros(spec.quests, dtype=np.int64)

    def choose(self, backlog: Backlog) -> Integers:
        """Hold a round: return the places of the winners, and of the task that the floor serves, if any."""
        if backlog.cycle % self.spec.cycles_per_day == 0:
            self.open_day()
        else:
            self.economy.grow(at(self.spec, backlog.cycle))
        values = self._appraiser.values(backlog)
        self._pace(backlog)
        self.economy.note_values(values)
        given = self._give(backlog)
        bids = self.bids(backlog, values)
        bids[given] = 0
        winners, price = self._clear(backlog, bids, self.spec.slots - len(given))
        spent = np.bincount(backlog.quest[winners], minlength=self.spec.quests) * price
        self._owing += spent
        self.economy.wallets.pay(spent)
        self.economy.wallets.assert_sound()
        chosen = np.concatenate([winners, given])
        self._note_round(backlog, chosen, price)
        return chosen

    def open_day(self) -> None:
        """Pay the day's income. All quests earn: what they have not shown yet is in their backlogs, too."""
        self.economy.pay_day()

    def learn(self, results: Results) -> None:
        """Attest what was judged, and keep the quests' records."""
        is_judged = ~np.isnan(results.realised)
        self.economy.attest(results.quest[is_judged], results.realised[is_judged])
        if self.profile.calibrate:
            self._appraiser.learn(results)

    def bids(self, backlog: Backlog, values: Floats) -> Integers:
        """Return a bid for each task of the backlog, 0 where none is placed."""
        wallets = self.economy.wallets.balance
        positions = arrays.Positions(
            quest=backlog.quest,
            values=values,
            tokens_per_usd=self.tokens_per_usd,
            wallet_tokens=wallets,
            open_tasks=np.bincount(backlog.quest, minlength=self.spec.quests),
            alpha=self.alpha,
        )
        bids = arrays.bids(self.profile.strategy, positions, self.profile)
        if self.profile.rank_cap:
            return arrays.rank_cap(bids, backlog.quest, wallets)
        return covered(np.minimum(bids, wallets[backlog.quest]), backlog.quest, wallets)

    def seed_of(self, cycle: int) -> str:
        """Return the seed of a round's lottery."""
        return f"{self._seed} {cycle}"

    def _give(self, backlog: Backlog) -> Integers:
        """Return the place of the task that the floor serves: the best one of who has waited longest."""
        none = np.empty(0, dtype=np.int64)
        if not self.profile.floor or not len(backlog.tasks):
            return none
        rounds = min(backlog.cycle + 1, self.profile.floor_rounds)
        self._credit = floor.next_credit(
            self._credit, slots=self.spec.slots, recent_slots=rounds * self.spec.slots, profile=self.profile
        )
        has_tasks = np.bincount(backlog.quest, minlength=self.spec.quests) > 0
        waits = {
            self._quests[quest]: int(self._unserved[quest]) + 1 for quest in np.flatnonzero(has_tasks & self._entitled)
        }
        served = floor.next_served(waits, credit=self._credit, profile=self.profile)
        if served is None:
            return none
        self._credit -= floor.WHOLE_SLOT
        self.given_free += 1
        places = np.flatnonzero(backlog.quest == self._quests.index(served))
        return places[[np.argmax(backlog.claim[places])]]

    def _clear(self, backlog: Backlog, bids: Integers, slots: int) -> tuple[Integers, int]:
        """Return the winners' places and the price."""
        competing = np.flatnonzero(bids > 0)
        if len(competing) > slots:
            # The book is read from the top: the winners, one loser, and what ties with it.
            margin = np.partition(bids[competing], len(competing) - slots - 1)[len(competing) - slots - 1]
            competing = competing[bids[competing] >= margin]
        ranked = rank(
            (self._standing(backlog, int(place), int(bids[place])) for place in competing),
            tie_rule=self._tie_rule,
            seed=self.seed_of(backlog.cycle),
        )
        cleared = uniform_price(
            np.array([bid.price for bid in ranked], dtype=np.int64), np.zeros(slots, dtype=np.int64)
        )
        winners = np.array([ranked[winner].sequence for winner in cleared.winners], dtype=np.int64)
        return winners, int(cleared.price or 0)

    def _standing(self, backlog: Backlog, place: int, price: int) -> Standing:
        quest = backlog.quest[place]
        return Standing(
            id=place,
            bidder=self._quests[quest],
            owner=self.owners[quest],
            task=str(backlog.tasks[place]),
            price=price,
            sequence=place,
            expected_value_usd=float(backlog.claim[place]),
            resting=False,
        )

    def _pace(self, backlog: Backlog) -> None:
        """Move the share of value of each quest that bids by what it spent of its targets since it last did."""
        if self.profile.strategy != "paced":
            return
        now = at(self.spec, backlog.cycle)
        left = pacing.rounds_left(now, interval_seconds=interval(self.spec).total_seconds(), profile=self.profile)
        for quest in np.unique(backlog.quest).tolist():
            rounds = backlog.cycle - self._paced_at[quest]
            if self._target[quest] is not None and rounds:
                self.alpha[quest] = pacing.next_alpha(
                    float(self.alpha[quest]),
                    spent=int(self._owing[quest]),
                    target=rounds * self._target[quest],
                    profile=self.profile,
                )
            self._target[quest] = pacing.target(int(self.economy.wallets.balance[quest]), rounds_left=left)
            self._paced_at[quest], self._owing[quest] = backlog.cycle, 0

    def _note_round(self, backlog: Backlog, chosen: Integers, price: int) -> None:
        self.prices.append(price)
        self.economy.note_clears(len(chosen), at(self.spec, backlog.cycle))
        self._unserved += 1
        self._unserved[backlog.quest[chosen]] = 0
