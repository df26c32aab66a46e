"""`scidex start`, `check` and `apply`: a whole fleet by one file, `scidex.toml`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scidex.cli import output
from scidex.cli.commands import command
from scidex.cli.exits import Exit, leave
from scidex.cli.markets import FLEET_FILE, address_of, server_of
from scidex.cli.options import JsonOption
from scidex.cli.session import Session
from scidex.cli.stopping import stop_signal

if TYPE_CHECKING:
    from scidex.fleet.changes import Change
    from scidex.fleet.finding import Findings
    from scidex.fleet.reading import Fault
    from scidex.fleet.schema import Fleet
    from scidex.fleet.writing import Choice

_USUAL_SEATS = 2
_MOST_SEATS = 64

FileOption = Annotated[Path, typer.Option("--file", metavar="FILE", help="The fleet's file.")]


@command("scidex start", "scidex start --yes")
def start(
    file: FileOption = Path(FLEET_FILE),
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: take what is found.")] = False,
) -> None:
    """
    Run a whole fleet by scidex.toml: market, dashboard, sources and agents, until stopped by Ctrl-C or SIGTERM.

    Without the file it looks for a repository, a backlog and coding agents, asks at most three questions, and writes
    one.
    """
    from scidex.cli.starting import run_fleet

    if not file.exists():
        write_file(file, ask=not yes and sys.stdin.isatty() and sys.stdout.isatty())
    fleet = read_file(file)
    if faults := list(further_faults(fleet, file)):
        _refuse(file, faults)
    with stop_signal() as stop:
        run_fleet(fleet, file.resolve().parent, stop)


@command("scidex check", "scidex check --file fleets/scidex.toml --json", "scidex check --schema")
def check(
    file: FileOption = Path(FLEET_FILE),
    schema: Annotated[bool, typer.Option("--schema", help="Print the file's JSON Schema, for editors.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a fleet's file: each fault by its line, with what is wrong and what was probably meant."""
    from scidex.fleet.reading import FleetFileRefused, read
    from scidex.fleet.reference import json_schema

    if schema:
        print(json_schema(), end="")
        return
    try:
        fleet = read(file)
        faults = list(further_faults(fleet, file))
    except FleetFileRefused as refused:
        faults, fleet = list(refused.faults), None
    if as_json:
        output.print_json(faults)
    elif fleet is not None and not faults:
        print(f"{file} is right: {_in_words(fleet)}.")
    if faults and not as_json:
        _refuse(file, faults)
    if faults:
        sys.exit(Exit.FAULTY)


@command("scidex apply --dry-run", "scidex apply --url http://127.0.0.1:8787 --yes")
def apply(
    session: Session,
    file: FileOption = Path(FLEET_FILE),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the difference.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """
    Bring a market in line with a fleet's file, after printing the difference: its pools, quests and accounts.

    What the market has and the file does not name is left as it is.
    """
    from scidex.fleet import changes

    fleet = read_file(file)
    if session.db is None and server_of(session.db, session.url) is None:
        session.db = address_of(fleet.database, file.resolve().parent)
    found = changes.changes(fleet, session.market)
    told = [{"sign": one.sign, "subject": one.subject, "detail": one.detail} for one in found]
    session.show(told, "\n".join(map(str, found)) or "The market is as the file says.")
    if found and not dry_run and _agreed(found, yes=yes):
        changes.apply(found, session.market)
        if not session.as_json:
            print(f"{len(found)} changes made.")


def _agreed(found: list[Change], *, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise typer.BadParameter("must be given where nobody can be asked", param_hint="--yes")
    return typer.confirm(f"Make these {len(found)} changes?")


def read_file(file: Path) -> Fleet:
    """Return a fleet by its file, or end the command with every fault. Raises OSError."""
    from scidex.fleet.reading import FleetFileRefused, read

    try:
        return read(file)
    except FleetFileRefused as refused:
        _refuse(file, list(refused.faults))
        raise


def further_faults(fleet: Fleet, file: Path) -> list[Fault]:
    """Return what is wrong though the file is as it should be: programs, files and variables that are not there."""
    from scidex.cli.starting import faults_here
    from scidex.fleet.lines import line_of, lines_of
    from scidex.fleet.reading import Fault, shown_place

    places = lines_of(file.read_text(encoding="utf-8"))
    return [
        Fault(line_of(place, places), shown_place(place), fact)
        for place, fact in faults_here(fleet, file.resolve().parent)
    ]


def _refuse(file: Path, faults: list[Fault]) -> None:
    for fault in faults:
        print(f"{file}, line {fault.line}: {fault}", file=sys.stderr)
    leave(f"{len(faults)} fault{'s' * (len(faults) != 1)} in {file}", Exit.FAULTY)


def _in_words(fleet: Fleet) -> str:
    counts = {
        "pool": len(fleet.pools),
        "quest": len(fleet.quests),
        "source": len(fleet.sources),
        "agent": len(fleet.agents),
    }
    return ", ".join(f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items())


# --- a new file


def write_file(file: Path, *, ask: bool) -> None:
    """Write a fleet's file from what is found beside it, after at most three questions."""
    from scidex.fleet.finding import look_around
    from scidex.fleet.writing import written

    directory = file.resolve().parent
    found = look_around(directory)
    choice = _chosen(found) if ask else _taken(found)
    file.write_text(written(choice), encoding="utf-8")
    print(f"wrote       {file}: {_told(choice)}")


def _taken(found: Findings) -> Choice:
    """Return all sources, and the first agent."""
    from scidex.fleet.writing import Choice

    return Choice(
        quest=_quest_of(found),
        sources=found.sources,
        agent=found.agents[0] if found.agents else None,
        seats=_USUAL_SEATS,
        worktree=found.repository is not None,
    )


def _chosen(found: Findings) -> Choice:
    from dataclasses import replace

    choice = _taken(found)
    if len(found.sources) > 1:
        names = ", ".join(one.name for one in found.sources)
        wanted = typer.prompt(f"Work is listed in {names}. Which of these", default=names)
        words = {word.strip() for word in wanted.split(",")}
        choice = replace(choice, sources=tuple(one for one in found.sources if one.name in words))
    if len(found.agents) > 1:
        names = ", ".join(one.name for one in found.agents)
        wanted = typer.prompt(f"Agents here: {names}. Which one", default=found.agents[0].name)
        choice = replace(choice, agent=next((one for one in found.agents if one.name == wanted.strip()), choice.agent))
    if choice.agent is not None:
        seats = typer.prompt("How many runs side by side", default=_USUAL_SEATS, type=int)
        choice = replace(choice, seats=max(1, min(seats, _MOST_SEATS)))
    return choice


def _quest_of(found: Findings) -> str:
    name = (found.repository or found.directory).name
    return "".join(one if one.isalnum() or one in "-_." else "-" for one in name) or "work"


def _told(choice: Choice) -> str:
    sources = ", ".join(one.name for one in choice.sources) or "no backlog was found"
    agent = "no agent was found" if choice.agent is None else f"{choice.agent.name} with {choice.seats} seats"
    return f"{sources}; {agent}"
