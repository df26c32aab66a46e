"""A day's income after its first payment: quests that join, priorities that change, a first bucket that grows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from scidex.exchange.book import endings, holds, market_settings
from scidex.exchange.book import pools as books
from scidex.exchange.income import payday, price_levels
from scidex.exchange.income.budget import day_of
from scidex.exchange.ledger import wallets
from scidex.exchange.ledger.wallets import Move, Wallet
from scidex.money import income
from scidex.money.income import PartOfDay
from scidex.money.split import proportional_split
from scidex.profiles import Profile
from scidex.settings import ISSUANCE, MOST_TOKENS
from scidex.store.database import Row, Transaction
from scidex.store.db_writes import Work, effect

Priorities = dict[str, dict[str, int]]


@dataclass(frozen=True)
class Day:
    """A day's income of a pool as it was paid so far."""

    pool: str
    day: str
    now: datetime
    profile: Profile | None
    bucket_tokens: int
    base_tokens: int
    is_first: bool
    parts: Mapping[str, Row]

    @property
    def rest(self) -> Fraction:
        """How much of the day is left."""
        return income.rest_of_day(self.now)

    def joined(self, priorities: Priorities) -> dict[str, int]:
        """Return what accounts are paid that have joined since."""
        return income.joined(self.base_tokens, priorities_by_owner=priorities, paid=self.parts.keys(), rest=self.rest)

    def reset(self, priorities: Priorities) -> dict[str, int]:
        """Return the new priorities of accounts that were paid by others, and were not corrected that day."""
        current = {name: number for accounts in priorities.values() for name, number in accounts.items()}
        return {
            name: current[name]
            for name, part in self.parts.items()
            if name in current and not part["corrected"] and current[name] != part["priority"]
        }

    def corrections(self, reset: Mapping[str, int]) -> dict[str, int]:
        """Return what each account gets more, or gives back."""
        parts = {
            name: PartOfDay(row["earner"], row["priority"], self._rest_of(row), row["tokens"])
            for name, row in self.parts.items()
        }
        return income.corrections(self.base_tokens, parts, reset)

    def _rest_of(self, part: Row) -> Fraction:
        return Fraction(1) if part["joined_at"] is None else income.rest_of_day(part["joined_at"])


def is_due(tx: Transaction, pool: str, now: datetime) -> bool:
    """Whether a day's income of a pool was paid and more is to be paid of it, or paid otherwise."""
    day = _read(tx, pool, now)
    if day is None:
        return False
    priorities = _priorities(tx, day)
    return bool(day.joined(priorities) or day.reset(priorities) or _growth(tx, day))


@effect("adjust_income")
def adjust_income(work: Work, *, pool: str) -> int:
    """
    Pay of a day's income, after its first payment, what has become due since; return the tokens paid.

    Each account that joined gets its part of the rest of the day at once. Priorities that were set later correct what
    was paid, once a day for each account: what others got too much is taken back as far as it is there, and goes to
    those that got too little. The first bucket of an indexed market grows with what it sells.
    """
    tx = work.tx
    # Alone in the pool, so that its rounds, its offers and what was paid are as a replay finds them.
    books.lock_names(tx, [pool], to_clear=True)
    day = _read(tx, pool, work.now)
    work.changed = day is not None
    if day is None:
        return 0
    # Quests change meanwhile, so that a replay could not find these priorities again.
    priorities: Priorities = work.make_up("priorities", lambda: _priorities(tx, day))
    growth = _growth(tx, day)
    joined, reset = day.joined(priorities), day.reset(priorities)
    work.changed = bool(growth or joined or reset)
    if not work.changed:
        return 0
    changes = Counter(day.corrections(reset)) if reset else Counter()
    more = _shared(day, growth, reset)
    locked = wallets.lock(tx, {ISSUANCE, *joined, *changes, *more})
    taken = _take_back(work, day, locked, {name: -change for name, change in changes.items() if change < 0})
    gains = {name: change for name, change in changes.items() if change > 0}
    if sum(taken.values()) < sum(gains.values()):
        gains = proportional_split(sum(taken.values()), gains)
    assert sum(gains.values()) <= sum(taken.values()), "a correction issues nothing"
    paid = _within_supply(locked, Counter(joined) + Counter(gains) + Counter(more))
    garnished = _pay(work, day, locked, paid)
    wallets.save(tx, locked.values())
    _keep(tx, day, priorities, joined, paid, taken, garnished, reset)
    if growth:
        tx.run("grow_income", pool=pool, day=day.day, bucket_tokens=growth, base_tokens=_base_of(day, growth))
    return sum(paid.values())


def _read(tx: Transaction, pool: str, now: datetime) -> Day | None:
    """Return a day's income as it was paid, or None where it was not, or what came of it was not kept."""
    day = day_of(now)
    run = tx.row("income_run", pool=pool, day=day)
    if run is None or run["base_tokens"] is None or run["paid_at"] > now:
        return None
    return Day(
        pool=pool,
        day=day,
        now=now,
        profile=market_settings.configured(tx, pool),
        bucket_tokens=run["bucket_tokens"],
        base_tokens=run["base_tokens"],
        is_first=run["earlier_days"] == 0,
        parts={row["account_id"]: row for row in tx.rows("income_parts_of_day", pool=pool, day=day)},
    )


def _priorities(tx: Transaction, day: Day) -> Priorities:
    per_owner = day.profile is not None and day.profile.base_per_owner
    return payday.priorities_of(tx.rows("earners_of_pool", pool=day.pool), per_owner=per_owner)


def _growth(tx: Transaction, day: Day) -> int:
    """Return the bucket that a market's first one has grown to, or 0."""
    if not day.is_first or day.profile is None:
        return 0
    slots = payday.sold_of_day(tx, day.pool, from_first=True)
    level = price_levels.level_of(tx, day.pool, day.profile)
    grown = income.grown_bucket(day.profile, day.bucket_tokens, slots_of_day=slots or 0, price_level=level)
    return min(grown or 0, MOST_TOKENS)


def _base_of(day: Day, bucket_tokens: int) -> int:
    return day.base_tokens + bucket_tokens - day.bucket_tokens


def _shared(day: Day, growth: int, reset: Mapping[str, int]) -> dict[str, int]:
    """Return what of the growth of a bucket each account gets for the rest of the day."""
    if not growth:
        return {}
    owners: Priorities = {}
    for name, part in day.parts.items():
        owners.setdefault(part["earner"], {})[name] = reset.get(name, part["priority"])
    more = (growth - day.bucket_tokens) * day.rest
    return {name: tokens for name, tokens in income.by_priority(int(more), owners).items() if tokens}


def _take_back(work: Work, day: Day, locked: dict[str, Wallet], due: Mapping[str, int]) -> dict[str, int]:
    """Burn what accounts were paid too much, as far as it is available when their bids for backlogs make way."""
    short = [name for name, tokens in sorted(due.items()) if tokens > locked[name].available]
    _free(work.tx, day.pool, locked, short)
    taken = {name: min(tokens, locked[name].available) for name, tokens in sorted(due.items())}
    taken = {name: tokens for name, tokens in taken.items() if tokens}
    assert all(tokens <= due[name] for name, tokens in taken.items()), "no more is taken back than was too much"
    reason = f"correction {day.pool} {day.day}"
    wallets.transfer(work, locked, [Move(name, ISSUANCE, tokens, reason) for name, tokens in taken.items()])
    return taken


def _free(tx: Transaction, pool: str, locked: dict[str, Wallet], account_ids: list[str]) -> None:
    """Cancel the bids of accounts for their backlogs in a pool; they are placed anew in the same cycle."""
    if not account_ids:
        return
    market = books.read_pools(tx, [pool])
    standing = [bid for bids in holds.open_bids(tx, account_ids, market).values() for bid in bids if bid["for_backlog"]]
    endings.close(tx, standing, locked, market, status="cancelled", reason=endings.NOT_COVERED)


def _within_supply(locked: Mapping[str, Wallet], due: Mapping[str, int]) -> dict[str, int]:
    """Return what is paid: all that is due, unless there would be more tokens than there may be."""
    total, room = sum(due.values()), MOST_TOKENS + locked[ISSUANCE].balance
    within = dict(due) if total <= room else proportional_split(room, dict(due))
    assert sum(within.values()) <= room, "there are never more tokens than can be counted"
    return within


def _pay(work: Work, day: Day, locked: dict[str, Wallet], paid: Mapping[str, int]) -> dict[str, int]:
    """Pay accounts, and take the part of it that pays their arrears; return what was taken."""
    due = {name: tokens for name, tokens in sorted(paid.items()) if tokens}
    assert min(due.values(), default=0) >= 0, "income is not taken"
    reason = f"income {day.pool} {day.day}"
    wallets.transfer(work, locked, [Move(ISSUANCE, name, tokens, reason) for name, tokens in due.items()])
    garnished = {}
    if day.profile is not None:
        garnished = payday.garnish_own(work, locked, due, payday.Payday(day.pool, day.day, day.profile))
    holds.resume(work.tx, [locked[name] for name in due])
    return garnished


def _keep(
    tx: Transaction,
    day: Day,
    priorities: Priorities,
    joined: Mapping[str, int],
    paid: Mapping[str, int],
    taken: Mapping[str, int],
    garnished: Mapping[str, int],
    reset: Mapping[str, int],
) -> None:
    """Write down what accounts have got of the day by now."""
    place = {"pool": day.pool, "day": day.day}
    payday.keep_parts(
        tx, day.pool, day.day, priorities, {name: paid.get(name, 0) for name in joined}, joined_at=day.now
    )
    changed = sorted({*paid, *taken, *reset} - joined.keys())
    tx.run_many("save_income_parts", [{**place, **_part(day, name, paid, taken, reset)} for name in changed])
    if day.profile is None:
        return
    got = {"impact_tokens": 0, "fair_share_tokens": 0}
    tx.run_many(
        "append_income_shares",
        [
            {
                **place,
                **got,
                "account_id": name,
                "base_tokens": paid.get(name, 0),
                "garnished_tokens": garnished.get(name, 0),
                "burnt_tokens": 0,
            }
            for name in sorted(joined)
        ],
    )
    tx.run_many(
        "change_income_shares",
        [
            {
                **place,
                "account_id": name,
                "tokens": paid.get(name, 0),
                "garnished_tokens": garnished.get(name, 0),
                "burnt_tokens": taken.get(name, 0),
            }
            for name in changed
        ],
    )


def _part(day: Day, name: str, paid: Mapping[str, int], taken: Mapping[str, int], reset: Mapping[str, int]) -> Row:
    part = day.parts[name]
    return {
        "account_id": name,
        "priority": reset.get(name, part["priority"]),
        "tokens": part["tokens"] + paid.get(name, 0) - taken.get(name, 0),
        "corrected": int(name in reset or part["corrected"]),
    }
