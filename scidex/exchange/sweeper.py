"""Clears away after the dead: leases that ran out, workers not heard of, and the slots that they leave."""

from __future__ import annotations

from datetime import datetime

from scidex import settings as _settings
from scidex.exchange import arguments as checked
from scidex.exchange.work import leases, workers
from scidex.loops import Loop
from scidex.records import Swept
from scidex.store import Database
from scidex.store.db_writes import execute_journaled

__all__ = ["SweepRunner", "sweep"]

_MOST = 100_000


def sweep(now: datetime | None = None, *, most: int = 500, db: Database | None = None) -> Swept:
    """
    End the leases that have run out, the workers not heard of in time, and what these had on offer or won.

    Their tokens go back and their tasks are open again. At most `most` of each; each is a transaction of its own, and
    however many sweep at once, one of them ends it. Finding nothing writes nothing.
    """
    database = checked.database(db)
    page = checked.count(most, "most", most=_MOST)
    moment = checked.moment(now, database)
    expired = sum(_expire(database, moment, page))
    lost = sum(_lose(database, moment, page))
    ended = workers.clear_away(database, moment, most=page)
    return Swept(expired, lost, ended["expired"], ended["voided"])


class SweepRunner:
    """Sweeps every `interval_seconds`; any number may, beside any others."""

    def __init__(self, db: Database, interval_seconds: float = 1.0) -> None:
        self.db = db
        self.interval_seconds = checked.number(interval_seconds, "interval_seconds", least=0.01, most=3_600.0)

    def loop(self) -> Loop:
        """Return the loop that sweeps."""
        return Loop("sweeper", self._turn)

    def _turn(self) -> float:
        sweep(db=self.db)
        return self.interval_seconds


def _expire(db: Database, now: datetime, most: int) -> list[bool]:
    with db.reading() as tx:
        found = tx.rows("leases_run_out", now=now, most=most)
    most_losses = _settings.one("most_losses")
    return [execute_journaled(db, leases.expire_lease, {**one, "most_losses": most_losses}, now=now) for one in found]


def _lose(db: Database, now: datetime, most: int) -> list[bool]:
    with db.reading() as tx:
        found = tx.values("workers_unheard", now=now, most=most)
    return [execute_journaled(db, workers.lose_worker, {"worker_id": one}, now=now) for one in found]
