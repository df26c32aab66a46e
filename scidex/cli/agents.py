"""`scidex agent run`: an agent of this machine, working for a market."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scidex.cli.options import POOL, DatabaseOption, JsonOption, KeyOption, PoolOption, UrlOption
from scidex.cli.stopping import stop_signal
from scidex.cli.working import EVALUATORS, METERS, PROGRAM_NAMES, Options
from scidex.settings import TREASURY

if TYPE_CHECKING:
    from scidex.agent.agent import Report
    from scidex.records import Usage

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
    provider: Annotated[
        str, typer.Option(metavar="ACCOUNT", help="Who gets what the slots sell for; a third party names its own.")
    ] = TREASURY,
    pool: PoolOption = POOL,
    seats: Annotated[int, typer.Option("--concurrency", min=1, max=1_000, help="Runs side by side.")] = 1,
    reserve: Annotated[int, typer.Option(min=0, help="Least price of a slot, in tokens.")] = 0,
    allowance: Annotated[int | None, typer.Option(min=1, help="Tokens that a run may use.", show_default=False)] = None,
    max_seconds: Annotated[int, typer.Option(min=1, help="Time that a run may take.")] = 3_600,
    executor: Annotated[str, typer.Option(help="Where commands run: local or ray.")] = "local",
    ray_address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The head of the Ray cluster.", show_default=False)
    ] = None,
    needs: Annotated[
        list[str] | None, typer.Option("--need", metavar="NAME=AMOUNT", help="What a run needs of a Ray node.")
    ] = None,
    pass_on: Annotated[
        list[str] | None, typer.Option("--pass", metavar="NAME", help="A variable that commands get, beside the usual.")
    ] = None,
    cpu_seconds: Annotated[int | None, typer.Option(min=1, help="CPU time that a process of a run may use.")] = None,
    memory_mb: Annotated[int | None, typer.Option(min=16, help="Memory that a run may hold, in MiB.")] = None,
    meter: Annotated[str, typer.Option(help=f"What tells the usage of a run: {METERS}.")] = "file",
    max_usd: Annotated[
        float | None, typer.Option(min=0.0, help="USD that a run's key may spend (litellm, openrouter).")
    ] = None,
    outcome: Annotated[
        str | None, typer.Option(help=f"Also heed what the command says of its success: {PROGRAM_NAMES}.")
    ] = None,
    evaluator: Annotated[
        str | None, typer.Option(help=f"What tells the worth of a run: {EVALUATORS}.", show_default=False)
    ] = None,
    attester: Annotated[
        str | None, typer.Option(help="The evaluator's account, which exists already.", show_default=False)
    ] = None,
    shell: Annotated[
        str | None, typer.Option(help="A line for /bin/sh in place of COMMAND.", show_default=False)
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
    from scidex.agent.agent import Agent
    from scidex.agent.offers import Offers
    from scidex.cli.markets import market_at
    from scidex.settings import from_environment

    options = Options(
        command=command or [],
        shell=shell,
        task_commands=task_commands,
        directory=directory.resolve(),
        max_seconds=float(max_seconds),
        executor=executor,
        ray_address=ray_address,
        needs=needs or [],
        pass_on=pass_on or [],
        cpu_seconds=cpu_seconds,
        memory_mb=memory_mb,
        meter=meter,
        max_usd=max_usd,
        outcome=outcome,
        evaluator=evaluator,
        attester=attester,
    )
    work = options.work()
    with market_at(db, url, key) as market, stop_signal() as stop:
        if attester is not None and url is None:  # a worker's key may not read the account of another
            market.get_balance(attester)
        market.open_account(account)
        Agent(
            account,
            work,
            market=market,
            pool=pool,
            seats=seats,
            offers=Offers(reserve, allowance, max_seconds),
            provider_id=provider,
            lease_seconds=from_environment().lease_seconds if lease is None else lease,
            stop_seconds=grace,
            on_report=_say,
        ).run(stop)


def _say(report: Report) -> None:
    impact = "not known yet" if report.impact.usd is None else f"{report.impact.usd:,.2f} USD"
    print(
        f"{report.assignment.task_id}: {report.result.reason}; cost {_cost(report.usage)}; impact {impact}", flush=True
    )


def _cost(usage: Usage) -> str:
    known = [] if usage.tokens is None else [f"{usage.tokens:,} tokens"]
    known += [] if usage.cost_usd is None else [f"{usage.cost_usd:,.4f} USD"]
    return f"{', '.join(known)} ({usage.provenance})" if known else "not known"


@app.command()
def logs(
    run_id: Annotated[str, typer.Argument(help="The slot's id, or the assignment's.")],
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how a run ended, the last of what it wrote, and what it used."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_json, printable

    with market_at(db, url, key) as market:
        output = market.get_output(run_id)
        usages = market.get_usage(run_id)
    if as_json:
        told = None if output is None else output._asdict()
        print_json({"output": told, "usage": [usage._asdict() for usage in usages]})
        return
    if output is None:
        print("Nobody has said yet how this run ended.")
        return
    cost = _cost(usages[-1]) if usages else "not known"
    print(f"{output.reason or output.ended} after {output.seconds:,.1f} s; {output.output_bytes:,} bytes; cost {cost}")
    for name in ("stdout", "stderr"):
        print(f"--- {name}")
        print(printable(getattr(output, name)))


@app.command()
def revisit(
    attester: Annotated[str, typer.Option(help="The evaluator's account.")],
    merged_usd: Annotated[float, typer.Option(min=0.0, max=1e15, help="What a merged pull request is worth.")],
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Look at so many at most.")] = 100,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look again at the pull requests that were open, and attest what became of them."""
    from scidex.agent.evaluators import revisiting
    from scidex.agent.evaluators.pull_requests import PullRequestEvaluator
    from scidex.cli.markets import opened
    from scidex.cli.output import print_rows

    with opened(db) as market:
        seen = revisiting.revisit(PullRequestEvaluator(attester, merged_usd), limit=limit, db=market)
    print_rows([one._asdict() for one in seen], ("run_id", "url", "state", "checks", "note"), as_json=as_json)


@app.command("list")
def list_agents(
    ended_too: Annotated[bool, typer.Option("--all", help="Also workers that stopped or were lost.")] = False,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show workers: when each was last heard of, and what it runs and has on offer."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_rows

    with market_at(db, url, key) as market:
        found = [one._asdict() for one in market.list_workers(ended_too=ended_too)]
    columns = ("worker_id", "account_id", "provider_id", "pool", "status", "seats", "running", "on_offer", "seen_at")
    print_rows(found, columns, as_json=as_json)
