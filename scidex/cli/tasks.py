"""`scidex task …`: bringing work in, looking at it, and deciding about it by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scidex.cli.commands import command
from scidex.cli.exits import Exit
from scidex.cli.help import Command, Group
from scidex.cli.options import POOL, LimitOption, PoolOption
from scidex.cli.session import Session
from scidex.cli.times import instant

if TYPE_CHECKING:
    from scidex.records import ImportedBacklog, Task

app = typer.Typer(cls=Group, help="The backlog: add, import, list and decide about tasks.", no_args_is_help=True)

_COLUMNS = ("task_id", "quest_id", "status", "expected_value_usd", "attempts", "title")
_MOST_REPORTS = 20
_MOST_TASKS_IN_A_REQUEST = 2_000
_MOST_BYTES_IN_A_REQUEST = 700_000
_READABLE: dict[str, Any] = {"exists": True, "dir_okay": False, "readable": True}

TaskArgument = Annotated[str, typer.Argument(help="The task.")]


@app.command("add", cls=Command)
@command("scidex task add write docs --value-usd 12 --title 'Write the guide'")
def add(
    session: Session,
    task_id: TaskArgument,
    quest_id: Annotated[str, typer.Argument(help="Its quest.")],
    title: Annotated[str, typer.Option(help="What is to be done.", show_default=False)] = "",
    value_usd: Annotated[float, typer.Option(help="What it is worth, in USD.")] = 0.0,
    cost: Annotated[
        int | None, typer.Option(help="What its run will use by estimate, in tokens.", show_default=False)
    ] = None,
    depends_on: Annotated[
        list[str] | None, typer.Option(help="A task that must be done before; may be given again.", show_default=False)
    ] = None,
    deadline: Annotated[
        str | None, typer.Option(help="After this it is not run: 3d, or an instant.", show_default=False)
    ] = None,
    payload: Annotated[
        str | None, typer.Option(metavar="JSON", help="What says how to run it, an object.", show_default=False)
    ] = None,
    pool: PoolOption = POOL,
) -> None:
    """Add a task to a quest's backlog; it is blocked until all that it depends on is done."""
    details = None if payload is None else _json(payload, "--payload")
    task = session.market.add_task(
        task_id,
        quest_id,
        title,
        expected_value_usd=value_usd,
        estimated_cost_tokens=cost,
        depends_on=depends_on or [],
        pool=pool,
        payload=details,
        deadline_at=instant(deadline, "--deadline"),
    )
    session.table([task], _COLUMNS)


@dataclass(frozen=True)
class Reading:
    """How a backlog of another program is read."""

    format: Annotated[str, typer.Option(help="jsonl, csv, gh, beads, linear, jira, taskwarrior or todo.txt.")] = "jsonl"
    quest: Annotated[str | None, typer.Option(help="Take all tasks into this quest.", show_default=False)] = None
    values: Annotated[
        Path | None, typer.Option(help="USD by priority or label, as JSON.", show_default=False, **_READABLE)
    ] = None
    statuses: Annotated[
        Path | None,
        typer.Option(
            help='Statuses by the words of the source, as JSON: {"in review": "held"}.', show_default=False, **_READABLE
        ),
    ] = None
    repo: Annotated[str | None, typer.Option(help="For issues without their url.", show_default=False)] = None
    strict: Annotated[bool, typer.Option("--strict", help="Import nothing where a line cannot be read.")] = False
    source: Annotated[str | None, typer.Option(help="A name for where these come from.", show_default=False)] = None
    complete: Annotated[
        bool, typer.Option("--complete", help="The file has all that is open there: what it lacks is held.")
    ] = False
    missing: Annotated[str, typer.Option(help="With --complete: held or done.")] = "held"

    def terms(self) -> dict[str, Any]:
        """Return them as `import_by` takes them. Raises BadParameter."""
        return {
            "quest_id": self.quest,
            "value_table": None if self.values is None else _json(self.values.read_bytes(), "--values"),
            "status_table": None if self.statuses is None else _json(self.statuses.read_bytes(), "--statuses"),
            "repo": self.repo,
            "strict": self.strict,
            "source": self.source,
            "complete": self.complete,
            "missing": self.missing,
        }


@app.command("import", cls=Command)
@command("scidex task import issues.json --format gh --quest docs")
def import_(
    session: Session,
    reading: Reading,
    file: Annotated[Path, typer.Argument(help="The file to read.", **_READABLE)],
) -> None:
    """
    Import a backlog. A line that cannot be read is left out and reported. Imported again, tasks are updated.

    GitHub's issues: gh issue list --limit 1000 --json number,title,body,labels,state,url,blockedBy > issues.json
    """
    from scidex.cli.progress import progress_on_terminal
    from scidex.clock import utc_now
    from scidex.exchange.backlog_import import import_by

    # A server takes so much in one request.
    limits = (_MOST_TASKS_IN_A_REQUEST, _MOST_BYTES_IN_A_REQUEST) if session.is_served else (None, None)
    with progress_on_terminal() as progress:
        imported = import_by(
            session.market,
            file,
            reading.format,
            **reading.terms(),
            now=utc_now(),
            most_tasks=limits[0],
            most_bytes=limits[1],
            progress=lambda done, of: progress("tasks", done, of),
        )
    session.show(imported, _in_words(imported))
    if not session.as_json:
        _report(imported)


def _in_words(imported: ImportedBacklog) -> str:
    lines = [f"{imported.added} tasks added, {imported.updated} updated, {imported.unchanged} as they were."]
    if imported.missing:
        lines.append(f"{imported.missing} tasks have left the list.")
    if imported.passed_over:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(imported.passed_over.items()))
        lines.append(f"Not work, passed over: {kinds}.")
    return "\n".join(lines)


def _report(imported: ImportedBacklog) -> None:
    for report in imported.reports[:_MOST_REPORTS]:
        outcome = "left out" if report.left_out else "taken"
        typer.echo(f"line {report.line}, {report.field}: {report.fact} ({outcome})", err=True)
    if (more := len(imported.reports) - _MOST_REPORTS) > 0:
        typer.echo(f"… and {more} more; --json has them all", err=True)
    if imported.left_out:
        typer.echo(f"{imported.left_out} lines left out", err=True)


@app.command("write-back", cls=Command)
@command("scidex task write-back issues --label done-by-agent", "scidex task write-back issues --dry-run")
def write_back_(
    session: Session,
    source: Annotated[str, typer.Argument(help="The source, as --source named it.")],
    label: Annotated[str | None, typer.Option(help="Put this label on GitHub issues, too.", show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be run, and run nothing.")] = False,
) -> None:
    """
    Write the ends of tasks back to their source, once each, with what they cost.

    Beads are closed by bd, GitHub issues get a comment by gh. What fails is tried again the next time; the exit code is
    then 1.
    """
    from scidex.cli.writing_back import write_back

    told = list(write_back(session.market, source, label=label, dry_run=dry_run))
    session.table(told, ("task_id", "status", "error", "command"), empty="Nothing to write back.")
    if any(one.error for one in told):
        raise typer.Exit(Exit.REFUSED)


@app.command("list", cls=Command)
@command("scidex task list --quest docs --status open")
def list_(
    session: Session,
    quest: Annotated[str | None, typer.Option(help="Of this quest alone.", show_default=False)] = None,
    source: Annotated[str | None, typer.Option(help="Of this source alone.", show_default=False)] = None,
    status: Annotated[
        str | None, typer.Option(help="open, blocked, running, held, done or failed.", show_default=False)
    ] = None,
    after: Annotated[str, typer.Option(help="Begin after this task.", show_default=False)] = "",
    limit: LimitOption = 100,
) -> None:
    """List tasks in the order of their ids."""
    found = session.market.list_tasks(quest_id=quest, status=status, source=source, after=after, limit=limit)
    session.table(found, _COLUMNS, empty="No tasks. Add one with: scidex task add, or scidex task import")


@app.command("show", cls=Command)
@command("scidex task show write")
def show(session: Session, task_id: TaskArgument) -> None:
    """Show a task with all that is known of it."""
    task = session.market.get_task(task_id)
    if session.as_json:
        session.show(task, "")
        return
    session.table([{"field": name, "value": value} for name, value in _facts(task).items()], ("field", "value"))


def _facts(task: Task) -> dict[str, Any]:
    """Return what is known of a task, without what is not set."""
    return {name: value for name, value in task._asdict().items() if value not in (None, "", (), {})}


@app.command("retry", cls=Command)
@command("scidex task retry write")
def retry(session: Session, task_id: TaskArgument) -> None:
    """Open a task again that failed, is held or was done, with all its attempts before it."""
    session.table([session.market.set_task_status(task_id, "open")], _COLUMNS)


@app.command("cancel", cls=Command)
@command("scidex task cancel write --reason 'no longer wanted'")
def cancel(
    session: Session,
    task_id: TaskArgument,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "cancelled",
) -> None:
    """Give a task up: it is neither bid for nor run, and what waits for it stays blocked."""
    session.table([session.market.set_task_status(task_id, "failed", reason=reason)], _COLUMNS)


@app.command("hold", cls=Command)
@command("scidex task hold write --reason 'waits for legal'")
def hold(
    session: Session,
    task_id: TaskArgument,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "held by an operator",
) -> None:
    """Hold a task: it is neither bid for nor run until it is retried."""
    session.table([session.market.set_task_status(task_id, "held", reason=reason)], _COLUMNS)


@app.command("value", cls=Command)
@command("scidex task value write 25")
def value(
    session: Session,
    task_id: TaskArgument,
    usd: Annotated[float, typer.Argument(metavar="USD", help="What it is worth.")],
) -> None:
    """Change what a task is worth."""
    known = session.market.get_task(task_id)
    session.market.put_tasks([{"task_id": task_id, "quest_id": known.quest_id, "expected_value_usd": usd}])
    session.table([session.market.get_task(task_id)], _COLUMNS)


def _json(text: str | bytes, option: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"is not JSON: {error}", param_hint=option) from None
