"""A day's income by a pool's profile: the bucket, its base and impact shares, what pays arrears, what caps burn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

from scidex.exchange.book import holds
from scidex.exchange.income import impacts, price_levels
from scidex.exchange.ledger import arrears, wallets
from scidex.exchange.ledger.wallets import Move, Wallet
from scidex.money import caps, income
from scidex.money.arrears import garnish
from scidex.money.income import Share
from scidex.money.split import proportional_split
from scidex.profiles import Profile
from scidex.settings import ISSUANCE, MOST_TOKENS
from scidex.store.database import Row, Transaction
from scidex.store.db_writes import Work

_DAY = timedelta(days=1)


class Index(NamedTuple):
    """What a day's bucket is indexed by; both None where there is nothing to index by, or income is fixed."""

    slots_of_day: int | None
    price_level_tokens: float | None


class Payee(NamedTuple):
    """Who earns in a pool: each quest's account by owner with its priority, and all accounts of these owners."""

    priorities: dict[str, dict[str, int]]
    owners: dict[str, list[str]]
    elsewhere: dict[str, int]


def pay(work: Work, *, pool: str, day: str, profile: Profile, keeps_parts: bool) -> int:
    """
    Pay a day's income of a pool that is locked alone by its profile, once; return the tokens paid.

    Every token is a transfer with its reason: the income, the part of it that pays arrears, and what a cap burns.
    With `keeps_parts` the first bucket fits the market, and what a later payment of the day goes by is kept.
    """
    tx = work.tx
    payees = Payee(*work.make_up("payees", lambda: _payees(tx, pool, profile)))
    pending = tx.rows("impacts_to_count", pool=pool) if profile.impact_percent > 0 else []
    work.changed = bool(payees.priorities or pending)
    if not work.changed:
        return 0
    index = _index(work, pool, profile, fits=keeps_parts)
    locked = wallets.lock(tx, _accounts(payees, pending))
    bucket = min(_bucket(profile, index), MOST_TOKENS + locked[ISSUANCE].balance)
    shares = income.shares(
        bucket,
        priorities_by_owner=payees.priorities,
        attested_impact_by_account=_impact_by_account(pending),
        profile=profile,
    )
    paid = sum(share.tokens for share in shares.values())
    assert 0 <= paid <= bucket, "no more is paid than the bucket holds"
    claim = {"pool": pool, "day": day, "bucket_tokens": bucket, "paid_tokens": paid, "paid_at": work.now}
    work.changed = tx.run("claim_indexed_income", **claim, **index._asdict()) == 1
    if not work.changed:
        return 0
    _pay_shares(work, locked, shares, pending, payees, bucket, Payday(pool, day, profile))
    if keeps_parts:
        base = {name: shares[name].base_tokens if name in shares else 0 for name in owners_of(payees.priorities)}
        keep_parts(tx, pool, day, payees.priorities, base)
    holds.resume(tx, [locked[account_id] for account_id in sorted(shares) if shares[account_id].tokens])
    wallets.save(tx, locked.values())
    return paid


class Payday(NamedTuple):
    """A day's income of a pool, and what it is paid by."""

    pool: str
    day: str
    profile: Profile

    @property
    def name(self) -> str:
        """What the reasons of its transfers say."""
        return f"{self.pool} {self.day}"


def _pay_shares(
    work: Work,
    locked: dict[str, Wallet],
    shares: Mapping[str, Share],
    pending: list[dict[str, Any]],
    payees: Payee,
    bucket: int,
    run: Payday,
) -> None:
    paid = {account_id: share.tokens for account_id, share in shares.items() if share.tokens}
    moves = [Move(ISSUANCE, account_id, tokens, f"income {run.name}") for account_id, tokens in paid.items()]
    wallets.transfer(work, locked, moves)
    garnished = _garnish(work, locked, paid, payees, run)
    assert all(garnished[name] <= tokens for name, tokens in paid.items()), "arrears take no more than the income"
    _count(work.tx, run.pool, pending, {name: share.impact_tokens for name, share in shares.items()})
    fair = income.by_priority(bucket, payees.priorities)
    assert sum(fair.values()) in (0, bucket), "fair shares are of the bucket"
    burnt = _cap(work, locked, payees, fair, run)
    rows = [
        {
            "pool": run.pool,
            "day": run.day,
            "account_id": account_id,
            **shares.get(account_id, Share(0, 0))._asdict(),
            "garnished_tokens": garnished.get(account_id, 0),
            "burnt_tokens": burnt.get(account_id, 0),
            "fair_share_tokens": fair.get(account_id, 0),
        }
        for account_id in sorted({*shares, *burnt, *fair})
    ]
    work.tx.run_many("append_income_shares", rows)


def priorities_of(earners: Iterable[Row], *, per_owner: bool) -> dict[str, dict[str, int]]:
    """Return the priority of each account that earns, by its owner, or in the brief, which splits by quest, its own."""
    priorities: dict[str, dict[str, int]] = defaultdict(dict)
    for row in earners:
        accounts = priorities[row["owner_id"] if per_owner else row["account_id"]]
        # Quests may share a wallet.
        accounts[row["account_id"]] = accounts.get(row["account_id"], 0) + row["priority"]
    return dict(priorities)


def _payees(tx: Transaction, pool: str, profile: Profile) -> tuple[Any, ...]:
    earners = tx.rows("earners_of_pool", pool=pool)
    priorities = priorities_of(earners, per_owner=profile.base_per_owner)
    owners: dict[str, list[str]] = defaultdict(list)
    for row in tx.rows("accounts_of_owners", owner_ids=sorted({row["owner_id"] for row in earners})):
        owners[row["owner_id"]].append(row["account_id"])
    everyone = sorted(account_id for accounts in owners.values() for account_id in accounts)
    elsewhere = {
        row["account_id"]: row["tokens"] for row in tx.rows("fair_shares_elsewhere", pool=pool, account_ids=everyone)
    }
    return priorities, dict(owners), elsewhere


def _accounts(payees: Payee, pending: list[dict[str, Any]]) -> set[str]:
    owned = {account_id for accounts in payees.owners.values() for account_id in accounts}
    return {ISSUANCE, *owned, *(row["account_id"] for row in pending)}


def owners_of(priorities: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    """Return for whom each account counts."""
    return {name: owner for owner, accounts in priorities.items() for name in accounts}


def keep_parts(
    tx: Transaction,
    pool: str,
    day: str,
    priorities: Mapping[str, Mapping[str, int]],
    tokens: Mapping[str, int],
    joined_at: datetime | None = None,
) -> None:
    """Keep what accounts got of a day's bucket by their priorities; without `joined_at` at its first payment."""
    rows = [
        {
            "pool": pool,
            "day": day,
            "account_id": name,
            "earner": owner,
            "priority": priorities[owner][name],
            "tokens": tokens[name],
            "joined_at": joined_at,
        }
        for name, owner in sorted(owners_of(priorities).items())
        if name in tokens
    ]
    tx.run_many("append_income_parts", rows)
    if joined_at is None:
        tx.run("keep_base_of_income", pool=pool, day=day, base_tokens=sum(tokens.values()))


def sold_of_day(tx: Transaction, pool: str, *, from_first: bool = False) -> int | None:
    """
    Return how many slots a pool sells in a day, by the day up to its last round; None where it has held no round.

    With `from_first` the first round of a market that is not a day old only begins the time that its clears are over.
    """
    span = tx.rows("span_of_rounds", pool=pool)[0]
    if span["last_at"] is None:
        return None
    day_before = span["last_at"] - _DAY
    since_at = max(day_before, span["first_at"]) if from_first else day_before
    sold = tx.values("slots_sold_since", pool=pool, since_at=since_at)[0]
    return income.slots_of_day(sold, first_at=span["first_at"], last_at=span["last_at"])


def _index(work: Work, pool: str, profile: Profile, *, fits: bool) -> Index:
    """Return a day's slots and the price level; where nothing was sold yet, by the slots on offer if `fits`."""
    if profile.income != "indexed":
        return Index(None, None)
    slots = sold_of_day(work.tx, pool)
    if not slots and fits:
        slots = income.slots_expected(len(work.tx.rows("asks_on_offer", pool=pool, now=work.now)))
    return Index(None, None) if slots is None else Index(slots, price_levels.level_of(work.tx, pool, profile))


def _bucket(profile: Profile, index: Index) -> int:
    # Markets once began with the fixed bucket, and a replay does so again.
    if not index.slots_of_day or index.price_level_tokens is None:
        return profile.daily_bucket_tokens
    return income.bucket(profile, slots_of_day=index.slots_of_day, price_level=index.price_level_tokens)


def _impact_by_account(pending: list[dict[str, Any]]) -> dict[str, Fraction]:
    by_account: dict[str, Fraction] = defaultdict(Fraction)
    for row in pending:
        by_account[row["account_id"]] += _uncounted(row)
    return by_account


def _uncounted(row: Row) -> Fraction:
    return impacts.exact(row["impact_usd"]) - impacts.exact(row["counted_usd"])


def _count(tx: Transaction, pool: str, pending: list[dict[str, Any]], earned: Mapping[str, int]) -> None:
    """Write down what each slot's impact has earned, so that it can be taken back if the impact turns out lower."""
    by_account: dict[str, dict[str, Fraction]] = defaultdict(dict)
    for row in pending:
        by_account[row["account_id"]][row["slot_id"]] = _uncounted(row)
    parts = {
        slot_id: tokens
        for account_id, weights in by_account.items()
        for slot_id, tokens in proportional_split(earned.get(account_id, 0), weights).items()
    }
    assert min(parts.values(), default=0) >= 0, "impact earns at least nothing"
    counted = [
        {
            **row,
            "pool": pool,
            "counted_usd": row["impact_usd"],
            "earned_tokens": row["earned_tokens"] + parts[row["slot_id"]],
        }
        for row in pending
    ]
    tx.run_many("save_attested_impacts", counted)


def _garnish(
    work: Work, locked: dict[str, Wallet], paid: Mapping[str, int], payees: Payee, run: Payday
) -> dict[str, int]:
    """Take the part of each income that pays its owner's arrears, from whichever account; return what was taken."""
    owner_of = {name: owner for owner, accounts in payees.owners.items() for name in accounts}
    owed = arrears.owed(work.tx, {*paid, *owner_of})
    debts: dict[str, dict[str, int]] = defaultdict(dict)
    for name, tokens in sorted(owed.items()):
        debts[owner_of.get(name, name)][name] = tokens
    taken = {}
    for name, tokens in sorted(paid.items()):
        debt = debts[owner_of.get(name, name)]
        taken[name] = garnish(tokens, owed_tokens=sum(debt.values()), profile=run.profile)
        assert 0 <= taken[name] <= sum(debt.values()), "no more is taken than is owed"
        _repay(debt, taken[name])
    moves = [Move(name, ISSUANCE, tokens, f"arrears {run.name}") for name, tokens in taken.items() if tokens]
    wallets.transfer(work, locked, moves)
    for name, tokens in (item for debt in debts.values() for item in debt.items()):
        if tokens != owed[name]:
            work.tx.run("save_arrears", account_id=name, owed_tokens=tokens)
    return taken


def garnish_own(work: Work, locked: dict[str, Wallet], paid: Mapping[str, int], run: Payday) -> dict[str, int]:
    """Take the part of each income that pays the arrears of its own account; return what was taken."""
    return _garnish(work, locked, paid, Payee({}, {}, {}), run)


def _repay(debt: dict[str, int], tokens: int) -> None:
    for name, owed in debt.items():
        debt[name] = max(0, owed - tokens)
        tokens -= owed - debt[name]
        assert tokens >= 0, "no more is repaid than was taken"


def _cap(work: Work, locked: dict[str, Wallet], payees: Payee, fair: Mapping[str, int], run: Payday) -> dict[str, int]:
    """Burn what owners have past their cap, their quests' wallets first; return what was burnt, by account."""
    burnt: dict[str, int] = {}
    for accounts in payees.owners.values():
        first = sorted(accounts, key=lambda name: (name not in fair, name))
        purses = {name: caps.Purse(locked[name].balance, locked[name].available) for name in first}
        measure = sum(fair.get(name, 0) + payees.elsewhere.get(name, 0) for name in accounts)
        # Without a share there is nothing to measure by, and what the operator granted stays.
        burnt |= caps.burnt_of(purses, fair_share_per_day=measure, profile=run.profile) if measure else {}
    assert all(0 <= tokens <= locked[name].available for name, tokens in burnt.items()), "what is held is not burnt"
    moves = [Move(name, ISSUANCE, tokens, f"cap {run.name}") for name, tokens in sorted(burnt.items()) if tokens]
    wallets.transfer(work, locked, moves)
    return {name: tokens for name, tokens in burnt.items() if tokens}
