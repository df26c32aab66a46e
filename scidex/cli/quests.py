"""`scidex quest …`: projects that bid for their backlogs, and how they bid."""

from __future__ import annotations

from typing import Annotated

import typer

from scidex.cli.options import DatabaseOption, JsonOption, KeyOption, UrlOption

app = typer.Typer(help="Quests: add and list them, and say how they bid.", no_args_is_help=True)

_COLUMNS = ("quest_id", "priority", "status", "strategy", "floor_entitled", "account_id", "title")


@app.command("add")
def add(
    quest_id: Annotated[str, typer.Argument(help="The quest.")],
    title: Annotated[str, typer.Option(help="What people call it.", show_default=False)] = "",
    priority: Annotated[int, typer.Option(help="Its share where money goes by priority.")] = 1,
    strategy: Annotated[str, typer.Option(help="How it bids: market, clamp, paced, truthful or fixed.")] = "market",
    owner: Annotated[str | None, typer.Option(help="Who answers for its wallet.", show_default=False)] = None,
    account: Annotated[
        str | None, typer.Option(help="Its wallet; quest:QUEST_ID unless given.", show_default=False)
    ] = None,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a quest, and open its wallet."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_rows

    with market_at(db, url, key) as market:
        quest = market.add_quest(
            quest_id, title, priority=priority, strategy=strategy, owner_id=owner, account_id=account
        )
    print_rows([quest._asdict()], _COLUMNS, as_json=as_json)


@app.command("list")
def list_(
    after: Annotated[str, typer.Option(help="Begin behind this quest.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List quests in the order of their ids."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_rows

    with market_at(db, url, key) as market:
        found = market.list_quests(after=after, limit=limit)
    print_rows([quest._asdict() for quest in found], _COLUMNS, as_json=as_json)


@app.command("set")
def set_(
    quest_id: Annotated[str, typer.Argument(help="The quest.")],
    title: Annotated[str | None, typer.Option(help="What people call it.", show_default=False)] = None,
    priority: Annotated[
        int | None, typer.Option(help="Its share where money goes by priority.", show_default=False)
    ] = None,
    status: Annotated[str | None, typer.Option(help="active or paused.", show_default=False)] = None,
    strategy: Annotated[
        str | None, typer.Option(help="market, clamp, paced, truthful or fixed.", show_default=False)
    ] = None,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a quest; what is not named stays."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_rows

    with market_at(db, url, key) as market:
        quest = market.set_quest(quest_id, title=title, priority=priority, status=status, strategy=strategy)
    print_rows([quest._asdict()], _COLUMNS, as_json=as_json)


@app.command("entitle")
def entitle(
    quest_id: Annotated[str, typer.Argument(help="The quest.")],
    end: Annotated[bool, typer.Option("--end", help="End that.")] = False,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Entitle a quest to the floor of its pools, which serves whoever has waited long."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_rows

    with market_at(db, url, key) as market:
        quest = market.entitle_quest(quest_id, not end)
    print_rows([quest._asdict()], _COLUMNS, as_json=as_json)
