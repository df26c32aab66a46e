"""`scidex agent run`: an agent of this machine, working for a market."""

from __future__ import annotations

import logging
import shlex
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scidex.cli.options import POOL, DatabaseOption, PoolOption
from scidex.cli.stopping import stop_signal

if TYPE_CHECKING:
    from scidex.agent.agent import Report, Work
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
    db: DatabaseOption = None,
) -> None:
    """Offer idle slots, run what they sold and settle it, until stopped by Ctrl-C or SIGTERM."""
    logging.basicConfig(level="WARNING", format="%(levelname)s %(name)s: %(message)s")
    if bool(command) == task_commands:
        raise typer.BadParameter("give either a command after -- or --task-commands", param_hint="COMMAND")
    if (evaluator is None) != (attester is None):
        raise typer.BadParameter("--evaluator and --attester go together", param_hint="--evaluator")

    from scidex.agent.agent import Agent
    from scidex.agent.offers import Offers
    from scidex.cli.markets import opened

    work = _work(command or [], directory.resolve(), evaluator, attester, float(max_seconds))
    with opened(db) as market, stop_signal() as stop:
        _check_in(market, account, attester)
        offers = Offers(reserve, allowance, max_seconds)
        Agent(account, work, db=market, pool=pool, seats=seats, offers=offers, on_report=_say).run(stop)


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
        return tuple(shlex.split(command))
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
