"""What a principal may see and act on: its own things. What is not its own is told as if it were not there."""

from __future__ import annotations

from typing import NamedTuple

from scidex.errors import (
    NotAllowed,
    NotYourAccount,
    UnknownAccount,
    UnknownBid,
    UnknownLease,
    UnknownRun,
    UnknownSlot,
    UnknownWorker,
)
from scidex.exchange import arguments as checked
from scidex.exchange import backlog, leases
from scidex.records import Principal, WalletSummary
from scidex.settings import TREASURY
from scidex.store import Database

_MOST_PAGE = 1_000
# Statements take it for any owner and any account.
_ANY = ""


class Parties(NamedTuple):
    """Who offers a slot, and who bought it."""

    provider_id: str
    bidder_id: str | None


def check_named(who: Principal, account_id: str | None, field: str) -> str:
    """Return the principal's account, which nobody may name otherwise. Raises NotYourAccount."""
    if account_id is not None and account_id != who.account_id:
        raise NotYourAccount(field=field, account_id=account_id)
    return who.account_id


def check_sees_account(who: Principal, account_id: str, *, field: str = "account_id", db: Database) -> None:
    """Make sure that an account is the principal's owner's. Raises UnknownAccount."""
    name = checked.identifier(account_id, field)
    with db.reading() as tx:
        if tx.row("account_of_owner", account_id=name, owner_id=_owner(who)) is None:
            raise UnknownAccount(field=field, account_id=account_id)


def check_sees_bid(who: Principal, bid_id: int, *, db: Database) -> None:
    """Make sure that a bid was made by an account of the principal's owner. Raises UnknownBid."""
    bidder_of(who, bid_id, db=db)


def check_acts_on_bid(who: Principal, bid_id: int, *, db: Database) -> None:
    """Make sure that a bid is the principal's own; an operator may act on any. Raises UnknownBid, NotYourAccount."""
    bidder_id = bidder_of(who, bid_id, db=db)
    if not who.is_operator:
        check_named(who, bidder_id, "bid_id")


def bidder_of(who: Principal, bid_id: int, *, db: Database) -> str:
    """Return who made a bid that the principal may see. Raises UnknownBid."""
    with db.reading() as tx:
        row = tx.row("bid_of_owner", id=bid_id, owner_id=_owner(who))
    if row is None:
        raise UnknownBid(field="bid_id", bid_id=bid_id)
    return str(row["bidder_id"])


def parties_of(who: Principal, slot_id: str, *, db: Database) -> Parties:
    """Return the parties of a slot, of whom the principal is one, or an operator. Raises UnknownSlot."""
    name = checked.identifier(slot_id, "slot_id")
    with db.reading() as tx:
        row = tx.row("slot_of_party", slot_id=name, account_id=_ANY if who.is_operator else who.account_id)
    if row is None:
        raise UnknownSlot(field="slot_id", slot_id=slot_id)
    return Parties(**row)


def check_provides(who: Principal, slot_id: str, *, db: Database) -> None:
    """Make sure that the principal offers a slot, or is an operator. Raises UnknownSlot, NotAllowed to its winner."""
    provider_id = parties_of(who, slot_id, db=db).provider_id
    if not who.is_operator and provider_id != who.account_id:
        raise NotAllowed(field="slot_id", slot_id=slot_id, fact="is for its provider to say")


def check_won(who: Principal, slot_id: str, *, db: Database) -> None:
    """Make sure that the principal won a slot, or is an operator. Raises UnknownSlot, NotAllowed to its provider."""
    bidder_id = parties_of(who, slot_id, db=db).bidder_id
    if not who.is_operator and bidder_id != who.account_id:
        raise NotAllowed(field="slot_id", slot_id=slot_id, fact="is for its winner to say")


def check_acts_for(who: Principal, account_id: str, field: str) -> None:
    """Make sure that an account is the principal's own; an operator may act for any. Raises NotYourAccount."""
    if not who.is_operator:
        check_named(who, account_id, field)


def check_offers_for(who: Principal, provider_id: str, *, db: Database) -> None:
    """
    Make sure that the principal's workers may sell slots for an account: its own, or the treasury for the fleet.

    The fleet's accounts are those of the kind `worker`, which an operator opens. Raises NotYourAccount, NotAllowed.
    """
    if who.is_operator or provider_id == who.account_id:
        return
    if provider_id != TREASURY:
        raise NotYourAccount(field="provider_id", account_id=provider_id)
    with db.reading() as tx:
        kind = tx.rows("account", account_id=who.account_id)[0]["kind"]
    if kind != "worker":
        fact = f"must be {who.account_id}: only an account of the kind worker offers slots for the treasury"
        raise NotAllowed(field="provider_id", fact=fact)


def check_worker(who: Principal, worker_id: str, *, db: Database) -> None:
    """Make sure that a worker is the principal's own. Raises UnknownWorker."""
    name = checked.identifier(worker_id, "worker_id")
    with db.reading() as tx:
        row = tx.row("worker", worker_id=name)
    if row is None or not (who.is_operator or row["account_id"] == who.account_id):
        raise UnknownWorker(field="worker_id", worker_id=worker_id)


def check_lease(who: Principal, fence: int, *, db: Database) -> None:
    """Make sure that a lease is of a worker of the principal's own. Raises UnknownLease."""
    if not who.is_operator and leases.get_lease(fence, db=db).account_id != who.account_id:
        raise UnknownLease(field="fence", fence=fence)


def check_sees_run(who: Principal, run_id: str, *, db: Database) -> None:
    """Make sure that the principal bought, offered or ran what ran, or is an operator. Raises UnknownRun."""
    _check_run("run_of_party", who, run_id, db)


def check_runs(who: Principal, run_id: str, *, db: Database) -> None:
    """Make sure that a worker of the principal's own ran something, or an operator asks. Raises UnknownRun."""
    _check_run("run_of_worker", who, run_id, db)


def _check_run(statement: str, who: Principal, run_id: str, db: Database) -> None:
    name = checked.identifier(run_id, "run_id")
    with db.reading() as tx:
        found = who.is_operator or tx.row(statement, run_id=name, account_id=who.account_id) is not None
    if not found:
        raise UnknownRun(field="run_id", run_id=run_id)


def check_may_attest(who: Principal, account_id: str | None) -> None:
    """
    Make sure that who tells of an impact may name who attests it: the evaluator itself, or an operator.

    Raises NotAllowed, NotYourAccount.
    """
    if account_id is None or "admin" in who.scopes:
        return
    if "attest" not in who.scopes:
        raise NotAllowed(field="attested_by", needs=["attest"], scopes=sorted(who.scopes))
    check_named(who, account_id, "attested_by")


def check_quest(who: Principal, quest_id: str, field: str, *, db: Database) -> None:
    """Make sure that a quest pays from the principal's account. Raises UnknownQuest, NotYourAccount."""
    if not who.is_operator:
        check_named(who, backlog.get_quest(quest_id, db=db).account_id, field)


def check_is_operator(who: Principal, field: str) -> None:
    """Make sure that a field is given by an operator. Raises NotAllowed."""
    if not who.is_operator:
        raise NotAllowed(field=field, fact="is for an operator to say")


def wallets_seen(who: Principal, *, after: str, limit: int, db: Database) -> list[WalletSummary]:
    """Return the wallets of the principal's owner in the order of their ids, those past `after`."""
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    past = "" if after == "" else checked.identifier(after, "after")
    with db.reading() as tx:
        rows = tx.rows("wallets_of_owner_page", owner_id=who.owner_id, after=past, page=page)
    return [WalletSummary(**row) for row in rows]


def _owner(who: Principal) -> str:
    return _ANY if who.is_operator else who.owner_id
