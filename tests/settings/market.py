"""A market that is set by the command line and told its time, for trying one setting at another value."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from typer.testing import CliRunner

from scidex.cli.app import app
from scidex.exchange import backlog, compute_auction, cycle, ev_scorer, services, token_ledger
from scidex.records import Clear, CycleReport, Finished
from scidex.store import Database
from tests.backlogs import JUDGE
from tests.market import NOON, after

BIG = 10**7
QUEST = "q1"
WALLET = f"quest:{QUEST}"
POOL = "scidex-agent"


class Market:
    """One pool and one quest with a large wallet; nothing else happens but what a story lets happen."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.tasks = 0
        token_ledger.create_account(JUDGE, kind="evaluator", now=NOON, db=db)
        self.quest()

    # --- by the command line

    def run(self, *words: str) -> Any:
        """Run `scidex` on this market, and return what it answers as JSON."""
        ended = CliRunner().invoke(app, [*words, "--db", self.db.url, "--json"], catch_exceptions=False)
        assert ended.exit_code == 0, ended.output
        return json.loads(ended.stdout)

    def set(self, profile: str = "brief", **values: Any) -> None:
        """Set the pool to a profile and to some values of its own."""
        pairs = [word for name, value in values.items() for word in ("--set", f"{name}={_word(value)}")]
        self.run("pool", "set", POOL, "--profile", profile, *pairs)

    # --- by the verbs, at a time

    def quest(self, quest_id: str = QUEST, tokens: int = BIG, **terms: Any) -> None:
        """Add a quest with so many tokens."""
        backlog.add_quest(quest_id, **{"now": NOON, **terms}, db=self.db)
        self.grant(tokens, quest_id)

    def grant(self, tokens: int, quest_id: str = QUEST) -> None:
        """Give a quest tokens."""
        if tokens:
            token_ledger.mint(f"quest:{quest_id}", tokens, now=NOON, db=self.db)

    def task(self, usd: float = 10.0, quest_id: str = QUEST, **terms: Any) -> str:
        """Add a task that claims to be worth so many USD."""
        self.tasks += 1
        task_id = f"t{self.tasks}"
        backlog.add_task(task_id, quest_id, expected_value_usd=usd, **{"now": NOON, **terms}, db=self.db)
        return task_id

    def bids(self, at: datetime = NOON) -> list[int]:
        """Let quests bid for their backlogs; return their bids, the highest first."""
        placed = ev_scorer.submit_bids_for_tasks(at, None, pool=POOL, db=self.db)
        return sorted((one.max_price_tokens for one in placed), reverse=True)

    def cycle(self, at: datetime = NOON, *, slots: int = 1, **offer: Any) -> CycleReport:
        """Offer slots of the treasury's, and do a cycle."""
        if slots:
            compute_auction.offer_slots(slots, **{"now": at, **offer}, db=self.db)
        report = cycle.run_cycle(POOL, at, db=self.db)
        assert report.error is None, report.error
        return report

    def finish(self, clear: Clear, impact: float | None = None, at: datetime = NOON, cost: int = 100) -> Finished:
        """Run what a slot was sold for, and let it be judged."""
        [work] = [one for one in services.won_slots(clear.bidder_id, db=self.db) if one.assignment_id == clear.slot_id]
        services.start(work, now=at, db=self.db)
        judged = {} if impact is None else {"actual_impact": impact, "attested_by": JUDGE}
        return services.finish(work, succeeded=True, actual_cost_tokens=cost, **judged, now=at, db=self.db)

    def record(self, *, claimed: float, realised: float, runs: int, quest_id: str = QUEST, minute: float = 0) -> None:
        """Let a quest have a record of runs that were judged."""
        for run in range(runs):
            at = after(minute + run)
            self.task(claimed, quest_id, now=at)
            [clear] = self.cycle(at).round.clears
            self.finish(clear, realised, at)

    def income(self, at: datetime) -> int:
        """Do a cycle without slots, and return what it paid."""
        return self.cycle(at, slots=0).income_tokens

    def balance(self, account_id: str = WALLET) -> int:
        """Return what an account has."""
        return token_ledger.get_balance(account_id, db=self.db).balance


def day(number: float) -> datetime:
    """Return noon of a later day."""
    return NOON + timedelta(days=number)


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
