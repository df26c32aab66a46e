"""What follows a clear: settling it, attesting its impact, or undoing it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from scidex.errors import (
    AlreadySettled,
    AttesterNotIndependent,
    SlotNotSettled,
    SlotNotSold,
    SlotVoided,
    UnknownAccount,
    UnknownSlot,
)
from scidex.exchange.book import holds, market_settings, pools
from scidex.exchange.income import impacts, refills
from scidex.exchange.income.refills import RefillTerms
from scidex.exchange.ledger import arrears, wallets
from scidex.exchange.ledger.wallets import Move, Wallet
from scidex.exchange.quests import states
from scidex.exchange.rounds import floors
from scidex.exchange.work import fences, verdicts
from scidex.money.overrun import charge, declared_payment
from scidex.profiles import Profile
from scidex.records import Clear
from scidex.settings import ISSUANCE, TREASURY
from scidex.store.database import Transaction
from scidex.store.db_writes import Work, effect


@effect("settle")
def settle(
    work: Work,
    *,
    slot_id: str,
    actual_cost_tokens: int,
    actual_impact: float | None,
    attested_by: str | None,
    fence: int | None,
    terms: RefillTerms,
) -> Clear:
    """Debit the winner by the clearing price, pay the provider, write down cost and impact; the task is done."""
    clear = settle_sold(
        work,
        slot_id=slot_id,
        actual_cost_tokens=actual_cost_tokens,
        actual_impact=actual_impact,
        attested_by=attested_by,
        fence=fence,
        terms=terms,
    )
    if work.changed:
        states.complete(work, clear.winning_task_id)
    return clear


def settle_sold(
    work: Work,
    *,
    slot_id: str,
    actual_cost_tokens: int | None,
    actual_impact: float | None,
    attested_by: str | None,
    fence: int | None,
    terms: RefillTerms,
    note: str = "",
) -> Clear:
    """Settle a slot, at a cost of None where it is not known; what becomes of its task is for the caller to say."""
    clear = lock_sold(work.tx, slot_id)
    if clear.status == "voided":
        fences.refuse_late(work.tx, slot_id, fence)
        raise SlotVoided(field="slot_id", slot_id=slot_id)
    if clear.status == "settled":
        _assert_same_settlement(work.tx, clear, actual_cost_tokens, actual_impact, attested_by)
        work.changed = False
        return clear
    lease = fences.check(work, slot_id, fence, field="slot_id")
    if attested_by is not None:
        assert_independent(work.tx, attested_by, clear.bidder_id)
    fences.end(work, lease, "finished")
    profile = market_settings.configured(work.tx, clear.pool)
    settled = clear._replace(
        status="settled",
        actual_cost_tokens=actual_cost_tokens,
        actual_impact=actual_impact,
        roi=_roi(actual_impact, actual_cost_tokens, terms["tokens_per_usd"]),
        attested_by=attested_by,
        slot_finished_at=work.now,
        reason=note or clear.reason,
        judged_at=work.now if verdicts.is_verdict(actual_impact, attested_by) else None,
        attest_ends_at=verdicts.end_of_horizon(work, profile, attested_by),
    )
    _write_settlement(work, settled)
    _pay(work, settled, terms, profile)
    return settled


@effect("attest")
def attest(work: Work, *, slot_id: str, actual_impact: float, attested_by: str, terms: RefillTerms) -> Clear:
    """Write down a settled slot's impact, known later or revised, and refill by it; price and cost stay."""
    tx = work.tx
    # No bucket is split by impact, and the pool is not configured anew, while this looks at both.
    pools.lock_names(tx, [_sold(tx, slot_id).pool])
    tx.rows("lock_clear", slot_id=slot_id)
    clear = _sold(tx, slot_id)
    if clear.status != "settled":
        raise SlotNotSettled(field="slot_id", slot_id=slot_id, status=clear.status)
    assert_independent(tx, attested_by, clear.bidder_id)
    if (clear.actual_impact, clear.attested_by) == (actual_impact, attested_by):
        work.changed = False
        return clear
    attested = clear._replace(
        actual_impact=actual_impact,
        attested_by=attested_by,
        roi=_roi(actual_impact, clear.actual_cost_tokens, terms["tokens_per_usd"]),
        judged_at=clear.judged_at or work.now,
    )
    tx.post(
        "attest_clear",
        slot_id=slot_id,
        actual_impact=actual_impact,
        roi=attested.roi,
        attested_by=attested_by,
        judged_at=attested.judged_at,
    )
    revision = len(tx.rows("attestations_of", slot_id=slot_id))
    _append_attestation(work, attested, revision=revision)
    _refill(work, attested, terms, revision=revision)
    return attested


@effect("void")
def void(work: Work, *, slot_id: str, reason: str) -> Clear:
    """Undo a clear whose slot died: the winner's tokens are free again, and its task may be bid for."""
    clear = lock_sold(work.tx, slot_id)
    if clear.status == "settled":
        raise AlreadySettled(field="slot_id", slot_id=slot_id, status=clear.status)
    if clear.status == "voided":
        work.changed = False
        return clear
    fences.end(work, fences.live(work, slot_id), "voided")
    return void_sold(work, clear, reason)


def void_sold(work: Work, clear: Clear, reason: str) -> Clear:
    """Undo a locked clear that is not settled; what becomes of its lease is for the caller to say."""
    tx, slot_id = work.tx, clear.slot_id
    tx.post("void_clear", slot_id=slot_id, reason=reason, slot_finished_at=work.now)
    winner = wallets.lock(tx, [clear.bidder_id])[clear.bidder_id]
    assert clear.status in ("won", "running"), "what is over is not undone"
    assert winner.held >= clear.clearing_price_tokens, "a winner holds what it owes"
    winner.hold_more(-clear.clearing_price_tokens)
    holds.resume(tx, [winner])
    wallets.save(tx, [winner])
    if price := floors.price_of_gift(tx, clear):
        treasury = wallets.lock(tx, [TREASURY])[TREASURY]
        assert treasury.held >= price, "the treasury holds what it gives away"
        treasury.hold_more(-price)
        wallets.save(tx, [treasury])
    states.reopen(work, clear.winning_task_id)
    return clear._replace(status="voided", reason=reason, slot_finished_at=work.now)


def lock_sold(tx: Transaction, slot_id: str) -> Clear:
    """
    Lock a clear's task, its pool and those where bids for that task are open; return the clear as it is now.

    Whoever settles, voids, leases or declares for a clear locks its task alone, and so the clear.
    """
    sold = _sold(tx, slot_id)
    states.lock(tx, [sold.winning_task_id], pools=[sold.pool])
    return _sold(tx, slot_id)


def _sold(tx: Transaction, slot_id: str) -> Clear:
    row = tx.row("clear", slot_id=slot_id)
    if row is not None:
        return Clear(**row)
    if tx.row("ask", slot_id=slot_id) is not None:
        raise SlotNotSold(field="slot_id", slot_id=slot_id)
    raise UnknownSlot(field="slot_id", slot_id=slot_id)


def _assert_same_settlement(
    tx: Transaction, clear: Clear, cost: int | None, impact: float | None, attested_by: str | None
) -> None:
    first = tx.rows("attestations_of", slot_id=clear.slot_id)[0]
    settled = (clear.actual_cost_tokens, first["actual_impact"], first["attested_by"])
    if settled != (cost, impact, attested_by):
        raise AlreadySettled(
            field="slot_id",
            slot_id=clear.slot_id,
            actual_cost_tokens=settled[0],
            actual_impact=settled[1],
            attested_by=settled[2],
        )


def assert_independent(tx: Transaction, attester_id: str, bidder_id: str) -> None:
    """Raise UnknownAccount or AttesterNotIndependent unless an evaluator that is not the bidder's owner's attests."""
    attester, bidder = (tx.row("account", account_id=name) for name in (attester_id, bidder_id))
    if attester is None:
        raise UnknownAccount(field="attested_by", account_id=attester_id)
    assert bidder is not None, "whoever paid has an account"
    if attester["kind"] != "evaluator" or attester["owner_id"] == bidder["owner_id"]:
        raise AttesterNotIndependent(
            field="attested_by", account_id=attester_id, kind=attester["kind"], bidder_id=bidder_id
        )


def _roi(impact: float | None, cost_tokens: int | None, tokens_per_usd: int) -> float | None:
    """Return impact in USD over cost in USD; None where nothing was spent, or either is not known."""
    return None if impact is None or not cost_tokens else impact * tokens_per_usd / cost_tokens


def _write_settlement(work: Work, settled: Clear) -> None:
    changed = work.tx.run(
        "settle_clear",
        slot_id=settled.slot_id,
        actual_cost_tokens=settled.actual_cost_tokens or 0,
        cost_is_known=int(settled.actual_cost_tokens is not None),
        actual_impact=settled.actual_impact,
        roi=settled.roi,
        attested_by=settled.attested_by,
        slot_finished_at=settled.slot_finished_at,
        reason=settled.reason,
        judged_at=settled.judged_at,
        attest_ends_at=settled.attest_ends_at,
    )
    assert changed == 1, "the clear was locked"
    _append_attestation(work, settled, revision=0)


def _append_attestation(work: Work, clear: Clear, *, revision: int) -> None:
    work.tx.post(
        "append_attestation",
        slot_id=clear.slot_id,
        revision=revision,
        actual_impact=clear.actual_impact,
        attested_by=clear.attested_by,
        made_at=work.now,
    )


def _pay(work: Work, settled: Clear, terms: RefillTerms, profile: Profile | None) -> None:
    due = refills.due_for(settled, refills.terms_of(work.tx, settled, terms, profile))
    issuers = [ISSUANCE] if due else []
    locked = wallets.lock(work.tx, [settled.bidder_id, settled.provider_id, TREASURY, *issuers])
    winner = locked[settled.bidder_id]
    assert winner.held >= settled.clearing_price_tokens, "a winner holds what it owes"
    winner.hold_more(-settled.clearing_price_tokens)
    before = winner.balance
    price_of_gift = floors.price_of_gift(work.tx, settled)
    locked[TREASURY].hold_more(-price_of_gift)
    made = wallets.transfer(work, locked, list(_payments(settled, price_of_gift)))
    assert winner.balance == before - settled.clearing_price_tokens, "a winner pays the price"
    if due:
        made += refills.refill(work, locked, settled, due, revision=0)
    if profile is not None:
        _charge_overrun(work, locked, settled, profile)
        if profile.impact_percent > 0:
            impacts.note(work, locked, settled)
    if made:
        credited = {one.credit_account_id for one in made} - {TREASURY, ISSUANCE}
        holds.resume(work.tx, [locked[account_id] for account_id in sorted(credited)])
    wallets.save(work.tx, locked.values())


def _charge_overrun(work: Work, locked: dict[str, Wallet], settled: Clear, profile: Profile) -> None:
    """
    Debit what a run used past its slot's allowance, where the pool says so; what is not there is owed.

    Nothing is charged or returned where nobody knows what it used.
    """
    if settled.actual_cost_tokens is None:
        return
    allowance = work.tx.values("allowance_of_slot", slot_id=settled.slot_id)[0]
    if declared := work.tx.row("declared_allowance", slot_id=settled.slot_id):
        _charge_by_declaration(work, locked, settled, declared["declared_tokens"], allowance, profile)
        return
    assert settled.status == "settled", "an overrun is charged with the settlement"
    charged = charge(
        actual_cost_tokens=settled.actual_cost_tokens,
        token_allowance=allowance,
        available=locked[settled.bidder_id].available,
        profile=profile,
    )
    # To the treasury and not to the provider, whose word on the cost it may rest on.
    arrears.take(work, locked, settled.bidder_id, sum(charged), f"overrun {settled.slot_id}", to=TREASURY)


def _charge_by_declaration(
    work: Work, locked: dict[str, Wallet], settled: Clear, declared_tokens: int, allowance: int, profile: Profile
) -> None:
    """Charge or return what declared units come to beside the price, which bought the slot's own allowance."""
    assert settled.actual_cost_tokens is not None, "without a cost nothing is charged"
    due = declared_payment(
        actual_cost_tokens=settled.actual_cost_tokens,
        declared_tokens=declared_tokens,
        unit_price=Fraction(settled.clearing_price_tokens, allowance),
        profile=profile,
    )
    more = due - settled.clearing_price_tokens
    reason = f"declared allowance {settled.slot_id}"
    assert due >= 0, "a run costs at least nothing"
    if more < 0:
        # Never more than the price, which the treasury has just been paid.
        wallets.transfer(work, locked, [Move(TREASURY, settled.bidder_id, -more, reason)])
    else:
        arrears.take(work, locked, settled.bidder_id, more, reason, to=TREASURY)


def _refill(work: Work, attested: Clear, terms: RefillTerms, *, revision: int) -> None:
    profile = market_settings.configured(work.tx, attested.pool)
    locked = wallets.lock(work.tx, [attested.bidder_id, ISSUANCE])
    if impacts.earns_share(work.tx, attested, profile):
        impacts.note(work, locked, attested)
    else:
        due = refills.due_for(attested, refills.terms_of(work.tx, attested, terms, profile))
        refills.refill(work, locked, attested, due, revision=revision)
    holds.resume(work.tx, [locked[attested.bidder_id]])
    wallets.save(work.tx, locked.values())


def _payments(settled: Clear, price_of_gift: int) -> Iterator[Move]:
    if price_of_gift:
        yield Move(TREASURY, settled.provider_id, price_of_gift, f"floor {settled.slot_id}")
    reason = f"settle {settled.slot_id}"
    # Under a rule with two prices the treasury keeps what the buyer pays and the provider does not get.
    shares = {settled.provider_id: settled.provider_proceeds_tokens}
    rest = settled.clearing_price_tokens - settled.provider_proceeds_tokens
    shares[TREASURY] = shares.get(TREASURY, 0) + rest
    assert rest >= 0, "a provider gets no more than the buyer pays"
    assert sum(shares.values()) == settled.clearing_price_tokens, "all that is paid goes to somebody"
    for account_id, amount in shares.items():
        if amount > 0:
            yield Move(settled.bidder_id, account_id, amount, reason)
