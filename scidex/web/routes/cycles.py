"""The cycle of each pool over HTTP: when it clears, what its agents go by, and an operator's hand on it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request, Response

from scidex.exchange import cycle
from scidex.records import CycleReport, CycleStatus, ModeSwitch
from scidex.web import schemas
from scidex.web.access import allows
from scidex.web.dependencies import ANY, Before, Db, Limit, router
from scidex.web.paging import link_next

routes = router("/api/cycles", "cycles")

Pool = Annotated[str, Path(min_length=1, max_length=200)]


@routes.get("/{pool:id}", response_model=schemas.CycleStatus)
@allows(*ANY)
def get_status(pool: Pool, db: Db) -> CycleStatus:
    """Return when a pool clears next, and whether its agents go by the auction or by the fallback."""
    return cycle.cycle_status(pool, db=db)


@routes.get("/{pool:id}/mode-switches", response_model=schemas.ModeSwitches)
@allows(*ANY)
def list_mode_switches(
    pool: Pool, request: Request, response: Response, db: Db, before: Before = None, limit: Limit = 100
) -> list[ModeSwitch]:
    """Return a pool's changes between the auction and the fallback, newest first."""
    found = cycle.list_mode_switches(pool, before=before, limit=limit, db=db)
    return link_next(request, response, found, limit, before=lambda last: last.ordinal)


@routes.post("/{pool:id}/pause", response_model=schemas.CycleStatus)
@allows("admin")
def pause(pool: Pool, db: Db) -> CycleStatus:
    """Hold a pool's cycle until it is resumed."""
    return cycle.pause(pool, db=db)


@routes.post("/{pool:id}/resume", response_model=schemas.CycleStatus)
@allows("admin")
def resume(pool: Pool, db: Db) -> CycleStatus:
    """Let a paused pool's cycle go on."""
    return cycle.resume(pool, db=db)


@routes.post("/{pool:id}/clear", response_model=schemas.CycleReport)
@allows("admin")
def run_cycle(pool: Pool, db: Db) -> CycleReport:
    """Do a cycle of a pool at once, due or not: income, bids for backlogs, clearing, sweeping."""
    return cycle.run_cycle(pool, db=db)
