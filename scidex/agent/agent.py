"""The agent's loop: offer idle slots, lease what they sold, run it, settle, and offer again."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from scidex.agent.commands import CommandFor, needs_of
from scidex.agent.endings import Ending, Window, ending_of, within_budget
from scidex.agent.evaluators import Evaluator, Impact, NoEvaluator
from scidex.agent.executors import CommandRun, Executor, RunResult
from scidex.agent.executors.local import LocalExecutor
from scidex.agent.held import HeldRun, HeldRuns
from scidex.agent.meters import Meter, Usage
from scidex.agent.meters.printed import PrintedMeter
from scidex.agent.meters.usage_file import UsageFileMeter
from scidex.agent.offers import Offers
from scidex.agent.provider_answers import retry_at_of
from scidex.agent.workplace import TRANSCRIPT_NAME, Workplace, read_text
from scidex.agent.worktrees import Worktrees
from scidex.errors import LeaseLost, MeterUnavailable, ScidexError, StoreError, WorkerLost, WorkerStopped
from scidex.exchange.runs import KEPT_CHARACTERS
from scidex.loops import Loop
from scidex.market import Market
from scidex.records import Assignment, Finished, Lease, SeenPullRequest
from scidex.settings import DEFAULT_POOL, TREASURY, Settings

_log = logging.getLogger(__name__)

# A result is paid for: it is told again until the market has taken it, each time after a longer wait.
_TELL_AGAIN_SECONDS = (0.1, 0.5, 2.0, 10.0, 30.0)

_MOST_PAUSE_SECONDS = 5.0
# Also how much longer it may take to stop.
_WAIT_FOR_ROUND_SECONDS = 2.0
_STOP_LOOK_SECONDS = 0.1
_CORRECT_SECONDS = 10.0
_MOST_NOTE_CHARACTERS = 300
_OUTPUT = ("ended", "exit_code", "output_bytes", "seconds")


@dataclass(frozen=True)
class Report:
    """One run, from its task to what became of it."""

    assignment: Assignment
    result: RunResult
    usage: Usage
    impact: Impact
    finished: Finished
    ending: Ending
    windows: tuple[Window, ...] = ()


@dataclass(frozen=True)
class AgentWork:
    """How an agent works: which command it runs, where, for how long, and who tells what it cost and was worth."""

    command_for: CommandFor
    directory: Path
    executor: Executor = field(default_factory=LocalExecutor)
    meter: Meter = field(default_factory=UsageFileMeter)
    evaluator: Evaluator = field(default_factory=NoEvaluator)
    # Whose word on success is set against an exit code of 0; without, the meter's is heard on what was refused.
    outcome: PrintedMeter | None = None
    # For a slot that came without a limit of its own.
    max_seconds: float = 3_600.0
    keep_directories: bool = True
    # Each run works in a checkout of its own, where there is a repository to check out.
    worktrees: Worktrees | None = None


class Agent:
    """
    One agent with `seats` places to work at, in one pool, under one account; to the market, one worker.

    It offers its idle seats for `provider_id`, which gets what they sell for. It leases the won slots that it may run
    before it asks for anything else: those that its account bought, and any that `provider_id` provides in its pool.
    What interrupts a run at the provider of models, such as a quota, pauses all workers that draw on the account there
    which `draws_on` names. `on_report` is called with every run that was settled, from the thread that ran it.
    """

    def __init__(
        self,
        agent_id: str,
        work: AgentWork,
        *,
        market: Market,
        pool: str = DEFAULT_POOL,
        seats: int = 1,
        offers: Offers | None = None,
        provider_id: str = TREASURY,
        draws_on: str = "",
        worker_id: str | None = None,
        lease_seconds: float = Settings.lease_seconds,
        poll_seconds: float = 1.0,
        stop_seconds: float = 10.0,
        on_report: Callable[[Report], None] | None = None,
    ) -> None:
        self.agent_id = agent_id
        self.worker_id = worker_id or new_worker_id(agent_id)
        self._work = work
        self._market = market
        self._pool = pool
        self._seats = seats
        self._offers = offers or Offers()
        self._provider_id = provider_id
        self._draws_on = draws_on
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        self._stop_seconds = stop_seconds
        self._on_report = on_report
        self._runs = HeldRuns(self.worker_id, self._market, lease_seconds)
        self._is_registered = False
        self._interrupted_at = float("-inf")
        # Set while it is not known whether the market granted a lease: the answer was lost.
        self._may_hold_more = False
        self._news = threading.Condition()
        self._known_round = 0
        self._loops = (
            Loop(f"news of {self.worker_id}", self._hear),
            Loop(f"bills of {self.worker_id}", self._correct, begins_after=_CORRECT_SECONDS),
        )

    def run(self, stop: threading.Event) -> None:
        """
        Work until `stop` is set; then take the slots off the market, and let runs end.

        Runs that do not end within `stop_seconds` are ended and given back. What the market refuses on the way is
        logged, and looked at again later. An interrupt ends all runs at once. Raises WorkerStopped where the market
        stopped this worker.
        """
        self._runs.start()
        for loop in self._loops:
            loop.start()
        with ThreadPoolExecutor(self._seats, thread_name_prefix=self.worker_id) as threads:
            try:
                self._take_turns(stop, threads)
                self._leave()
            finally:
                self._runs.end_all()
        for loop in self._loops:
            loop.stop()
        self._runs.stop()

    def end_now(self) -> None:
        """End all runs of an agent that was asked to stop, whatever time they were given; from another thread."""
        self._stop_seconds = 0.0
        self._runs.end_all()
        self._wake()

    def take(self) -> Iterator[Lease]:
        """
        Lease what there is to do, each for a seat, and keep one slot on offer for each seat that stays idle.

        Each lease is yielded as soon as it is granted, so that it is run whatever is refused after it.
        """
        self._register()
        yield from self._forgotten()
        idle = self._seats - len(self._runs)
        for ask in (self._market.lease_next, self._market.lease_task):
            while idle > 0 and (lease := self._leased(ask)) is not None:
                idle -= 1
                yield lease
        self._market.keep_offers(self.worker_id, max(0, idle), **vars(self._offers))

    def work_on(self, lease: Lease) -> Report | None:
        """Run a leased task's command, settle it, and return what came of it; None where it was given back or lost."""
        run = self._runs.get(lease)
        try:
            report = self._settled(run)
        except LeaseLost as refusal:
            run.lose(str(refusal))
            report = None
        except (MeterUnavailable, OSError) as refusal:
            # Nothing could begin here: that is for this machine's operator to mend, and no task's fault.
            self._give_back(run, Ending("machine", str(refusal)))
            return None
        except Exception as error:
            # Whatever went wrong with this run, its slot must not stay taken.
            _log.exception("%s: task %s came to no result", self.agent_id, lease.assignment.task_id)
            self._give_back(run, Ending("machine", f"the agent came to no result: {error}"))
            return None
        if report is not None and self._on_report is not None:
            self._on_report(report)
        return report

    def leave_seat(self, lease: Lease) -> None:
        """Free the seat of a lease that was worked on."""
        self._runs.drop(lease)
        self._wake()

    # -- taking ----------------------------------------------------------------------------------------------------

    def _take_turns(self, stop: threading.Event, threads: ThreadPoolExecutor) -> None:
        pause = self._poll_seconds
        while not stop.is_set():
            refused = True
            with self._patience():
                for lease in self.take():
                    threads.submit(self._at_a_seat, lease)
                refused = False
            # What refused a moment ago will most likely refuse again.
            pause = min(pause * 2, _MOST_PAUSE_SECONDS) if refused else self._poll_seconds
            self._wait(pause, stop)

    def _register(self) -> None:
        if self._runs.is_unknown.is_set():
            self._is_registered = False
        if not self._is_registered:
            self._runs.is_unknown.clear()
            self._market.register_worker(
                self.worker_id,
                self.agent_id,
                pool=self._pool,
                seats=self._seats,
                lease_seconds=self._lease_seconds,
                provider_id=self._provider_id,
                draws_on=self._draws_on,
            )
            self._is_registered = True

    def _leased(self, ask: Callable[[str], Lease | None]) -> Lease | None:
        asked_at = time.monotonic()
        try:
            lease = ask(self.worker_id)
        except WorkerLost:
            self._is_registered = False
            raise
        except StoreError:
            self._may_hold_more = True
            raise
        if lease is not None:
            self._runs.add(lease, asked_at)
        return lease

    def _forgotten(self) -> Iterator[Lease]:
        """Take up what was leased to this worker in an answer that never came."""
        if not self._may_hold_more:
            return
        asked_at = time.monotonic()
        held = self._market.held_by(self.worker_id)
        self._may_hold_more = False
        for lease in held:
            if lease.fence not in self._runs:
                self._runs.add(lease, asked_at - lease.lease_seconds / 2)
                yield lease
        self._runs.check_in()

    # -- working ---------------------------------------------------------------------------------------------------

    def _at_a_seat(self, lease: Lease) -> None:
        try:
            with self._patience():
                self.work_on(lease)
        finally:
            self.leave_seat(lease)

    def _settled(self, run: HeldRun) -> Report | None:
        assignment = run.lease.assignment
        place = Workplace.prepare(self._work.directory, assignment, self._work.worktrees)
        self._note_step(run, "started")
        with self._work.meter.watching(place, self._limit_of(assignment)) as told:
            result, ending, windows = self._ended(place, self._work.executor.run(self._run_of(place, told), run.end))
            self._record_output(place, result)
            if run.is_lost or ending.kind == "interrupted":
                self._leave_unsettled(run, place, result, ending)
                return None
            self._note_step(run, "exited", result.reason)
            usage = self._work.meter.read(place, result)
        self._note_step(run, "metered", _cost(usage))
        self._keep_output(place, result)
        impact = self._judged(place, result)
        if impact.pull_request is not None:
            impact = self._counted_once(assignment, impact, impact.pull_request)
        self._tidy(place, succeeded=result.succeeded)
        finished = self._tell(run, result, usage, impact, ending)
        return Report(assignment, result, usage, impact, finished, ending, windows)

    def _ended(self, place: Workplace, result: RunResult) -> tuple[RunResult, Ending, tuple[Window, ...]]:
        """Return a run's result with what its program says of it, the class of its end, and its provider's windows."""
        outcome = self._work.outcome
        word = (outcome or self._work.meter).word(place, result)
        # What we did not keep is not the program's silence.
        is_heeded = outcome is not None and (word.ending is not None or not outcome.is_cut(place, result))
        said = None if word.ending is None else within_budget(word.ending, self._work.meter.most_usd)
        ending = ending_of(result, said, is_heeded=is_heeded, retry_at=_retry_at(place))
        if ending.kind == "succeeded" or ending.detail == result.reason:
            return result, ending, word.windows
        if result.succeeded:
            result = replace(result, objection=str(ending), reason=f"{result.reason}, but {ending}")
        else:
            result = replace(result, reason=f"{result.reason}: {ending}")
        return result, ending, word.windows

    def _judged(self, place: Workplace, result: RunResult) -> Impact:
        """Return what a run was worth: nothing where it failed and somebody judges."""
        evaluator = self._work.evaluator
        attester_id = getattr(evaluator, "attester_id", None)
        if not result.succeeded:
            return Impact(None) if attester_id is None else Impact(0.0, attester_id)
        impact = evaluator.judge(place, result)
        # Who may still say it is named, so that the run counts as open for as long as that one takes.
        return replace(impact, attested_by=attester_id) if impact.usd is None else impact

    def _leave_unsettled(self, run: HeldRun, place: Workplace, result: RunResult, ending: Ending) -> None:
        """Give a run back that was interrupted, and keep what it used all the same."""
        if not run.is_lost:
            self._give_back(run, ending)
        usage = self._work.meter.read(place, result)
        self._keep_output(place, result)
        with self._patience():
            self._market.record_usage(place.assignment.assignment_id, usage)
        self._tidy(place, succeeded=False)

    def _tidy(self, place: Workplace, *, succeeded: bool) -> None:
        """Remove what need not be kept of a run's worktree and directory."""
        try:
            if place.tree is not None and self._work.worktrees is not None:
                kept = not self._work.worktrees.leave(place.tree, succeeded=succeeded)
                if kept:
                    _log.warning("task %s: kept in %s", place.assignment.task_id, place.tree.path)
                    return
        except OSError as error:
            _log.warning("task %s: its worktree is kept: %s", place.assignment.task_id, error)
            return
        if not self._work.keep_directories:
            place.discard()

    def _counted_once(self, assignment: Assignment, impact: Impact, seen: SeenPullRequest) -> Impact:
        """Keep a run's pull request; its impact is that of the run that named it first, and of no other."""
        with self._patience():
            kept = self._market.record_pull_request(assignment.assignment_id, seen)
            if kept.counts_for == assignment.assignment_id:
                return impact
        note = "; ".join((impact.note, "its pull request counts for another run, or could not be kept"))
        return Impact(None, note=note, pull_request=seen)

    def _record_output(self, place: Workplace, result: RunResult) -> None:
        output = {name: getattr(result, name) for name in _OUTPUT}
        last = {name: getattr(result, name)[-KEPT_CHARACTERS:] for name in ("stdout", "stderr")}
        with self._patience():
            told = {**output, **last, "reason": _line(result.reason)}
            self._market.record_output(place.assignment.assignment_id, told)

    def _keep_output(self, place: Workplace, result: RunResult) -> None:
        try:
            place.keep_output(result)
        except OSError as error:
            _log.warning("%s: the output of task %s is not kept: %s", self.agent_id, place.assignment.task_id, error)

    def _limit_of(self, assignment: Assignment) -> float:
        return self._work.max_seconds if assignment.max_seconds is None else assignment.max_seconds

    def _run_of(self, place: Workplace, told: Mapping[str, str]) -> CommandRun:
        environment = {**place.environment(), **told}
        assignment = place.assignment
        command, needs = self._work.command_for(assignment), needs_of(assignment)
        return CommandRun(
            command, place.directory, self._limit_of(assignment), environment, needs, TRANSCRIPT_NAME, place.works_in
        )

    def _note_step(self, run: HeldRun, step: str, note: str = "") -> None:
        """Note how far a run has come; nothing hangs on it, but that the lease stands. Raises LeaseLost."""
        try:
            self._market.note_step(run.lease.fence, step, _line(note))
        except LeaseLost:
            raise
        except ScidexError as refusal:
            _log.warning("%s: %s", self.agent_id, refusal)

    def _tell(self, run: HeldRun, result: RunResult, usage: Usage, impact: Impact, ending: Ending) -> Finished:
        for seconds in (*_TELL_AGAIN_SECONDS, None):
            try:
                return self._market.finish(
                    run.lease,
                    succeeded=result.succeeded,
                    usage=usage,
                    actual_impact=impact.usd,
                    attested_by=impact.attested_by,
                    note=_note(result, usage, impact),
                    cause=ending.reason,
                )
            except StoreError:
                if seconds is None or run.end.wait(seconds):
                    raise
        raise AssertionError("the last attempt returns or raises")

    # -- leaving ---------------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        if self._is_registered:
            with self._patience():
                self._market.stop_worker(self.worker_id)
        with self._news:
            self._news.wait_for(lambda: not len(self._runs), timeout=self._stop_seconds)

    def _give_back(self, run: HeldRun, ending: Ending) -> None:
        # Runs that were under way when one was interrupted mostly are so by the same, which is said already.
        if run.began_at > self._interrupted_at:
            self._interrupted_at = time.monotonic()
            again = "" if ending.retry_at is None else f"; again at {ending.retry_at:%Y-%m-%d %H:%M:%S} UTC"
            _log.warning("%s: a run was interrupted: %s%s", self.agent_id, ending, again)
        with self._patience():
            self._market.give_back(run.lease, _line(str(ending)), cause=ending.reason, retry_at=ending.retry_at)

    # -- news ------------------------------------------------------------------------------------------------------

    def _hear(self) -> float:
        """Wait for a round to clear, and wake who offers and leases."""
        heard = self._market.wait_for_round(self._pool, self._known_round, _WAIT_FOR_ROUND_SECONDS)
        if heard != self._known_round:
            self._known_round = heard
            self._wake()
        return 0.0

    def _correct(self) -> float:
        """Keep what is learnt of the cost of runs after they were settled."""
        for run_id, usage in self._work.meter.corrections():
            with self._patience():
                self._market.record_usage(run_id, usage)
        return _CORRECT_SECONDS

    def _wait(self, seconds: float, stop: threading.Event) -> None:
        """Wait for news, a free seat or the next look; a stop is noticed within a moment."""
        ends = time.monotonic() + seconds
        with self._news:
            woken = False
            while not woken and not stop.is_set() and (left := ends - time.monotonic()) > 0:
                woken = self._news.wait(min(left, _STOP_LOOK_SECONDS))

    def _wake(self) -> None:
        with self._news:
            self._news.notify_all()

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Log what the market refuses, and go on."""
        try:
            yield
        except WorkerStopped:
            raise
        except ScidexError as refusal:
            _log.warning("%s: %s", self.agent_id, refusal)


def new_worker_id(agent_id: str) -> str:
    """Return an id that no other process has: the account, the machine and the process, for people, and chance."""
    place = "".join(c if c.isalnum() or c in "-." else "-" for c in socket.gethostname())[:60]
    return f"{agent_id[:80]}@{place}:{os.getpid()}:{secrets.token_hex(4)}"


def _retry_at(place: Workplace) -> datetime | None:
    try:
        return retry_at_of(read_text(place.retry_at_file), datetime.now(UTC))
    except (OSError, ValueError):
        return None


def _note(result: RunResult, usage: Usage, impact: Impact) -> str:
    return _line("; ".join(filter(None, (result.reason, _cost(usage), usage.note, impact.note))))


def _cost(usage: Usage) -> str:
    return f"cost {usage.provenance}" if usage.provenance != "none" else "cost not known"


def _line(text: str) -> str:
    """A text as the market takes it: one printable line of bounded length."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return printable[:_MOST_NOTE_CHARACTERS]
