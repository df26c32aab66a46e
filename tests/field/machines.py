"""The machines of a simulated fleet: real agents, whose runs take simulated time, and that die and come back."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from scidex.agent.agent import Agent, AgentWork, Report
from scidex.agent.commands import same_command
from scidex.agent.evaluators import Impact
from scidex.agent.executors import CommandRun, RunResult
from scidex.agent.meters import PlainMeter, Usage
from scidex.agent.offers import Offers
from scidex.agent.workplace import Workplace
from scidex.errors import LeaseLost, WorkerLost
from scidex.market import Market
from scidex.records import Lease
from scidex.settings import TREASURY
from tests.field.clock import Clock
from tests.field.worlds import DAY_SECONDS, TaskSpec, WorkerSpec

LEASE_SECONDS = 600.0
_HEARTBEATS_A_LEASE = 3
# An agent looks by itself, beside what it hears of rounds.
_POLL_SECONDS = 30.0
_JUDGE = "evaluator:ci"

Saw = Callable[[str], None]


class _Fated:
    """Executor, meter and evaluator in one: what becomes of a run is known before it begins."""

    def __init__(self, fate_of: Callable[[str], TaskSpec | None]) -> None:
        self._fate_of = fate_of

    def run(self, run: CommandRun, stop: threading.Event | None = None) -> RunResult:
        """Say how a run ended that has taken its time."""
        fate = self._fate_of(run.command[0])
        seconds = 60.0 if fate is None else fate.run_seconds
        if stop is not None and stop.is_set():
            return RunResult.without_output("stopped", "stopped by the agent", seconds)
        if seconds > run.max_seconds:
            return RunResult.without_output("timed_out", f"took longer than {run.max_seconds:g} s", run.max_seconds)
        code = 1 if fate is not None and fate.ending == "fails" else 0
        return RunResult("exited", code, "done\n", "", 5, 0, seconds, f"exited with {code}")

    def judge(self, place: Workplace, result: RunResult) -> Impact:
        """Judge at once what is judged at once."""
        fate = self._fate_of(place.assignment.task_id)
        if fate is None or fate.judged != "at once":
            return Impact(None)
        return Impact(fate.worth_usd, _JUDGE)


class _TimeMeter(PlainMeter):
    """Knows what a run used by how long it took."""

    def read(self, place: Workplace, result: RunResult) -> Usage:
        return Usage(meter="time", provenance="reported", tokens=round(result.seconds))


class Machine:
    """A place for one agent after another: each works until it dies or leaves, and after a while the next one comes."""

    def __init__(
        self,
        spec: WorkerSpec,
        *,
        market: Market,
        clock: Clock,
        directory: Path,
        fate_of: Callable[[str], TaskSpec | None],
        on_start: Callable[[Lease], None],
        on_report: Callable[[Report], None],
        saw: Saw,
        seed: int,
    ) -> None:
        self.spec = spec
        self._market = market
        self._clock = clock
        self._fate_of = fate_of
        self._saw = saw
        self._chance = random.Random(f"{spec.account_id} {seed}")
        fated = _Fated(fate_of)
        self._work = AgentWork(
            same_command("{task_id}"),
            directory,
            executor=fated,
            meter=_TimeMeter(),
            evaluator=fated,
            keep_directories=False,
        )
        self._on_start = on_start
        self._on_report = on_report
        self._agents = 0
        self._agent: Agent | None = None
        self._runs: dict[int, Lease] = {}
        self._cut_off_until = clock.now()
        self.idle_since: datetime | None = None
        """Since when a seat of a living agent has had nothing to run."""

    # --- what the field asks

    @property
    def is_alive(self) -> bool:
        """Whether an agent is at work here."""
        return self._agent is not None

    @property
    def running(self) -> int:
        """The runs of the living agent."""
        return len(self._runs)

    # --- how it lives

    def begin(self) -> None:
        """Let an agent begin, and others after it."""
        self._agents += 1
        self._agent = agent = Agent(
            self.spec.account_id,
            self._work,
            market=self._market,
            pool=self.spec.pool,
            provider_id=self.spec.account_id if self.spec.is_third_party else TREASURY,
            seats=self.spec.seats,
            offers=Offers(self.spec.reserve_price_tokens, max_seconds=self.spec.max_run_seconds),
            worker_id=f"{self.spec.account_id}#{self._agents}",
            lease_seconds=LEASE_SECONDS,
            on_report=self._on_report,
        )
        self._runs = {}
        self.idle_since = self._clock.now()
        self._again(agent, LEASE_SECONDS / _HEARTBEATS_A_LEASE, self._beat)
        self._again(agent, _POLL_SECONDS, self.turn)
        ends = self._chance.expovariate(1 / (self.spec.days_between_deaths * DAY_SECONDS))
        self._clock.after(ends, lambda: self._end(agent))
        self.turn()

    def turn(self) -> None:
        """Let the agent take its turn: lease what there is, and offer what stays idle."""
        agent = self._agent
        if agent is None or self._is_cut_off:
            return
        try:
            for lease in agent.take():
                self._start(agent, lease)
        except (WorkerLost, LeaseLost):
            self._saw("a worker that was taken for lost")
        self._note_idle()

    def _start(self, agent: Agent, lease: Lease) -> None:
        assignment = lease.assignment
        self._runs[lease.fence] = lease
        self._on_start(lease)
        fate = self._fate_of(assignment.task_id)
        seconds = 60.0 if fate is None else fate.run_seconds
        limit = assignment.max_seconds or self._work.max_seconds
        self._clock.after(min(seconds, limit + 1), lambda: self._finish(agent, lease))

    def _finish(self, agent: Agent, lease: Lease) -> None:
        if self._agent is not agent:
            return
        if self._is_cut_off:  # its result waits until the market can be reached again
            self._clock.at(self._cut_off_until, lambda: self._finish(agent, lease))
            return
        report = agent.work_on(lease)
        if report is None:
            self._saw("a run given back or lost")
        agent.leave_seat(lease)
        del self._runs[lease.fence]
        self._note_idle()
        self.turn()

    def _beat(self) -> None:
        if self._agent is not None and not self._is_cut_off:
            self._agent._runs.check_in()

    def _end(self, agent: Agent) -> None:
        """Die without a word, leave in order, or lose the market for a while; the next agent comes some time later."""
        if self._agent is not agent:
            return
        how = self._chance.random()
        if how < 0.25:
            self._saw("an agent that was cut off from its market")
            self._cut_off_until = self._clock.now() + timedelta(seconds=self._chance.choice([60.0, 2 * LEASE_SECONDS]))
            self._clock.after(3 * LEASE_SECONDS, lambda: self._end(agent))
            return
        if how < 0.5:
            self._leave(agent)
        else:
            self._saw("an agent that died at work" if self._runs else "an agent that died idle")
        self._agent, self._runs, self.idle_since = None, {}, None
        self._clock.after(self._chance.choice([5.0, 120.0, 1_800.0]), self.begin)

    def _leave(self, agent: Agent) -> None:
        self._saw("an agent that left")
        agent._runs.end_all()
        for lease in list(self._runs.values()):
            if agent.work_on(lease) is None:
                self._saw("a run given back or lost")
            agent.leave_seat(lease)
        agent._leave()

    @property
    def _is_cut_off(self) -> bool:
        return self._clock.now() < self._cut_off_until

    def _again(self, agent: Agent, seconds: float, what: Callable[[], None]) -> None:
        def again() -> None:
            if self._agent is agent:
                what()
                self._clock.after(seconds, again)

        self._clock.after(seconds, again)

    def _note_idle(self) -> None:
        if len(self._runs) == self.spec.seats or self._is_cut_off:
            self.idle_since = None
        elif self.idle_since is None:
            self.idle_since = self._clock.now()
