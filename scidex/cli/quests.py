"""`scidex quest …`: projects that bid for their backlogs, and how they bid."""

from __future__ import annotations

from typing import Annotated

import typer

from scidex.cli.commands import command
from scidex.cli.help import Command, Group
from scidex.cli.options import LimitOption
from scidex.cli.session import Session

app = typer.Typer(cls=Group, help="Quests: add, list and change them.", no_args_is_help=True)

_COLUMNS = ("quest_id", "status", "priority", "strategy", "account_id", "floor_entitled", "title")

QuestArgument = Annotated[str, typer.Argument(help="The quest.")]


@app.command("add", cls=Command)
@command("scidex quest add docs --title 'Documentation' --priority 3")
def add(
    session: Session,
    quest_id: QuestArgument,
    title: Annotated[str, typer.Option(help="What people call it.", show_default=False)] = "",
    priority: Annotated[int, typer.Option(help="Its share where money is split by priority.")] = 1,
    strategy: Annotated[str, typer.Option(help="How it bids: market, clamp, paced, truthful or fixed.")] = "market",
    owner: Annotated[str | None, typer.Option(help="The owner of its wallet.", show_default=False)] = None,
    account: Annotated[
        str | None, typer.Option(help="Its wallet; quest:QUEST_ID unless given.", show_default=False)
    ] = None,
) -> None:
    """Add a quest, and open its wallet."""
    quest = session.market.add_quest(
        quest_id, title, priority=priority, strategy=strategy, owner_id=owner, account_id=account
    )
    session.table([quest], _COLUMNS)


@app.command("list", cls=Command)
@command("scidex quest list --json")
def list_(
    session: Session,
    after: Annotated[str, typer.Option(help="Begin after this quest.", show_default=False)] = "",
    limit: LimitOption = 100,
) -> None:
    """List quests in the order of their ids."""
    found = session.market.list_quests(after=after, limit=limit)
    session.table(found, _COLUMNS, empty="No quests. Add one with: scidex quest add QUEST_ID")


@app.command("show", cls=Command)
@command("scidex quest show docs")
def show(session: Session, quest_id: QuestArgument) -> None:
    """Show a quest and its wallet."""
    quest = session.market.get_quest(quest_id)
    balance = session.market.get_balance(quest.account_id)
    tokens = {"balance": balance.balance, "held": balance.held, "available": balance.available}
    session.table([{**quest._asdict(), **tokens}], (*_COLUMNS[:-1], *tokens, "title"))


@app.command("set", cls=Command)
@command("scidex quest set docs --priority 5", "scidex quest set docs --status paused")
def set_(
    session: Session,
    quest_id: QuestArgument,
    title: Annotated[str | None, typer.Option(help="What people call it.", show_default=False)] = None,
    priority: Annotated[
        int | None, typer.Option(help="Its share where money is split by priority.", show_default=False)
    ] = None,
    status: Annotated[str | None, typer.Option(help="active or paused.", show_default=False)] = None,
    strategy: Annotated[
        str | None, typer.Option(help="market, clamp, paced, truthful or fixed.", show_default=False)
    ] = None,
) -> None:
    """Change a quest; what is not named stays."""
    quest = session.market.set_quest(quest_id, title=title, priority=priority, status=status, strategy=strategy)
    session.table([quest], _COLUMNS)


@app.command("entitle", cls=Command)
@command("scidex quest entitle docs", "scidex quest entitle docs --end")
def entitle(
    session: Session,
    quest_id: QuestArgument,
    end: Annotated[bool, typer.Option("--end", help="End that.")] = False,
) -> None:
    """Entitle a quest to the floor of its pools, which serves quests that have waited long."""
    session.table([session.market.entitle_quest(quest_id, not end)], _COLUMNS)
