"""The demo from beginning to end: a fresh market, a workload, a fleet, and a summary."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from scidex.demo.audits import AUDITS, LATER_AUDITS
from scidex.demo.console import Show
from scidex.demo.findings import write_summary
from scidex.demo.fleet import open_accounts, working_fleet
from scidex.demo.packages import installed_packages, parts_of
from scidex.demo.tally import Tally
from scidex.demo.workload import Workload
from scidex.exchange import backlog, compute_auction, token_ledger
from scidex.records import CycleReport
from scidex.store import Database
from scidex.web.market_up import clearing, served_market

# A new quest joins after so many rounds, or sooner where fewer bids than this leave little to compete for.
_ROUNDS_BETWEEN_QUESTS = 25
_FEW_BIDS = 80


@dataclass(frozen=True)
class DemoPlan:
    """How a demo is run; without a database address a fresh file in `directory` is used."""

    directory: Path = Path(".demo")
    database_url: str | None = None
    host: str = "127.0.0.1"
    port: int | None = None
    cycle_seconds: float = 1.0
    agents: int = 4
    # None runs until it is stopped.
    seconds: float | None = None
    most_packages: int = 40
    profile: str = "recommended"


def run_demo(
    plan: DemoPlan, stop: threading.Event, console: Console, out: Callable[[str], None] = print
) -> dict[str, Any]:
    """
    Run the demo until `stop` is set or its time is up; print a summary, then its facts as one line of JSON.

    Raises StoreError where the database cannot be used, PortInUse and its kin where the address cannot, and OSError
    where the directory cannot be written.
    """
    directory = _fresh(plan.directory)
    sources = installed_packages()
    workload = Workload.of(parts_of(sources, most_packages=plan.most_packages), sources)
    show = Show(console)
    url = plan.database_url or f"sqlite:///{directory / 'market.db'}"
    with served_market(url, host=plan.host, port=plan.port, profile=plan.profile) as market:
        stage = _Stage(plan, workload, show, market.db)
        accounts = stage.open()
        show.doors(dashboard=market.dashboard(), findings=str(directory / "findings"), seconds=plan.seconds)
        with (
            clearing(market.db, cycle_seconds=plan.cycle_seconds, on_cycle=stage.cycle_done),
            working_fleet(market.db, accounts, workload, directory, stage.tally.add_run),
        ):
            stop.wait(plan.seconds)
        facts = _facts(market.db, stage.tally, directory, show)
        wallets = _wallets(market.db)
    show.summary(stage.tally, wallets, facts, findings=str(directory / "findings.md"))
    out(json.dumps(facts))
    return facts


class _Stage:
    """What is on stage: the quests so far, and what was done for them."""

    def __init__(self, plan: DemoPlan, workload: Workload, show: Show, db: Database) -> None:
        self.tally = Tally()
        self._plan = plan
        self._workload = workload
        self._show = show
        self._db = db
        self._later = list(LATER_AUDITS)
        self._cycles = 0
        self._all_done = False

    def open(self) -> list[str]:
        """Open the accounts and the first quests, say so, and return the agents' accounts."""
        accounts = open_accounts(self._db, self._plan.agents)
        tasks = sum(self._workload.open_quest(audit, self._db) for audit in AUDITS)
        parts = self._workload.parts.values()
        self._show.welcome(
            packages=len({part.package for part in parts}),
            kilobytes=sum(part.source_bytes for part in parts) // 1_000,
            tasks=tasks,
            agents=len(accounts),
            cycle_seconds=self._plan.cycle_seconds,
        )
        return accounts

    def cycle_done(self, report: CycleReport) -> None:
        """Show a cycle, and bring on the next quest when it is time."""
        self._show.cycle(report, self.tally.since_last_asked())
        self._cycles += 1
        if self._later and self._wants_another(report):
            audit = self._later.pop(0)
            self._show.newcomer(audit, self._workload.open_quest(audit, self._db))
        elif not self._all_done and self._nothing_left():
            self._all_done = True
            self._show.all_done()

    def _wants_another(self, report: CycleReport) -> bool:
        few = report.error is None and report.bids_placed < _FEW_BIDS
        return few or self._cycles % _ROUNDS_BETWEEN_QUESTS == 0

    def _nothing_left(self) -> bool:
        unfinished = ("open", "blocked", "running")
        return not any(backlog.list_tasks(status=status, limit=1, db=self._db) for status in unfinished)


def _facts(db: Database, tally: Tally, directory: Path, show: Show) -> dict[str, Any]:
    books = token_ledger.verify(db)
    for problem in books.problems:
        show.problem(problem)
    total = tally.total
    stats = compute_auction.get_recent_stats(db=db)
    return {
        "rounds": stats["rounds"],
        "slots_sold": stats["slots_sold"],
        "tasks_run": total.tasks,
        "tasks_failed": total.failed,
        "last_price": stats["last_price_tokens"],
        "tokens_spent": total.paid_tokens,
        "cost_tokens": total.cost_tokens,
        "impact_usd": round(total.impact_usd, 2),
        "findings": write_summary(directory / "findings", directory / "findings.md"),
        "books_verified": books.ok,
        "directory": str(directory),
    }


def _wallets(db: Database) -> dict[str, int]:
    accounts = token_ledger.list_accounts(db=db)
    return {one.account_id: token_ledger.get_balance(one.account_id, db=db).balance for one in accounts}


def _fresh(root: Path) -> Path:
    """Make a directory of its own for a run. Raises OSError."""
    began = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    for number in range(1, 1_000):
        directory = root / (began if number == 1 else f"{began}-{number}")
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            continue
        return directory
    raise FileExistsError(f"{root} holds too many runs of this second")
