"""`scidex agent …`: agents of this machine at work for a market, and what became of their runs."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from scidex.cli import output
from scidex.cli.commands import command
from scidex.cli.help import Command, Group
from scidex.cli.options import POOL, DatabaseOption, JsonOption, PoolOption
from scidex.cli.session import Session
from scidex.cli.stopping import stop_signal
from scidex.cli.working import Options
from scidex.settings import TREASURY

if TYPE_CHECKING:
    from collections.abc import Callable

    from scidex.agent.agent import Report
    from scidex.market import Market
    from scidex.records import Usage

app = typer.Typer(cls=Group, help="Agents: run one, list them, and look at their runs.", no_args_is_help=True)

_WORKERS = ("worker_id", "status", "seats", "running", "on_offer", "seen_at", "pool", "account_id", "provider_id")
_PULL_REQUESTS = ("run_id", "state", "checks", "url", "note")


@dataclass(frozen=True)
class Seats:
    """What an agent offers, and how it stops."""

    account: Annotated[str, typer.Option("--as", help="The agent's account; opened where missing.")] = "worker:1"
    provider: Annotated[
        str, typer.Option(metavar="ACCOUNT", help="Who gets what the slots sell for; a third party names its own.")
    ] = TREASURY
    draws_on: Annotated[
        str, typer.Option(metavar="NAME", help="The account at a provider of models that runs draw on.")
    ] = ""
    pool: PoolOption = POOL
    seats: Annotated[int, typer.Option("--concurrency", min=1, max=1_000, help="Runs side by side.")] = 1
    reserve: Annotated[int, typer.Option(min=0, help="Least price of a slot, in tokens.")] = 0
    allowance: Annotated[int | None, typer.Option(min=1, help="Tokens that a run may use.", show_default=False)] = None
    lease: Annotated[
        float | None,
        typer.Option(min=0.5, max=86_400, help="Seconds after which a worker that is silent loses its runs."),
    ] = None
    grace: Annotated[float, typer.Option(min=0, help="Seconds that runs have to end when the agent is stopped.")] = 30.0


@app.callback()
def agent() -> None:
    """Agents: run one, list them, and look at their runs."""


@app.command(cls=Command)
@command(
    "scidex agent run --as worker:1 -- ./fix-issue {task_id}",
    "scidex agent run --concurrency 4 --meter claude -- claude -p 'Work on {title}' --output-format json",
)
def run(session: Session, seats: Seats, options: Options) -> None:
    """
    Offer idle slots, run what they sold and settle it, until stopped by Ctrl-C or SIGTERM.

    Stopped, it takes its slots off the market and lets runs end within the grace time; a second signal ends them now.
    """
    logging.basicConfig(level="WARNING", format="%(levelname)s %(name)s: %(message)s")
    from scidex.agent.agent import Agent
    from scidex.agent.offers import Offers
    from scidex.settings import from_environment

    work, market = options.work(), session.market
    # A worker's key may not read the account of another.
    _check_in(market, seats.account, None if session.is_served else options.attester)
    with stop_signal() as stop:
        Agent(
            seats.account,
            work,
            market=market,
            pool=seats.pool,
            seats=seats.seats,
            offers=Offers(seats.reserve, seats.allowance, options.max_seconds),
            provider_id=seats.provider,
            draws_on=seats.draws_on,
            lease_seconds=from_environment().lease_seconds if seats.lease is None else seats.lease,
            stop_seconds=seats.grace,
            on_report=_telling(as_json=session.as_json),
        ).run(stop)


def _check_in(market: Market, account: str, attester: str | None) -> None:
    """Open the agent's account where it is missing, and make sure of the evaluator's. Raises UnknownAccount."""
    if attester is not None:
        market.get_balance(attester)
    market.open_account(account)


def _telling(*, as_json: bool) -> Callable[[Report], None]:
    def tell(report: Report) -> None:
        print(output.json_line(_facts(report)) if as_json else in_words(report), flush=True)

    return tell


def _facts(report: Report) -> dict[str, object]:
    assignment, impact = report.assignment, report.impact
    return {
        "run_id": assignment.assignment_id,
        "task_id": assignment.task_id,
        "succeeded": report.result.succeeded,
        "reason": report.result.reason,
        "usage": report.usage,
        "impact_usd": impact.usd,
    }


def in_words(report: Report) -> str:
    """Return what became of a run, in a line."""
    impact = "not known yet" if report.impact.usd is None else f"{report.impact.usd:,.2f} USD"
    return f"{report.assignment.task_id}: {report.result.reason}; cost {_cost(report.usage)}; impact {impact}"


def _cost(usage: Usage) -> str:
    known = [] if usage.tokens is None else [f"{usage.tokens:,} tokens"]
    known += [] if usage.cost_usd is None else [f"{usage.cost_usd:,.4f} USD"]
    return f"{', '.join(known)} ({usage.provenance})" if known else "not known"


@app.command(cls=Command)
@command("scidex agent logs slot-17")
def logs(session: Session, run_id: Annotated[str, typer.Argument(help="The slot's id, or the assignment's.")]) -> None:
    """Show how a run ended, the last of what it wrote, and what it used."""
    ended = session.market.get_output(run_id)
    usages = session.market.get_usage(run_id)
    if session.as_json:
        session.show({"output": ended, "usage": usages}, "")
        return
    if ended is None:
        print("It is not recorded yet how this run ended.")
        return
    cost = _cost(usages[-1]) if usages else "not known"
    print(f"{ended.reason or ended.ended} after {ended.seconds:,.1f} s; {ended.output_bytes:,} bytes; cost {cost}")
    for name in ("stdout", "stderr"):
        print(f"--- {name}")
        print(output.printable(getattr(ended, name)))


@app.command(cls=Command)
@command("scidex agent revisit --attester evaluator:ci --merged-usd 40")
def revisit(
    attester: Annotated[str, typer.Option(help="The evaluator's account.")],
    merged_usd: Annotated[float, typer.Option(min=0.0, max=1e15, help="What a merged pull request is worth.")],
    passed_usd: Annotated[
        float | None,
        typer.Option(min=0.0, max=1e15, help="What an open one is worth whose checks passed.", show_default=False),
    ] = None,
    merged_days: Annotated[
        float, typer.Option(min=0.0, max=366.0, help="How long after a merge to look for its revert.")
    ] = 14.0,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="The number of pull requests at most.")] = 100,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look again at pull requests that were open or merged lately, and attest what became of them."""
    from scidex.agent.evaluators import revisiting
    from scidex.agent.evaluators.pull_requests import PullRequestEvaluator
    from scidex.cli.markets import opened

    with opened(db) as market:
        evaluator = PullRequestEvaluator(attester, merged_usd, passed_usd)
        seen = revisiting.revisit(evaluator, limit=limit, merged_days=merged_days, db=market)
    output.print_table([output.as_row(one) for one in seen], _PULL_REQUESTS, as_json=as_json)


@app.command("list", cls=Command)
@command("scidex agent list --all")
def list_agents(
    session: Session,
    ended_too: Annotated[bool, typer.Option("--all", help="Also workers that stopped or were lost.")] = False,
) -> None:
    """List workers: when each was last seen, and what it runs and has on offer."""
    found = session.market.list_workers(ended_too=ended_too)
    session.table(found, _WORKERS, empty="No agent is at work. Start one with: scidex agent run")
