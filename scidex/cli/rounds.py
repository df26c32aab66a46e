"""Commands that read what rounds decided: rounds, the slots they sold, and the bids in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from scidex.cli.bidding import CLEARS, in_words, number_of
from scidex.cli.commands import command
from scidex.cli.options import POOL, LimitOption, PoolOption
from scidex.cli.session import Session

if TYPE_CHECKING:
    from scidex.records import Bid

_ROUNDS = ("round_id", "cleared_at", "slots", "bids", "sold", "clearing_price_tokens", "mechanism")
_CLEARS = (
    "slot_id",
    "winning_task_id",
    "status",
    "clearing_price_tokens",
    "actual_cost_tokens",
    "actual_impact",
    "roi",
    "bidder_id",
    "round_id",
)
_BIDS = ("id", "task_id", "bidder_id", "max_price_tokens", "status", "round_id", "reason", "placed_at")


@command("scidex rounds --limit 5", "scidex rounds 17")
def rounds(
    session: Session,
    round_id: Annotated[str | None, typer.Argument(help="One round, with what it sold.", show_default=False)] = None,
    pool: PoolOption = POOL,
    limit: LimitOption = 20,
) -> None:
    """List a pool's rounds, newest first, or show one with the slots that it sold."""
    if round_id is None:
        found = session.market.list_rounds(pool=pool, limit=limit)
        session.table(found, _ROUNDS, empty="No round was held yet. See what one would sell: scidex clear --dry-run")
        return
    one = session.market.get_round(number_of(round_id))
    session.show(one, in_words(one, dry_run=False))
    if not session.as_json:
        session.table(one.clears, CLEARS)


@command("scidex clears --limit 5")
def clears(session: Session, pool: PoolOption = POOL, limit: LimitOption = 20) -> None:
    """List the slots that a pool sold, newest first, and what came of them."""
    session.table(session.market.list_clears(pool=pool, limit=limit), _CLEARS, empty="No slot was sold yet.")


@command("scidex bids --as agent:ada", "scidex bids --task write", "scidex bids --round 17")
def bids(
    session: Session,
    bidder: Annotated[str | None, typer.Option("--as", help="Open bids of this account.", show_default=False)] = None,
    task: Annotated[str | None, typer.Option(help="Bids for this task, newest first.", show_default=False)] = None,
    quest: Annotated[str | None, typer.Option(help="Open bids of this quest.", show_default=False)] = None,
    round_id: Annotated[
        str | None, typer.Option("--round", help="Bids that competed in this round, best first.", show_default=False)
    ] = None,
    limit: LimitOption = 50,
) -> None:
    """List bids: of an account, for a task, of a quest, or of a round."""
    given = [one for one in (bidder, task, quest, round_id) if one is not None]
    if len(given) > 1 or (not given and not session.is_served):
        raise typer.BadParameter("give one of --as, --task, --quest and --round", param_hint="--as")
    session.table(_found(session, bidder, task, quest, round_id, limit), _BIDS, empty="No bids.")


def _found(
    session: Session, bidder: str | None, task: str | None, quest: str | None, round_id: str | None, limit: int
) -> list[Bid]:
    if task is not None:
        return session.market.list_task_bids(task, limit=limit)
    if round_id is not None:
        return session.market.list_round_bids(number_of(round_id), limit=limit)
    if quest is not None:
        bidder = session.market.get_quest(quest).account_id
    return session.market.list_open_bids(bidder, limit=limit)
