"""Audits that a server is asked for: one at a time, told as they go on."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from typing import Any

from fastapi.sse import ServerSentEvent

from scidex.errors import ScidexError
from scidex.exchange import auditing
from scidex.records import AuditReport
from scidex.store import Database
from scidex.web.problems import document_of
from scidex.web.refusals import AuditAtWork

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 0.25


class _Abandoned(Exception):
    """Nobody waits for the audit any more."""


class _Audit:
    """An audit at work in a thread of its own."""

    def __init__(self) -> None:
        self.progress: tuple[str, int, int] | None = None
        self.found: AuditReport | None = None
        self.error: Exception | None = None
        self.abandoned = threading.Event()
        self.done = threading.Event()
        self.thread: threading.Thread | None = None

    def run(self, db: Database, expect_seal: str | None) -> None:
        try:
            self.found = auditing.audit(expect_seal=expect_seal, on_progress=self._note, db=db)
        except _Abandoned:
            pass
        except Exception as error:
            self.error = error
        finally:
            self.done.set()

    def _note(self, what: str, done: int, of: int) -> None:
        if self.abandoned.is_set():
            raise _Abandoned
        self.progress = (what, done, of)


class Audits:
    """The audits of one server."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._at_work: _Audit | None = None

    def begin(self, expect_seal: str | None) -> _Audit:
        """Start an audit, against a head of the journal where one is given. Raises AuditAtWork while another one is."""
        if self._at_work is not None and not self._at_work.done.is_set():
            raise AuditAtWork
        audit = self._at_work = _Audit()
        audit.thread = threading.Thread(target=audit.run, args=(self._db, expect_seal), name="audit", daemon=True)
        audit.thread.start()
        return audit

    def stop(self) -> None:
        """Give up the audit that is at work, and wait for its end."""
        if self._at_work is not None and self._at_work.thread is not None:
            self._at_work.abandoned.set()
            self._at_work.thread.join()

    async def stream(self, audit: _Audit) -> AsyncIterator[ServerSentEvent]:
        """Yield how far an audit is, and then what it found, as server-sent events."""
        told: tuple[str, int, int] | None = None
        try:
            yield ServerSentEvent(comment="begun")
            while not audit.done.is_set():
                if audit.progress is not None and audit.progress != told:
                    told = audit.progress
                    yield _event("progress", dict(zip(("what", "done", "of"), told, strict=True)))
                else:
                    yield ServerSentEvent(comment="still at work")  # so that whoever waits knows that the server lives
                await asyncio.sleep(_LOOK_SECONDS)
            yield self._end(audit)
        finally:
            audit.abandoned.set()

    def _end(self, audit: _Audit) -> ServerSentEvent:
        if audit.found is not None:
            return _event("report", _told_of(audit.found))
        _LOG.error("an audit failed: %r", audit.error)
        fallen = audit.error if isinstance(audit.error, ScidexError) else ScidexError(fact="the audit failed")
        return _event("failed", document_of(fallen))


def _told_of(found: AuditReport) -> dict[str, Any]:
    """Return what an audit found as JSON has it."""
    return {**found._asdict(), "ledger": found.ledger._asdict(), "seals": found.seals._asdict()}


def _event(name: str, told: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(event=name, data=told)
