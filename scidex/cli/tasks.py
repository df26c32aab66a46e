"""`scidex task …`: bringing work in, and looking at it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from scidex.cli.options import POOL, DatabaseOption, JsonOption, KeyOption, PoolOption, UrlOption
from scidex.cli.times import instant

app = typer.Typer(help="The backlog: add or import tasks, list them.", no_args_is_help=True)

_COLUMNS = ("task_id", "quest_id", "status", "expected_value_usd", "attempts", "title")
_READABLE: dict[str, Any] = {"exists": True, "dir_okay": False, "readable": True}


@app.command("add")
def add(
    task_id: Annotated[str, typer.Argument(help="The task.")],
    quest_id: Annotated[str, typer.Argument(help="The quest whose it is.")],
    title: Annotated[str, typer.Option(help="What is to be done.", show_default=False)] = "",
    value_usd: Annotated[float, typer.Option(help="What it is worth, in USD.")] = 0.0,
    cost: Annotated[
        int | None, typer.Option(help="What its run will use by estimate, in tokens.", show_default=False)
    ] = None,
    depends_on: Annotated[
        list[str] | None, typer.Option(help="A task that must be done before; may be given again.", show_default=False)
    ] = None,
    deadline: Annotated[
        str | None, typer.Option(help="After this nobody runs it: 3d, or an instant.", show_default=False)
    ] = None,
    payload: Annotated[
        str | None, typer.Option(metavar="JSON", help="What says how to run it, an object.", show_default=False)
    ] = None,
    pool: PoolOption = POOL,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a task to a quest's backlog; it is blocked until all that it depends on is done."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_rows

    deadline_at = instant(deadline, "--deadline")
    details = None if payload is None else _json(payload, "--payload")
    with market_at(db, url, key) as market:
        task = market.add_task(
            task_id,
            quest_id,
            title,
            expected_value_usd=value_usd,
            estimated_cost_tokens=cost,
            depends_on=depends_on or [],
            pool=pool,
            payload=details,
            deadline_at=deadline_at,
        )
    print_rows([task._asdict()], _COLUMNS, as_json=as_json)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="The file to read.", **_READABLE)],
    format: Annotated[str, typer.Option(help="jsonl, csv, gh (gh issue list --json …) or beads.")] = "jsonl",  # noqa: A002
    quest: Annotated[str | None, typer.Option(help="Take all tasks into this quest.", show_default=False)] = None,
    values: Annotated[
        Path | None, typer.Option(help="USD by priority or label, as JSON.", show_default=False, **_READABLE)
    ] = None,
    repo: Annotated[str | None, typer.Option(help="For issues without their url.", show_default=False)] = None,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import a backlog: all of its tasks or, where a line is wrong, none. Imported again, they are updated."""
    from scidex.cli.markets import market_at
    from scidex.exchange.backlog_import import import_by

    table = None if values is None else _values(values)
    with market_at(db, url, key) as market:
        imported = import_by(market.put_tasks, file, format, quest_id=quest, value_table=table, repo=repo)
    if as_json:
        print(json.dumps(imported._asdict()))
    else:
        print(f"{imported.added} tasks added, {imported.updated} updated, {imported.unchanged} as they were.")


@app.command("list")
def list_(
    quest: Annotated[str | None, typer.Option(help="Of this quest alone.", show_default=False)] = None,
    status: Annotated[
        str | None, typer.Option(help="open, blocked, running, done or failed.", show_default=False)
    ] = None,
    after: Annotated[str, typer.Option(help="Begin behind this task.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List tasks in the order of their ids."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_rows

    with market_at(db, url, key) as market:
        found = market.list_tasks(quest_id=quest, status=status, after=after, limit=limit)
    print_rows([task._asdict() for task in found], _COLUMNS, as_json=as_json)


def _values(file: Path) -> Any:
    return _json(file.read_bytes(), "--values")


def _json(text: str | bytes, option: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"is no JSON: {error}", param_hint=option) from None
