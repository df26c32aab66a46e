"""`scidex task …`: bringing work in, and looking at it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scidex.cli.options import POOL, DatabaseOption, JsonOption, KeyOption, PoolOption, UrlOption
from scidex.cli.times import instant

if TYPE_CHECKING:
    from scidex.records import ImportedBacklog

app = typer.Typer(help="The backlog: add or import tasks, list them.", no_args_is_help=True)

_COLUMNS = ("task_id", "quest_id", "status", "expected_value_usd", "attempts", "title")
_MOST_REPORTS = 20
_MOST_TASKS_IN_A_REQUEST = 2_000
_MOST_BYTES_IN_A_REQUEST = 700_000
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
    format: Annotated[  # noqa: A002
        str, typer.Option(help="jsonl, csv, gh, beads, linear, jira, taskwarrior or todo.txt.")
    ] = "jsonl",
    quest: Annotated[str | None, typer.Option(help="Take all tasks into this quest.", show_default=False)] = None,
    values: Annotated[
        Path | None, typer.Option(help="USD by priority or label, as JSON.", show_default=False, **_READABLE)
    ] = None,
    statuses: Annotated[
        Path | None,
        typer.Option(
            help='Statuses by the words of the source, as JSON: {"in review": "held"}.', show_default=False, **_READABLE
        ),
    ] = None,
    repo: Annotated[str | None, typer.Option(help="For issues without their url.", show_default=False)] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Import nothing where a line cannot be read.")] = False,
    source: Annotated[str | None, typer.Option(help="A name for where these come from.", show_default=False)] = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="The file has all that is open there: what it lacks is held.")
    ] = False,
    missing: Annotated[str, typer.Option(help="With --complete: held or done.")] = "held",
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """
    Import a backlog. A line that cannot be read is left out and reported. Imported again, tasks are updated.

    Example: gh issue list --limit 1000 --json number,title,body,labels,state,url,blockedBy > issues.json
    && scidex task import --format gh issues.json
    """
    from scidex.cli.markets import market_at
    from scidex.cli.progress import progress_on_terminal
    from scidex.clock import utc_now
    from scidex.exchange.backlog_import import import_by

    with market_at(db, url, key) as market, progress_on_terminal() as progress:
        imported = import_by(
            market,
            file,
            format,
            quest_id=quest,
            value_table=None if values is None else _table(values, "--values"),
            status_table=None if statuses is None else _table(statuses, "--statuses"),
            repo=repo,
            strict=strict,
            source=source,
            complete=complete,
            missing=missing,
            now=utc_now(),
            # A server takes so much in one request.
            most_tasks=None if url is None else _MOST_TASKS_IN_A_REQUEST,
            most_bytes=None if url is None else _MOST_BYTES_IN_A_REQUEST,
            progress=lambda done, of: progress("tasks", done, of),
        )
    if as_json:
        print(json.dumps({**imported._asdict(), "reports": [report._asdict() for report in imported.reports]}))
    else:
        _print_import(imported)


def _print_import(imported: ImportedBacklog) -> None:
    print(f"{imported.added} tasks added, {imported.updated} updated, {imported.unchanged} as they were.")
    if imported.missing:
        print(f"{imported.missing} tasks have left the list.")
    if imported.passed_over:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(imported.passed_over.items()))
        print(f"Not work, passed over: {kinds}.")
    for report in imported.reports[:_MOST_REPORTS]:
        outcome = "left out" if report.left_out else "taken"
        typer.echo(f"line {report.line}, {report.field}: {report.fact} ({outcome})", err=True)
    if (more := len(imported.reports) - _MOST_REPORTS) > 0:
        typer.echo(f"… and {more} more; --json has them all", err=True)
    if imported.left_out:
        typer.echo(f"{imported.left_out} lines left out", err=True)


@app.command("write-back")
def write_back_(
    source: Annotated[str, typer.Argument(help="The source, as --source named it.")],
    label: Annotated[str | None, typer.Option(help="Put this label on GitHub issues, too.", show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be run, and run nothing.")] = False,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """
    Write the ends of tasks back to their source, once each, with what they cost.

    Beads are closed by bd, GitHub issues get a comment by gh. What fails is tried again the next time; the exit code is
    then 1.
    """
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_rows
    from scidex.cli.writing_back import write_back

    with market_at(db, url, key) as market:
        told = list(write_back(market, source, label=label, dry_run=dry_run))
    print_rows([one._asdict() for one in told], ("task_id", "status", "error", "command"), as_json=as_json)
    if any(one.error for one in told):
        raise typer.Exit(1)


@app.command("list")
def list_(
    quest: Annotated[str | None, typer.Option(help="Of this quest alone.", show_default=False)] = None,
    source: Annotated[str | None, typer.Option(help="Of this source alone.", show_default=False)] = None,
    status: Annotated[
        str | None, typer.Option(help="open, blocked, running, done, failed or held.", show_default=False)
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
        found = market.list_tasks(quest_id=quest, status=status, source=source, after=after, limit=limit)
    print_rows([task._asdict() for task in found], _COLUMNS, as_json=as_json)


def _table(file: Path, option: str) -> Any:
    return _json(file.read_bytes(), option)


def _json(text: str | bytes, option: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"is no JSON: {error}", param_hint=option) from None
