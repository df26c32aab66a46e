"""The floor in a round: a slot at price 0 for an entitled quest that has waited long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from scidex.exchange.book import competitors, market_settings
from scidex.exchange.book.pools import OpenPool
from scidex.money.floor import WHOLE_SLOT, next_credit, next_served
from scidex.profiles import Profile
from scidex.records import Clear
from scidex.settings import TREASURY
from scidex.store.database import Row, Transaction
from scidex.store.db_writes import Work


class Offer(NamedTuple):
    """A slot in a round: what it may cost at least, and who is behind it."""

    slot_id: str
    provider_id: str
    owner_id: str
    kind: str
    reserve_price_tokens: int
    sequence: int


class Gift(NamedTuple):
    """
    A slot that the floor gives away, to whom, and after how many rounds without one.

    Where its provider is not the treasury, the treasury pays `price_tokens` for it.
    """

    slot_id: str
    task_id: str
    quest_id: str
    account_id: str
    waited_rounds: int
    provider_id: str = TREASURY
    price_tokens: int = 0


class Floor(NamedTuple):
    """The floor of a pool in one round: its number, what may be given away, each entitled quest's last round."""

    number: int
    credit: int
    since: dict[str, int]
    accounts: dict[str, str]
    gift: Gift | None = None
    claimed_usd: float = 0.0
    """What its quest claims of the task for which a slot is given away."""

    def without_gift(self) -> Floor:
        """Return this floor with nothing given away."""
        return self._replace(gift=None, credit=self.credit + WHOLE_SLOT) if self.gift else self

    def at_price(self, price_tokens: int) -> Floor:
        """Return this floor with its gift bought from its provider."""
        assert self.gift is not None, "something is given away"
        return self._replace(gift=self.gift._replace(price_tokens=price_tokens))


def choose(work: Work, market: OpenPool, entitled: Sequence[Row], offers: Sequence[Offer]) -> Floor | None:
    """
    Return the floor's round, and in it the gift for the quest that has waited longest, if that is due.

    None where the pool has no floor. The pool is locked to be cleared, and nobody entitles a quest meanwhile.
    """
    tx, pool = work.tx, market.pool
    profile = market_settings.configured(tx, pool)
    if profile is None or not profile.floor:
        return None
    floor = _advanced(tx, pool, entitled, len(offers), profile)
    # In journals that leave it out the floor could give no slot of others away.
    if work.leaves_out("floor"):
        return floor
    slots = {quest["quest_id"]: _slot_for(quest["owner_id"], offers) for quest in entitled}
    # Tasks change while this is decided, so that a replay could not decide it again.
    found = work.make_up("floor", lambda: _choose(work, pool, floor, slots, profile))
    if found is None:
        return floor
    quest_id, task_id, claimed_usd = found
    slot = slots[quest_id]
    assert slot is not None, "a quest without a slot is not served"
    waited = floor.number - floor.since[quest_id]
    gift = Gift(slot.slot_id, task_id, quest_id, floor.accounts[quest_id], waited, slot.provider_id)
    return floor._replace(gift=gift, credit=floor.credit - WHOLE_SLOT, claimed_usd=claimed_usd)


def give(work: Work, market: OpenPool, floor: Floor) -> None:
    """Write down the slot that is given away, if there is one."""
    tx, gift = work.tx, floor.gift
    if gift is None:
        return
    tx.run("insert_floor_clear", **_row(clear_of(gift, pool=market.pool, round_id=market.open_round_id, at=work.now)))
    tx.post("keep_gift", slot_id=gift.slot_id, claimed_usd=floor.claimed_usd, price_tokens=gift.price_tokens)
    tx.post("sell_asks", slot_ids=[gift.slot_id])


def note(tx: Transaction, pool: str, floor: Floor, winners: set[str]) -> None:
    """Write down a round of the floor: what may be given away, and that whoever got a slot waits anew."""
    served = {floor.gift.account_id} if floor.gift else set()
    waits = [
        {"pool": pool, "quest_id": quest_id, "since_round": floor.number if got_one else since}
        for quest_id, since in floor.since.items()
        if (got_one := floor.accounts[quest_id] in winners | served) or since == floor.number - 1
    ]
    tx.run_many("save_waits", waits)
    tx.post("save_floor", pool=pool, rounds=floor.number, credit_hundredths=floor.credit)


def price_of_gift(tx: Transaction, clear: Clear) -> int:
    """Return what the treasury owes a slot's provider because the floor gave the slot away; 0 for any other."""
    if clear.bid_id > 0:
        return 0
    price: int = tx.values("price_of_gift", slot_id=clear.slot_id)[0]
    return price


def clear_of(gift: Gift, *, pool: str, round_id: int, at: datetime) -> Clear:
    """
    Return the clear of a slot that the floor gave away: at price 0 and without a bid.

    What its provider gets is the treasury's to pay. Its `bid_id` is the number of its round, negated: a round gives
    away one slot at most.
    """
    return Clear(
        slot_id=gift.slot_id,
        clearing_price_tokens=0,
        winning_task_id=gift.task_id,
        runner_up_task_id=None,
        slot_started_at=at,
        slot_finished_at=None,
        pool=pool,
        round_id=round_id,
        bid_id=-round_id,
        bidder_id=gift.account_id,
        provider_id=gift.provider_id,
        max_price_tokens=0,
        winning_premium_tokens=0,
        provider_proceeds_tokens=0,
        runner_up_price_tokens=None,
        actual_cost_tokens=None,
        actual_impact=None,
        roi=None,
        attested_by=None,
        status="won",
        reason=f"floor: quest {gift.quest_id} had no slot for {gift.waited_rounds} rounds{_bought(gift)}",
    )


def _bought(gift: Gift) -> str:
    return f"; the treasury pays {gift.price_tokens} tokens for it" if gift.price_tokens else ""


def _slot_for(owner_id: str, offers: Sequence[Offer]) -> Offer | None:
    """
    Return the slot that would be given to an owner's quest: the latest and highest-priced of the treasury's.

    Where the treasury has none it buys the lowest-priced of the others', which a round that sells pays for in full.
    Nobody sells a slot to the floor for a quest of their own.
    """
    of_treasury = [offer for offer in offers if offer.provider_id == TREASURY]
    if of_treasury:
        return of_treasury[-1]
    return next((offer for offer in offers if offer.owner_id != owner_id), None)


def _advanced(tx: Transaction, pool: str, entitled: Sequence[Row], slots: int, profile: Profile) -> Floor:
    known = tx.row("floor_of_pool", pool=pool) or {"rounds": 0, "credit_hundredths": 0}
    earlier = tx.rows("recent_rounds", pool=pool, page=profile.floor_rounds - 1)
    recent = slots + sum(row["slots"] for row in earlier)
    number = known["rounds"] + 1
    return Floor(
        number=number,
        credit=next_credit(known["credit_hundredths"], slots=slots, recent_slots=recent, profile=profile),
        # Whoever is entitled from now on begins to wait with this round.
        since={q["quest_id"]: number - 1 if q["since_round"] is None else q["since_round"] for q in entitled},
        accounts={q["quest_id"]: q["account_id"] for q in entitled},
    )


def _choose(
    work: Work, pool: str, floor: Floor, slots: Mapping[str, Offer | None], profile: Profile
) -> tuple[str, str, float] | None:
    """Return the quest that the floor serves, its most valuable task that may run, locked, and its claim; or None."""
    tx = work.tx
    due = {quest: floor.number - since for quest, since in floor.since.items() if slots[quest] is not None}
    due = {quest: wait for quest, wait in due.items() if wait >= profile.floor_rounds}
    while quest := next_served(due, credit=floor.credit, profile=profile):
        asked = {"quest_id": quest, "pool": pool, "now": work.now}
        tasks = tx.values("task_for_floor", **asked)
        competitors.lock_tasks(tx, tasks)
        # Another pool or an agent may have taken it before it was locked; then the next one is looked for.
        if tasks and tasks == tx.values("task_for_floor", **asked):
            return quest, tasks[0], tx.values("claim_of_task", task_id=tasks[0])[0]
        if not tasks:
            del due[quest]
    return None


def _row(clear: Clear) -> Row:
    names = ("slot_id", "winning_task_id", "slot_started_at", "pool", "round_id", "bid_id", "bidder_id", "provider_id")
    return {name: getattr(clear, name) for name in (*names, "reason")}
