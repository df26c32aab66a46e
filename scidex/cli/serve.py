"""`scidex serve`: a market's server alone; its rounds are cleared elsewhere, or by hand."""

from __future__ import annotations

import logging

from scidex.cli.commands import command
from scidex.cli.opening import RECOMMENDED
from scidex.cli.options import DatabaseOption
from scidex.cli.reach import Reach
from scidex.cli.stopping import stop_signal


@command("scidex serve --db postgresql://market@db/market --port 8787")
def serve(reach: Reach, db: DatabaseOption = None) -> None:
    """Serve a market with its dashboard, and clear no rounds, until stopped by Ctrl-C or SIGTERM."""
    logging.basicConfig(level="WARNING", format="%(levelname)s %(name)s: %(message)s")
    from scidex.web.market_up import served_market, sweeping

    transport = reach.transport()
    with (
        stop_signal() as stop,
        served_market(db, host=reach.host, port=reach.port, transport=transport, profile=RECOMMENDED) as market,
        sweeping(market.db),
    ):
        print(f"dashboard   {market.dashboard()}")
        print(f"api         {market.address}")
        print("to stop     Ctrl-C", flush=True)
        stop.wait()
