"""Remembers how far the running totals of sessions had come, so that a resumed one is charged once."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from scidex.agent.meters.said import AgentSession, Totals

_log = logging.getLogger(__name__)


def _folder() -> Path:
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "scidex" / "sessions"


@dataclass(frozen=True)
class SessionBook:
    """
    A small file for each session, in the folder of this user's state: that is whose machine a session is resumed on.

    It holds the total before the last run that used the session, and after it: a run that is read twice gets the same
    answer. Where nothing can be kept there, a resumed session is charged as a new one, and the log says so.
    """

    folder: Path = field(default_factory=_folder)

    def before(self, meter: str, sessions: Iterable[AgentSession], run_id: str) -> dict[str, Totals]:
        """Return the totals of sessions at the end of earlier runs."""
        found = {}
        for session in sessions:
            known = self._read(meter, session.session_id)
            if session.session_id and known is not None:
                last_run, before, after = known
                found[session.session_id] = before if last_run == run_id else after
        return found

    def keep(self, meter: str, sessions: Iterable[AgentSession], run_id: str, before: dict[str, Totals]) -> None:
        """Keep the totals of sessions at the end of a run."""
        for session in sessions:
            if session.session_id and not session.total.is_empty:
                earlier = before.get(session.session_id, Totals())
                self._write(meter, session.session_id, [run_id, earlier, session.total])

    def _file(self, meter: str, session_id: str) -> Path:
        name = hashlib.sha256(f"{meter}\n{session_id}".encode(errors="surrogatepass")).hexdigest()
        return self.folder / f"{name[:40]}.json"

    def _read(self, meter: str, session_id: str) -> tuple[str, Totals, Totals] | None:
        try:
            run_id, *totals = json.loads(self._file(meter, session_id).read_text())
            before, after = (Totals(*total) for total in totals)
        except (OSError, ValueError, TypeError):
            return None
        return str(run_id), before, after

    def _write(self, meter: str, session_id: str, told: object) -> None:
        file = self._file(meter, session_id)
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            part = file.with_suffix(f".{os.getpid()}")
            part.write_text(json.dumps(told))
            part.replace(file)
        except OSError as error:
            _log.warning("a session's total could not be kept, so it will be charged again when resumed: %s", error)
