"""The tokens of a simulated market: who has how many, what each day brings, and what the cap takes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction

import numpy as np

from scidex.lab.policies import names
from scidex.lab.worlds import Floats, Integers, WorldSpec
from scidex.money import caps, income
from scidex.money.refill import refill_due
from scidex.money.tokens import in_tokens
from scidex.profiles import Profile


class Wallets:
    """Every token that there is: in the quests' wallets, with the treasury, or burnt. It came by being issued."""

    def __init__(self, quests: int) -> None:
        self.balance = np.zeros(quests, dtype=np.int64)
        self.treasury = 0
        self.issued = 0
        self.burnt = 0

    def issue(self, tokens: Integers) -> None:
        """Issue tokens to the quests."""
        self.balance += tokens
        self.issued += int(tokens.sum())

    def pay(self, tokens: Integers) -> None:
        """Move tokens from the quests to the treasury."""
        self.balance -= tokens
        self.treasury += int(tokens.sum())

    def burn(self, tokens: Integers) -> None:
        """Take tokens from the quests for good."""
        self.balance -= tokens
        self.burnt += int(tokens.sum())

    def move(self, tokens: int, *, giver: int, receiver: int) -> None:
        """Move tokens from one quest to another."""
        self.balance[giver] -= tokens
        self.balance[receiver] += tokens

    def assert_sound(self) -> None:
        """Assert that no token came or went, and that nobody owes."""
        assert int(self.balance.sum()) + self.treasury + self.burnt == self.issued
        assert not (self.balance < 0).any()


class Economy:
    """The income of the days, and the price level that it is indexed to."""

    def __init__(
        self, spec: WorldSpec, priority: Integers, profile: Profile, owners: Sequence[str], tokens_per_usd: int
    ) -> None:
        self._spec = spec
        self._profile = profile
        self._tokens_per_usd = tokens_per_usd
        self._quests = names(spec.quests)
        self._owners = owners
        self._priorities: dict[str, dict[str, int]] = {}
        for quest, owner, weight in zip(self._quests, owners, priority.tolist(), strict=True):
            self._priorities.setdefault(owner if profile.base_per_owner else quest, {})[quest] = weight
        self._impact = dict.fromkeys(self._quests, Fraction(0))
        self._sold: list[tuple[datetime, int]] = []
        self._first_bucket: int | None = None
        self.price_level = float(profile.price_level_start)
        self.wallets = Wallets(spec.quests)

    def note_clears(self, sold: int, at: datetime) -> None:
        """Keep how many slots a round sold."""
        self._sold.append((at, sold))

    def attest(self, quest: Integers, realised: Floats) -> None:
        """Refill the quests by what an evaluator found their tasks to be worth, and keep it until the next income."""
        refills = np.zeros(self._spec.quests, dtype=np.int64)
        percent = self._profile.refill_percent
        for place, value in zip(quest.tolist(), realised.tolist(), strict=True):
            self._impact[self._quests[place]] += Fraction(str(value))
            if percent:
                refills[place] += refill_due(value, tokens_per_usd=self._tokens_per_usd, refill_percent=percent)
        self.wallets.issue(refills)

    def pay_day(self) -> None:
        """Pay a day's income, and burn what is past the owners' caps."""
        slots = self._slots_of_day() or income.slots_expected(self._spec.slots)
        bucket = income.bucket(self._profile, slots_of_day=slots, price_level=self.price_level)
        self._first_bucket = None if self._sold else bucket
        shares = income.shares(
            bucket,
            priorities_by_owner=self._priorities,
            attested_impact_by_account=self._impact if self._profile.impact_percent else {},
            profile=self._profile,
        )
        self.wallets.issue(self._array({quest: share.tokens for quest, share in shares.items()}))
        self.wallets.burn(self._array(self._excess(income.by_priority(bucket, self._priorities))))
        self._impact = dict.fromkeys(self._quests, Fraction(0))

    def grow(self, at: datetime) -> None:
        """Pay what the bucket of the first day has grown by, for the rest of the day."""
        if self._first_bucket is None or not self._sold:
            return
        first_at, last_at = self._sold[0][0], self._sold[-1][0]
        sold = income.slots_of_day(sum(slots for _, slots in self._sold[1:]), first_at=first_at, last_at=last_at)
        grown = income.grown_bucket(self._profile, self._first_bucket, slots_of_day=sold, price_level=self.price_level)
        if grown is not None:
            more = int((grown - self._first_bucket) * income.rest_of_day(at))
            self.wallets.issue(self._array(income.by_priority(more, self._priorities)))
            self._first_bucket = grown

    def note_values(self, values: Floats) -> None:
        """Move the price level by what a slot would cost if no wallet limited any bid."""
        # The rule looks at the best values down to the first that loses: the others need no exact numbers.
        slots = self._spec.slots
        depth = min(len(values), slots + 1)
        best = np.partition(values, len(values) - depth)[len(values) - depth :] if depth else values
        exact = [in_tokens(value, self._tokens_per_usd) for value in best.tolist()]
        price = income.unconstrained_price(exact, slots=slots, profile=self._profile)
        if price is not None:
            self.price_level = income.next_price_level(
                self.price_level, price=price, bids=len(values), slots=slots, profile=self._profile
            )

    def _slots_of_day(self) -> int | None:
        if self._profile.income != "indexed" or not self._sold:
            return None
        first_at, last_at = self._sold[0][0], self._sold[-1][0]
        self._sold = [self._sold[0], *(one for one in self._sold[1:] if one[0] > last_at - timedelta(days=1))]
        sold = sum(slots for at, slots in self._sold if at > last_at - timedelta(days=1))
        return income.slots_of_day(sold, first_at=first_at, last_at=last_at)

    def _excess(self, fair: dict[str, int]) -> dict[str, int]:
        """Return what is burnt, by quest: an owner's wallets are capped together."""
        burnt: dict[str, int] = {}
        for owner in dict.fromkeys(self._owners):
            quests = [quest for quest, whose in zip(self._quests, self._owners, strict=True) if whose == owner]
            share = sum(fair.get(quest, 0) for quest in quests)
            # Without a share there is nothing to measure by.
            if share:
                purses = {quest: self._purse(quest) for quest in quests}
                burnt |= caps.burnt_of(purses, fair_share_per_day=share, profile=self._profile)
        return burnt

    def _purse(self, quest: str) -> caps.Purse:
        balance = int(self.wallets.balance[self._quests.index(quest)])
        return caps.Purse(balance, balance)

    def _array(self, tokens: dict[str, int]) -> Integers:
        return np.array([tokens.get(quest, 0) for quest in self._quests], dtype=np.int64)
