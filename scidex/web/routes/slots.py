"""Workers and what they run, over HTTP: registering, offering seats, leasing, heartbeats, and telling results."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query, Request

from scidex.errors import FenceMismatch
from scidex.exchange import leases, ownership, services, workers
from scidex.records import Ask, Finished, Lease, LeaseState, Pause, TimelineEvent, Usage, Worker
from scidex.web import schemas
from scidex.web.access import allows
from scidex.web.dependencies import ANY, Db, Limit, Name, Who, router
from scidex.web.rounds import RoundNews

routes = router("/api", "workers and leases")

FenceNumber = Annotated[int, Path(ge=-(2**63), le=2**63 - 1)]
After = Annotated[int, Query(ge=0, le=2**53 - 1, description="The open round that is known.")]
Seconds = Annotated[float, Query(ge=0, le=20, description="How long to wait at most.")]
EndedToo = Annotated[bool, Query(description="Also those that ended.")]


@routes.post("/workers", status_code=201, response_model=schemas.Worker)
@allows("work", "admin")
def register_worker(worker: schemas.NewWorker, who: Who, db: Db) -> Worker:
    """Let a worker of an account be known, or be alive again."""
    ownership.check_acts_for(who, worker.account_id, "account_id")
    ownership.check_offers_for(who, worker.provider_id, db=db)
    return workers.register_worker(**worker.model_dump(), db=db)


@routes.get("/workers", response_model=schemas.Workers)
@allows(*ANY)
def list_workers(who: Who, db: Db, ended_too: EndedToo = False, limit: Limit = 100) -> list[Worker]:
    """Return the workers that are alive, the latest first, to an operator."""
    ownership.check_is_operator(who, "account_id")
    return workers.list_workers(ended_too=ended_too, limit=limit, db=db)


@routes.post("/workers/{worker_id:id}/heartbeat", response_model=schemas.Fences)
@allows("work", "admin")
def check_in(worker_id: Name, held: schemas.Fences, who: Who, db: Db) -> dict[str, list[int]]:
    """Renew a worker's leases; those that are not in the answer are lost."""
    ownership.check_worker(who, worker_id, db=db)
    return {"fences": workers.check_in(worker_id, held.fences, db=db)}


@routes.post("/workers/{worker_id:id}/offers", response_model=schemas.Asks)
@allows("work", "admin")
def keep_offers(worker_id: Name, offers: schemas.OffersWanted, who: Who, db: Db) -> list[Ask]:
    """Offer or withdraw slots until a worker has as many on the market as it wants; return those that are new."""
    ownership.check_worker(who, worker_id, db=db)
    return workers.keep_offers(worker_id, **offers.model_dump(), db=db)


@routes.post("/workers/{worker_id:id}/leases", response_model=schemas.OneLeaseOrNone)
@allows("work", "admin")
def lease_next(worker_id: Name, wanted: schemas.LeaseWanted, who: Who, db: Db) -> Lease | None:
    """Lease the oldest won slot that waits for a worker, or a task outside the auction; null where there is none."""
    ownership.check_worker(who, worker_id, db=db)
    ask = leases.lease_next if wanted.source == "won" else leases.lease_task
    return ask(worker_id, db=db)


@routes.get("/workers/{worker_id:id}/leases", response_model=schemas.Leases)
@allows(*ANY)
def held_by(worker_id: Name, who: Who, db: Db) -> list[Lease]:
    """Return what a worker holds, for one that does not know whether it got it."""
    ownership.check_worker(who, worker_id, db=db)
    return leases.held_by(worker_id, db=db)


@routes.post("/workers/{worker_id:id}/stop", status_code=204)
@allows("work", "admin")
def stop_worker(worker_id: Name, who: Who, db: Db) -> None:
    """Take a worker's slots off the market; what it leased it may still finish."""
    ownership.check_worker(who, worker_id, db=db)
    workers.stop_worker(worker_id, db=db)


@routes.get("/pauses", response_model=schemas.Pauses)
@allows(*ANY)
def list_pauses(who: Who, db: Db, limit: Limit = 100) -> list[Pause]:
    """Return the workers and provider accounts that offer nothing for a while, to an operator."""
    ownership.check_is_operator(who, "account_id")
    return workers.list_pauses(limit=limit, db=db)


@routes.post("/pauses/end", response_model=bool)
@allows("admin")
def end_pause(pause: schemas.PauseToEnd, db: Db) -> bool:
    """Let a worker, or all that draw on an account, offer slots again at once; return whether there was a pause."""
    return workers.end_pause(**pause.model_dump(), db=db)


@routes.get("/leases", response_model=schemas.LeaseStates)
@allows(*ANY)
def list_leases(who: Who, db: Db, ended_too: EndedToo = False, limit: Limit = 100) -> list[LeaseState]:
    """Return live leases, the latest first, to an operator."""
    ownership.check_is_operator(who, "account_id")
    return leases.list_leases(ended_too=ended_too, limit=limit, db=db)


@routes.get("/leases/{fence}", response_model=schemas.LeaseState)
@allows(*ANY)
def get_lease(fence: FenceNumber, who: Who, db: Db) -> LeaseState:
    """Return a lease as it stands."""
    ownership.check_lease(who, fence, db=db)
    return leases.get_lease(fence, db=db)


@routes.post("/leases/{fence}/step", response_model=schemas.LeaseState)
@allows("work", "admin")
def note_step(fence: FenceNumber, step: schemas.Step, who: Who, db: Db) -> LeaseState:
    """Note how far a run has come, and renew its lease."""
    ownership.check_lease(who, fence, db=db)
    return leases.note_step(fence, step.step, step.note, db=db)


@routes.post("/leases/{fence}/finish", response_model=schemas.Finished)
@allows("work", "admin")
def finish(fence: FenceNumber, outcome: schemas.RunOutcome, who: Who, db: Db) -> Finished:
    """Tell what came of a run: its slot is settled, and its task done or open again."""
    ownership.check_lease(who, fence, db=db)
    ownership.check_may_attest(who, outcome.attested_by)
    leased = leases.find_lease(fence, db=db)
    told = outcome.model_dump()
    usage = None if outcome.usage is None else Usage(**told["usage"])
    return services.finish(leased.assignment, **{**told, "usage": usage}, fence=fence, db=db)


@routes.post("/leases/{fence}/give-back", status_code=204)
@allows("work", "admin")
def give_back(fence: FenceNumber, why: schemas.Interruption, who: Who, db: Db) -> None:
    """Undo a lease that was interrupted: its task is open again, nobody has paid, and the attempt does not count."""
    ownership.check_lease(who, fence, db=db)
    services.give_back(leases.find_lease(fence, db=db).assignment, **why.model_dump(), fence=fence, db=db)


@routes.post("/compute-auction/slots/{slot_id:id}/lease", response_model=schemas.Lease)
@allows("work", "admin")
def lease_slot(slot_id: Name, wanted: schemas.LeaseRequest, who: Who, db: Db) -> Lease:
    """Lease a won slot to a worker that may run it."""
    ownership.check_worker(who, wanted.worker_id, db=db)
    return leases.lease(slot_id, wanted.worker_id, db=db)


@routes.post("/compute-auction/slots/{slot_id:id}/heartbeat", response_model=schemas.LeaseState)
@allows("work", "admin")
def heartbeat(slot_id: Name, held: schemas.Fence, who: Who, db: Db) -> LeaseState:
    """Renew a slot's lease."""
    ownership.check_lease(who, held.fence, db=db)
    run_id = leases.get_lease(held.fence, db=db).run_id
    if run_id != slot_id:
        raise FenceMismatch(field="fence", slot_id=slot_id, fence=held.fence)
    return leases.heartbeat(held.fence, db=db)


@routes.get("/compute-auction/slots/{slot_id:id}/timeline", response_model=schemas.TimelineEvents)
@allows(*ANY)
def get_timeline(slot_id: Name, who: Who, db: Db) -> list[TimelineEvent]:
    """Return the steps of a run, from the offer of its slot to its settlement."""
    if not who.is_operator:
        ownership.parties_of(who, slot_id, db=db)
    return services.timeline(slot_id, db=db)


@routes.get("/compute-auction/pools/{pool:id}/next-round")
@allows(*ANY)
async def wait_for_round(request: Request, pool: Name, after: After = 0, seconds: Seconds = 10.0) -> dict[str, Any]:
    """Wait until a pool's open round is another than `after`; return the open round."""
    rounds: RoundNews = request.app.state.rounds
    return {"open_round_id": await rounds.wait(pool, after, seconds)}
