"""`scidex task …`: bringing work in, and looking at it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from scidex.cli.options import DatabaseOption, JsonOption

app = typer.Typer(help="The backlog: import tasks, list them.", no_args_is_help=True)

_READABLE: dict[str, Any] = {"exists": True, "dir_okay": False, "readable": True}


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
    as_json: JsonOption = False,
) -> None:
    """Import a backlog: all of its tasks or, where a line is wrong, none. Imported again, they are updated."""
    from scidex.cli.markets import opened
    from scidex.exchange.backlog_import import import_tasks

    table = None if values is None else _values(values)
    with opened(db) as market:
        imported = import_tasks(file, format, quest_id=quest, value_table=table, repo=repo, db=market)
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
    as_json: JsonOption = False,
) -> None:
    """List tasks in the order of their ids."""
    from scidex.cli.markets import opened, print_rows
    from scidex.exchange import backlog

    with opened(db) as market:
        found = backlog.list_tasks(quest_id=quest, status=status, after=after, limit=limit, db=market)
    columns = ("task_id", "quest_id", "status", "expected_value_usd", "attempts", "title")
    print_rows([task._asdict() for task in found], columns, as_json=as_json)


def _values(file: Path) -> Any:
    try:
        return json.loads(file.read_text())
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{file} is no JSON: {error}", param_hint="--values") from None
