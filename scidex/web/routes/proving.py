"""The operator's own look at a market over HTTP: the whole ledger, its proof, and clearing away after the dead."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, cast

from fastapi import Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from scidex.exchange import attempts, ownership, sealing, sweeper, token_ledger
from scidex.records import Account, LedgerReport, RefusedAttempt, Swept, Transfer
from scidex.web import schemas
from scidex.web.access import allows
from scidex.web.audits import Audits
from scidex.web.dependencies import ANY, Before, Db, Limit, Name, Who, router
from scidex.web.paging import link_next
from scidex.web.routes.events import streams

routes = router("/api", "proving")

PastAccount = Annotated[str, Query(max_length=200, description="Only those whose id comes after this.")]
ExpectSeal = Annotated[
    str | None,
    Query(pattern=r"^[0-9]{1,16}:[0-9a-f]{64}$", description="A head of the journal that was kept elsewhere."),
]
PastTransfer = Annotated[int, Query(ge=0, le=2**53 - 1, description="Only those behind this transfer.")]


@routes.get("/accounts", response_model=schemas.Accounts)
@allows("admin")
def list_accounts(
    request: Request, response: Response, db: Db, after: PastAccount = "", limit: Limit = 100
) -> list[Account]:
    """Return accounts in the order of their ids."""
    found = token_ledger.list_accounts(after=after, limit=limit, db=db)
    return link_next(request, response, found, limit, after=lambda last: last.account_id)


@routes.get("/accounts/{account_id:id}", response_model=schemas.Account)
@allows(*ANY)
def get_account(account_id: Name, who: Who, db: Db) -> Account:
    """Return an account's kind and owner."""
    ownership.check_sees_account(who, account_id, db=db)
    return token_ledger.get_account(account_id, db=db)


@routes.get("/transfers", response_model=schemas.Transfers)
@allows("admin")
def list_all_transfers(
    request: Request, response: Response, db: Db, after: PastTransfer = 0, limit: Limit = 100
) -> list[Transfer]:
    """Return the movements of all accounts, the oldest first."""
    found = token_ledger.list_transfers(after=after, limit=limit, db=db)
    return link_next(request, response, found, limit, after=lambda last: last.transfer_id)


@routes.get("/books", response_model=schemas.LedgerReport)
@allows("admin")
def verify(db: Db) -> LedgerReport:
    """Prove the books, in one consistent view of the database."""
    return token_ledger.verify(db)


async def _audit(request: Request, expect_seal: ExpectSeal = None) -> AsyncIterator[ServerSentEvent]:
    """Begin an audit: refused before the answer has begun."""
    audits = cast(Audits, request.app.state.audits)
    return audits.stream(audits.begin(expect_seal))


@routes.get("/audit", response_class=EventSourceResponse, responses=streams("progress", "report", "failed"))
@allows("admin")
async def audit(told: Annotated[AsyncIterator[ServerSentEvent], Depends(_audit)]) -> AsyncIterator[ServerSentEvent]:
    """
    Prove the market from its own record, one audit at a time, and stream how far that is.

    Events named `progress` tell what is done, how much of it, and of how many (0: not known); the last one, `report`,
    what was proved, or `failed`, a problem document. It ends with the connection.
    """
    async for event in told:
        yield event


@routes.get("/refusals", response_model=schemas.RefusedAttempts)
@allows("admin")
def list_refusals(
    request: Request, response: Response, db: Db, before: Before = None, limit: Limit = 100
) -> list[RefusedAttempt]:
    """Return what servers of this market refused, the latest first."""
    found = attempts.list_refusals(before=before, limit=limit, db=db)
    return link_next(request, response, found, limit, before=lambda last: last.attempt_id)


@routes.post("/sweep", response_model=schemas.Swept)
@allows("admin")
def sweep(db: Db) -> Swept:
    """End leases that ran out and workers not heard of, and free what they held."""
    return sweeper.sweep(db=db)


@routes.post("/journal/seal", response_model=int)
@allows("admin")
def seal_journal(db: Db) -> int:
    """Chain the entries of the journal that are not sealed yet, and return how many were. Servers do so anyway."""
    return sealing.seal_journal(db=db)
