"""`scidex agent run`: an agent of this machine, working for a market."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scidex.cli.options import POOL, DatabaseOption, JsonOption, KeyOption, PoolOption, UrlOption
from scidex.cli.stopping import stop_signal

if TYPE_CHECKING:
    from scidex.agent.agent import Report, Work
    from scidex.agent.market import Market
    from scidex.store import Database

app = typer.Typer(help="Agents: offer slots, and run what they sold.", no_args_is_help=True)


@app.callback()
def agent() -> None:
    """Agents: offer slots, and run what they sold."""


@app.command()
def run(
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="-- COMMAND …",
            help="What to run for a task; {task_id}, {quest_id} and {title} stand for the task's own.",
            show_default=False,
        ),
    ] = None,
    account: Annotated[str, typer.Option("--as", help="The agent's account; opened where missing.")] = "worker:1",
    pool: PoolOption = POOL,
    seats: Annotated[int, typer.Option("--concurrency", min=1, max=1_000, help="Runs side by side.")] = 1,
    reserve: Annotated[int, typer.Option(min=0, help="Least price of a slot, in tokens.")] = 0,
    allowance: Annotated[int | None, typer.Option(min=1, help="Tokens that a run may use.", show_default=False)] = None,
    max_seconds: Annotated[int, typer.Option(min=1, help="Time that a run may take.")] = 3_600,
    evaluator: Annotated[
        str | None, typer.Option(help="A command that prints what a run was worth.", show_default=False)
    ] = None,
    attester: Annotated[
        str | None, typer.Option(help="The evaluator's account, which exists already.", show_default=False)
    ] = None,
    task_commands: Annotated[
        bool, typer.Option("--task-commands", help="Run the command that each task brings: trust who adds tasks.")
    ] = False,
    directory: Annotated[Path, typer.Option(help="Where runs get their directories.")] = Path(".scidex-agent"),
    lease: Annotated[
        float | None,
        typer.Option(min=0.5, max=86_400, help="Seconds after which a worker that is silent loses its runs."),
    ] = None,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds that runs have to end when the agent is stopped.")
    ] = 30.0,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """
    Offer idle slots, run what they sold and settle it, until stopped by Ctrl-C or SIGTERM.

    Stopped, it takes its slots off the market and lets runs end within the grace time; a second signal ends them now.
    """
    logging.basicConfig(level="WARNING", format="%(levelname)s %(name)s: %(message)s")
    if bool(command) == task_commands:
        raise typer.BadParameter("give either a command after -- or --task-commands", param_hint="COMMAND")
    if (evaluator is None) != (attester is None):
        raise typer.BadParameter("--evaluator and --attester go together", param_hint="--evaluator")

    if db is not None and url is not None:
        raise typer.BadParameter("give either --db or --url", param_hint="--url")

    from scidex.agent.agent import Agent
    from scidex.agent.offers import Offers
    from scidex.settings import from_environment

    work = _work(_found(command or []), directory.resolve(), evaluator, attester, float(max_seconds))
    with _market(db, url, key, account, attester) as market, stop_signal() as stop:
        Agent(
            account,
            work,
            market=market,
            pool=pool,
            seats=seats,
            offers=Offers(reserve, allowance, max_seconds),
            lease_seconds=from_environment().lease_seconds if lease is None else lease,
            stop_seconds=grace,
            on_report=_say,
        ).run(stop)


@contextmanager
def _market(db: str | None, url: str | None, key: str | None, account: str, attester: str | None) -> Iterator[Market]:
    """Give the market behind a server's address, or one whose database is opened here."""
    if url is not None:
        from scidex.client import Client

        with Client(url, key) as client:
            client.open_account(account)
            yield client
        return

    from scidex.agent.market import EmbeddedMarket
    from scidex.cli.markets import opened

    with opened(db) as database:
        _check_in(database, account, attester)
        yield EmbeddedMarket(database)


def _found(command: list[str]) -> list[str]:
    """Return a command whose program is found from any directory: runs have one of their own."""
    return [str(Path(command[0]).absolute()), *command[1:]] if command and "/" in command[0] else command


def _work(command: list[str], directory: Path, evaluator: str | None, attester: str | None, max_seconds: float) -> Work:
    from scidex.agent.agent import Work
    from scidex.agent.commands import command_of_task, same_command
    from scidex.agent.evaluators import NoEvaluator
    from scidex.agent.evaluators.command import CommandEvaluator
    from scidex.agent.executors.local import LocalExecutor

    executor = LocalExecutor()
    return Work(
        command_for=same_command(*command) if command else command_of_task,
        directory=directory,
        executor=executor,
        evaluator=CommandEvaluator(_words(evaluator), attester, executor) if evaluator and attester else NoEvaluator(),
        max_seconds=max_seconds,
    )


def _words(command: str) -> tuple[str, ...]:
    try:
        return tuple(_found(shlex.split(command)))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--evaluator") from None


def _check_in(market: Database, account: str, attester: str | None) -> None:
    """Open the agent's account where it is missing, and make sure of the evaluator's. Raises UnknownAccount."""
    from scidex.errors import AccountExists
    from scidex.exchange import token_ledger

    if attester is not None:
        token_ledger.get_account(attester, db=market)
    with suppress(AccountExists):
        token_ledger.create_account(account, kind="worker", db=market)


def _say(report: Report) -> None:
    impact = "not known yet" if report.impact.usd is None else f"{report.impact.usd:,.2f} USD"
    cost = "not known" if report.usage.provenance == "none" else f"{report.usage.tokens:,} tokens"
    print(f"{report.assignment.task_id}: {report.result.reason}; cost {cost}; impact {impact}", flush=True)


@app.command("list")
def list_agents(
    ended_too: Annotated[bool, typer.Option("--all", help="Also workers that stopped or were lost.")] = False,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show workers: when each was last heard of, and what it runs and has on offer."""
    from scidex.cli.markets import opened, print_rows
    from scidex.exchange import workers

    with opened(db) as market:
        found = [one._asdict() for one in workers.list_workers(ended_too=ended_too, db=market)]
    columns = ("worker_id", "account_id", "pool", "status", "seats", "running", "on_offer", "seen_at")
    print_rows(found, columns, as_json=as_json)
