"""The agent's loop: offer idle slots, take what they sold, run it, settle, and offer again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from scidex.agent.commands import CommandFor
from scidex.agent.evaluators import Evaluator, Impact, NoEvaluator
from scidex.agent.executors import Executor, Run, RunResult
from scidex.agent.executors.local import LocalExecutor
from scidex.agent.meters import Meter, Usage
from scidex.agent.meters.usage_file import UsageFileMeter
from scidex.agent.offers import Offers
from scidex.agent.workplace import Workplace
from scidex.clock import utc_now
from scidex.errors import AlreadyStarted, AssignmentGivenBack, ScidexError, SlotVoided, StoreError, TaskNotOpen
from scidex.exchange import services
from scidex.exchange.records import Assignment, Finished
from scidex.settings import DEFAULT_POOL
from scidex.store import Database

_log = logging.getLogger(__name__)

# A result is paid for: it is told again until the database has taken it, each time after a longer wait.
_TELL_AGAIN_SECONDS = (0.1, 0.5, 2.0, 10.0, 30.0)

_MOST_PAUSE_SECONDS = 5.0
_MOST_NOTE_CHARACTERS = 300


@dataclass(frozen=True)
class Report:
    """One run, from its task to what became of it."""

    assignment: Assignment
    result: RunResult
    usage: Usage
    impact: Impact
    finished: Finished


@dataclass(frozen=True)
class Work:
    """How an agent works: which command it runs, where, for how long, and who tells what it cost and was worth."""

    command_for: CommandFor
    directory: Path
    executor: Executor = field(default_factory=LocalExecutor)
    meter: Meter = field(default_factory=UsageFileMeter)
    evaluator: Evaluator = field(default_factory=NoEvaluator)
    # For a slot that came without a limit of its own.
    max_seconds: float = 3_600.0
    keep_directories: bool = True


class Agent:
    """
    One agent with `seats` places to work at, in one pool, under one account.

    It reads the won slots that it bought or provides before it asks for anything else. `on_report` is told of every run
    that was settled, from the thread that ran it.
    """

    def __init__(
        self,
        agent_id: str,
        work: Work,
        *,
        db: Database,
        pool: str = DEFAULT_POOL,
        seats: int = 1,
        offers: Offers | None = None,
        poll_seconds: float = 0.2,
        stop_seconds: float = 10.0,
        on_report: Callable[[Report], None] | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.agent_id = agent_id
        self._work = work
        self._db = db
        self._pool = pool
        self._seats = seats
        self._offers = offers or Offers(agent_id, pool=pool, db=db)
        self._poll_seconds = poll_seconds
        self._stop_seconds = stop_seconds
        self._on_report = on_report
        self._clock = clock
        self._busy: set[str] = set()
        self._news = threading.Condition()
        self._end_runs = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """
        Work until `stop` is set; then withdraw what is unsold, give back what was not begun, and let runs end.

        Runs that do not end within `stop_seconds` are ended and given back. What the market refuses on the way is
        logged, and looked at again later.
        """
        with ThreadPoolExecutor(self._seats, thread_name_prefix=self.agent_id) as threads:
            try:
                pause = self._poll_seconds
                while not stop.is_set():
                    refused = True
                    with self._patience():
                        for assignment in self.take():
                            threads.submit(self._at_a_seat, assignment)
                        refused = False
                    # What refused a moment ago will most likely refuse again.
                    pause = min(pause * 2, _MOST_PAUSE_SECONDS) if refused else self._poll_seconds
                    self._wait(pause)
            finally:
                self._leave()

    def take(self) -> Iterator[Assignment]:
        """
        Start what there is to do, each at a seat, and keep one slot on offer for each seat that stays idle.

        Each assignment is yielded as soon as it is started, so that it is run whatever is refused after it.
        """
        idle = self._seats - len(self._busy)
        # Asked before the sales are read: a slot sold in between then counts twice and is offered late, never twice.
        on_offer = self._offers.open_slots()
        won = [one for one in services.won_slots(self.agent_id, db=self._db) if one.assignment_id not in self._busy]
        waiting = len(won)
        for assignment in won[:idle]:
            if self._started(assignment):
                idle, waiting = idle - 1, waiting - 1
                yield assignment
        while idle and not waiting and (given := self._unsold()) is not None:
            idle -= 1
            yield given
        self._offers.keep(idle - waiting, on_offer)

    def work_on(self, assignment: Assignment) -> Report | None:
        """Run a started task's command, settle it, and return what came of it; None where it was given back."""
        try:
            report = self._settled(assignment)
        except Exception as error:
            # Whatever went wrong with this run, its slot must not stay taken.
            _log.exception("%s: task %s came to no result", self.agent_id, assignment.task_id)
            self._give_back(assignment, _line(f"the agent came to no result: {error}"))
            return None
        if report is not None and self._on_report is not None:
            self._on_report(report)
        return report

    def leave_seat(self, assignment: Assignment) -> None:
        """Free the seat of an assignment that was worked on."""
        with self._news:
            self._busy.discard(assignment.assignment_id)
            self._news.notify_all()

    # -- taking ----------------------------------------------------------------------------------------------------

    def _unsold(self) -> Assignment | None:
        given = services.next_task(self.agent_id, self._clock(), pool=self._pool, db=self._db)
        return given if given is not None and self._started(given) else None

    def _started(self, assignment: Assignment) -> bool:
        try:
            services.start(assignment, now=self._clock(), db=self._db)
        except TaskNotOpen as refusal:
            # Its task runs elsewhere or has ended: the tokens go back, and the seat is free for other work.
            self._give_back(assignment, _line(str(refusal)))
            return False
        except (AlreadyStarted, AssignmentGivenBack, SlotVoided):
            return False
        self._busy.add(assignment.assignment_id)
        return True

    # -- working ---------------------------------------------------------------------------------------------------

    def _at_a_seat(self, assignment: Assignment) -> None:
        try:
            with self._patience():
                self.work_on(assignment)
        finally:
            self.leave_seat(assignment)

    def _settled(self, assignment: Assignment) -> Report | None:
        place = Workplace.prepare(self._work.directory, assignment)
        result = self._work.executor.run(self._run_of(place), self._end_runs)
        if result.ended == "stopped":
            self._give_back(assignment, result.reason)
            return None
        usage = self._work.meter.read(place, result)
        impact = self._work.evaluator.judge(place, result) if result.succeeded else Impact(0.0)
        if not self._work.keep_directories:
            place.discard()
        finished = self._tell(assignment, result, usage, impact)
        return Report(assignment, result, usage, impact, finished)

    def _run_of(self, place: Workplace) -> Run:
        assignment = place.assignment
        limit = self._work.max_seconds if assignment.max_seconds is None else assignment.max_seconds
        return Run(self._work.command_for(assignment), place.directory, limit, place.environment())

    def _tell(self, assignment: Assignment, result: RunResult, usage: Usage, impact: Impact) -> Finished:
        for seconds in (*_TELL_AGAIN_SECONDS, None):
            try:
                return services.finish(
                    assignment,
                    succeeded=result.succeeded,
                    actual_cost_tokens=usage.tokens,
                    actual_impact=impact.usd,
                    attested_by=impact.attested_by,
                    note=_note(result, usage, impact),
                    now=self._clock(),
                    db=self._db,
                )
            except StoreError:
                if seconds is None or self._end_runs.wait(seconds):
                    raise
        raise AssertionError("the last attempt returns or raises")

    # -- leaving ---------------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        with self._patience():
            self._offers.withdraw_all()
            for assignment in services.won_slots(self.agent_id, db=self._db):
                if assignment.assignment_id not in self._busy:
                    self._give_back(assignment, "the agent stops")
        with self._news:
            self._news.wait_for(lambda: not self._busy, timeout=self._stop_seconds)
        self._end_runs.set()

    def _give_back(self, assignment: Assignment, reason: str) -> None:
        with self._patience():
            services.give_back(assignment, reason=reason, now=self._clock(), db=self._db)

    def _wait(self, seconds: float) -> None:
        """Wait until a seat is free again or the next look is due."""
        with self._news:
            self._news.wait(seconds)

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Log what the market refuses, and go on."""
        try:
            yield
        except ScidexError as refusal:
            _log.warning("%s: %s", self.agent_id, refusal)


def _note(result: RunResult, usage: Usage, impact: Impact) -> str:
    cost = f"cost {usage.provenance}" if usage.provenance != "none" else "cost not known"
    return _line("; ".join(filter(None, (result.reason, cost, usage.note, impact.note))))


def _line(text: str) -> str:
    """A text as the market takes it: one printable line of bounded length."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return printable[:_MOST_NOTE_CHARACTERS]
