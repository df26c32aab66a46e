"""`scidex up`: a market in one process, and on request a real fleet at work in it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from scidex.cli.commands import command
from scidex.cli.opening import RECOMMENDED
from scidex.cli.options import POOL, DatabaseOption
from scidex.cli.reach import Reach
from scidex.cli.stopping import stop_signal

_DEMO_CYCLE_SECONDS = 1.0

CycleOption = Annotated[
    float | None,
    typer.Option(
        min=0.05, max=604_800, help="Seconds from round to round: the setting, with --demo 1.", show_default=False
    ),
]
ProfileOption = Annotated[str, typer.Option(help="What a new market is set to: brief, recommended, generous.")]


@dataclass(frozen=True)
class Demo:
    """What a demo does."""

    demo: Annotated[bool, typer.Option("--demo", help="Add a real workload: audits of the packages here.")] = False
    agents: Annotated[int, typer.Option(min=1, max=8, help="Agents of the demo.")] = 4
    seconds: Annotated[
        float | None,
        typer.Option(
            envvar="DEMO_SECONDS", min=1, max=604_800, help="The demo stops by itself after this.", show_default=False
        ),
    ] = None
    directory: Annotated[Path, typer.Option(help="Where the demo keeps its runs.")] = Path(".demo")


@command(
    "scidex up", "scidex up --demo --seconds 60", "scidex up --db postgresql://market@db/market --cycle-seconds 300"
)
def up(
    reach: Reach,
    demo: Demo,
    db: DatabaseOption = None,
    pool: Annotated[str | None, typer.Option(help="Clear this pool alone; all pools unless given.")] = None,
    cycle_seconds: CycleOption = None,
    profile: ProfileOption = RECOMMENDED,
) -> None:
    """Serve a market with its dashboard, and clear its rounds, until stopped by Ctrl-C or SIGTERM."""
    logging.basicConfig(level="WARNING", format="%(levelname)s %(name)s: %(message)s")
    if demo.demo:
        _demonstrate(demo, db, reach, _DEMO_CYCLE_SECONDS if cycle_seconds is None else cycle_seconds, profile)
    else:
        from scidex.settings import from_environment

        every = from_environment().cycle_seconds if cycle_seconds is None else cycle_seconds
        _serve(db, reach, pool, every, profile)


def _demonstrate(demo: Demo, db: str | None, reach: Reach, cycle_seconds: float, profile: str) -> None:
    from rich.console import Console

    from scidex.demo.run import DemoPlan, run_demo

    plan = DemoPlan(
        directory=demo.directory,
        database_url=db,
        host=reach.host,
        port=reach.port,
        cycle_seconds=cycle_seconds,
        agents=demo.agents,
        seconds=demo.seconds,
        profile=profile,
    )
    with stop_signal() as stop:
        run_demo(plan, stop, Console())


def _serve(db: str | None, reach: Reach, pool: str | None, cycle_seconds: float, profile: str) -> None:
    from scidex.exchange import compute_auction
    from scidex.web.market_up import clearing, clearing_all, served_market

    transport = reach.transport()
    with (
        stop_signal() as stop,
        served_market(
            db, host=reach.host, port=reach.port, transport=transport, pool=pool or POOL, profile=profile
        ) as market,
    ):
        settings = compute_auction.get_market_settings(pool or POOL, db=market.db)
        # An address of PostgreSQL may hold a password.
        print(f"database    {market.db.url if market.db.dialect == 'sqlite' else 'PostgreSQL'}")
        print(f"rounds      every {cycle_seconds:g} s in {pool or 'every pool'}, by the profile {settings.profile}")
        print(f"dashboard   {market.dashboard()}")
        print(f"api         {market.address}")
        print("to stop     Ctrl-C", flush=True)
        cycles = (
            clearing_all(market.db, lambda _pool: cycle_seconds)
            if pool is None
            else clearing(market.db, pool=pool, cycle_seconds=cycle_seconds)
        )
        with cycles:
            stop.wait()
