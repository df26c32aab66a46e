"""Why a quest cannot bid: its fact, and the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from scidex.exchange.book import pools as books
from scidex.exchange.ledger.wallets import Wallet
from scidex.exchange.quests.wishes import Plan, Planner
from scidex.records import QuestTrouble
from scidex.store.database import Row, Transaction


class Trouble(NamedTuple):
    """What keeps a quest from bidding, in a word and in a sentence, and what to do."""

    reason: str
    fact: str
    remedy: str


def find(tx: Transaction, now: datetime, *, tokens_per_usd: int, cycle_seconds: float) -> list[QuestTrouble]:
    """Return every active quest that has work, no bid for it in a book, and none that it could place now."""
    quests = tx.rows("quests_without_bids", now=now)
    plan = _plan(tx, now, quests, tokens_per_usd, cycle_seconds)
    told = ((quest, _trouble(quest, plan)) for quest in quests)
    return [
        QuestTrouble(quest["quest_id"], quest["account_id"], *trouble) for quest, trouble in told if trouble is not None
    ]


def _plan(tx: Transaction, now: datetime, quests: Sequence[Row], tokens_per_usd: int, cycle_seconds: float) -> Plan:
    names = {quest["quest_id"] for quest in quests}
    tasks = [task for task in tx.rows("tasks_to_bid_for", now=now) if task["quest_id"] in names]
    planner = Planner(
        tx,
        now,
        tasks=tasks,
        wallets=_wallets(quests),
        markets=books.markets_by_name(tx.rows("all_pools")),
        # A strategy that is named for all adapts nothing, and reads what pacing came to.
        strategy=None,
        tokens_per_usd=tokens_per_usd,
        cycle_seconds=cycle_seconds,
    )
    return planner.plan()


def _wallets(quests: Sequence[Row]) -> Mapping[str, Wallet]:
    """Return wallets as they stand, unlocked, since nothing is written."""
    return {
        one["account_id"]: Wallet(one["account_id"], "quest", "", one["balance_tokens"], one["held_tokens"], entries=0)
        for one in quests
    }


def _trouble(quest: Row, plan: Plan) -> Trouble | None:
    """Return what keeps a quest from bidding, the first of what may."""
    return next(filter(None, _troubles(quest, plan)), None)


def _troubles(quest: Row, plan: Plan) -> Iterator[Trouble | None]:
    name, account = quest["quest_id"], quest["account_id"]
    balance, held = quest["balance_tokens"], quest["held_tokens"]
    if name in plan.faults:
        fact = f"its bids cannot be planned: {plan.faults[name]}"
        yield Trouble("cannot_be_planned", fact, f"try another strategy: scidex quest set {name} --strategy clamp")
    if not quest["open_tasks"]:
        fact = f"none of its {quest['tasks']:,} tasks is open: they wait for others, or are held"
        remedy = f"see what they wait for: scidex task list --quest {name}"
        yield None if quest["running_tasks"] else Trouble("no_open_task", fact, remedy)
        return
    if not quest["best_usd"]:
        fact = f"none of its {quest['open_tasks']:,} open tasks is worth anything"
        yield Trouble("no_value", fact, "say what they are worth in USD: import them again with --values, or set them")
    if not balance:
        fact = f"its wallet {account} is empty"
        yield Trouble("empty_wallet", fact, "grant it tokens, or wait for the income of the next UTC day")
    if held >= balance:
        fact = f"all {balance:,} tokens of its wallet {account} are set aside for slots it won and for other bids"
        yield Trouble("tokens_set_aside", fact, f"settle or void those slots, or cancel bids: scidex wallet {account}")
    if not any(wish.price for wish in plan.wishes if wish.account_id == account):
        fact = f"a bid for its best task comes to less than a token, with {balance:,} in its wallet {account}"
        yield Trouble("less_than_a_token", fact, "grant it tokens, or say that its tasks are worth more")
