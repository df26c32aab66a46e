"""The demo's agents: each on a thread of its own, running ruff, and learning what packages give."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scidex.agent.agent import Agent, AgentWork, Report
from scidex.demo.audits import BY_QUEST, expected_usd
from scidex.demo.findings import Desk
from scidex.demo.workload import Workload
from scidex.exchange import backlog, token_ledger
from scidex.market.embedded import EmbeddedMarket
from scidex.store import Database

NAMES = ("ada", "barbara", "edsger", "grace", "alan", "donald", "frances", "niklaus")
EVALUATOR = "evaluator:desk"
_MOST_SECONDS = 30.0


class Past:
    """What each package gave to each audit so far: it corrects what is expected of the package's next part."""

    def __init__(self, workload: Workload, db: Database) -> None:
        self._workload = workload
        self._db = db
        self._found_usd: dict[tuple[str, str], float] = defaultdict(float)
        self._read_bytes: dict[tuple[str, str], int] = defaultdict(int)
        self._lock = threading.Lock()

    def learn(self, report: Report) -> None:
        """Take in a run, and expect of the task that waited for it what is likelier now."""
        task_id = report.assignment.task_id
        following = self._workload.next_task(task_id)
        if report.impact.usd is None or not report.result.succeeded or following is None:
            return
        audit, part = BY_QUEST[str(report.assignment.quest_id)], self._workload.part_of(task_id)
        place = (audit.quest_id, part.package)
        with self._lock:
            self._found_usd[place] += report.impact.usd
            self._read_bytes[place] += part.source_bytes
            found_usd, read_bytes = self._found_usd[place], self._read_bytes[place]
        next_id, next_part = following
        likelier = expected_usd(audit, next_part.source_bytes, found_usd=found_usd, read_bytes=read_bytes)
        task = {"task_id": next_id, "quest_id": audit.quest_id, "expected_value_usd": likelier}
        backlog.put_tasks([task], db=self._db)


def open_accounts(db: Database, agents: int) -> list[str]:
    """Open the evaluator's account and one for each agent; return the agents'."""
    token_ledger.create_account(EVALUATOR, kind="evaluator", owner_id="operator", db=db)
    accounts = [f"worker:{name}" for name in NAMES[:agents]]
    for account_id in accounts:
        token_ledger.create_account(account_id, kind="worker", owner_id="fleet", db=db)
    return accounts


@contextmanager
def working_fleet(
    db: Database,
    accounts: list[str],
    workload: Workload,
    directory: Path,
    on_report: Callable[[Report], None],
) -> Iterator[None]:
    """Let an agent work for each account while the block runs."""
    past = Past(workload, db)

    def heard(report: Report) -> None:
        on_report(report)
        past.learn(report)

    work = AgentWork(
        command_for=workload.command_for,
        directory=directory / "runs",
        meter=workload,
        evaluator=Desk(directory / "findings", EVALUATOR, workload.sources),
        max_seconds=_MOST_SECONDS,
        keep_directories=False,
    )
    stop = threading.Event()
    agents = [Agent(account_id, work, market=EmbeddedMarket(db), on_report=heard) for account_id in accounts]
    threads = [threading.Thread(target=agent.run, args=(stop,), name=agent.agent_id) for agent in agents]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
