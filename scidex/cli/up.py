"""`scidex up`: a market in one process, and on request a real fleet at work in it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scidex.cli.opening import RECOMMENDED
from scidex.cli.options import POOL, DatabaseOption, PoolOption
from scidex.cli.reach import (
    CertificateOption,
    HostOption,
    InsecureOption,
    NamesOption,
    PrivateKeyOption,
    transport_of,
)
from scidex.cli.stopping import stop_signal

if TYPE_CHECKING:
    from scidex.web.serving import Transport

_DEMO_CYCLE_SECONDS = 1.0

PortOption = Annotated[
    int | None,
    typer.Option(
        min=0, max=65_535, help="The port to serve at; unless given 8787, or any free one.", show_default=False
    ),
]
CycleOption = Annotated[
    float | None,
    typer.Option(
        min=0.05, max=604_800, help="Seconds from round to round: the setting, with --demo 1.", show_default=False
    ),
]
SecondsOption = Annotated[
    float | None,
    typer.Option(
        envvar="DEMO_SECONDS", min=1, max=604_800, help="The demo stops by itself after this.", show_default=False
    ),
]


def up(
    db: DatabaseOption = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = None,
    names: NamesOption = None,
    certificate: CertificateOption = None,
    private_key: PrivateKeyOption = None,
    insecure: InsecureOption = False,
    pool: PoolOption = POOL,
    cycle_seconds: CycleOption = None,
    profile: Annotated[
        str, typer.Option(help="What a new market is set to: brief, recommended, generous.")
    ] = RECOMMENDED,
    demo: Annotated[bool, typer.Option("--demo", help="Add a real workload: audits of the packages here.")] = False,
    agents: Annotated[int, typer.Option(min=1, max=8, help="Agents of the demo.")] = 4,
    seconds: SecondsOption = None,
    directory: Annotated[Path, typer.Option(help="Where the demo keeps its runs.")] = Path(".demo"),
) -> None:
    """Serve a market with its dashboard, and clear its rounds, until stopped by Ctrl-C or SIGTERM."""
    logging.basicConfig(level="WARNING", format="%(levelname)s %(name)s: %(message)s")
    if not demo:
        transport = transport_of(names, certificate, private_key, insecure=insecure)
        from scidex.settings import from_environment

        every = from_environment().cycle_seconds if cycle_seconds is None else cycle_seconds
        _serve(db, host, port, transport, pool, every, profile)
        return

    from rich.console import Console

    from scidex.demo.run import Plan, run_demo

    plan = Plan(
        directory=directory,
        database_url=db,
        host=host,
        port=port,
        cycle_seconds=_DEMO_CYCLE_SECONDS if cycle_seconds is None else cycle_seconds,
        agents=agents,
        seconds=seconds,
        profile=profile,
    )
    with stop_signal() as stop:
        run_demo(plan, stop, Console())


def _serve(
    db: str | None, host: str, port: int | None, transport: Transport, pool: str, cycle_seconds: float, profile: str
) -> None:
    from scidex.exchange import compute_auction
    from scidex.web.market_up import clearing, served_market

    with (
        stop_signal() as stop,
        served_market(db, host=host, port=port, transport=transport, pool=pool, profile=profile) as market,
    ):
        settings = compute_auction.get_market_settings(pool, db=market.db)
        # An address of PostgreSQL may hold a password.
        print(f"database    {market.db.url if market.db.dialect == 'sqlite' else 'PostgreSQL'}")
        print(f"rounds      every {cycle_seconds:g} s in pool {pool}, by the profile {settings.profile}")
        print(f"dashboard   {market.dashboard()}")
        print(f"api         {market.address}")
        print("to stop     Ctrl-C", flush=True)
        with clearing(market.db, pool=pool, cycle_seconds=cycle_seconds):
            stop.wait()
