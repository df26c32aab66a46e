"""`scidex serve`: a market's server alone; its rounds are cleared elsewhere, or by hand."""

from __future__ import annotations

import logging

from scidex.cli.opening import RECOMMENDED
from scidex.cli.options import DatabaseOption
from scidex.cli.reach import (
    CertificateOption,
    HostOption,
    InsecureOption,
    NamesOption,
    PrivateKeyOption,
    transport_of,
)
from scidex.cli.stopping import stop_signal
from scidex.cli.up import PortOption


def serve(
    db: DatabaseOption = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = None,
    names: NamesOption = None,
    certificate: CertificateOption = None,
    private_key: PrivateKeyOption = None,
    insecure: InsecureOption = False,
) -> None:
    """Serve a market with its dashboard, and clear no rounds, until stopped by Ctrl-C or SIGTERM."""
    logging.basicConfig(level="WARNING", format="%(levelname)s %(name)s: %(message)s")
    from scidex.web.market_up import served_market, sweeping

    transport = transport_of(names, certificate, private_key, insecure=insecure)
    with (
        stop_signal() as stop,
        served_market(db, host=host, port=port, transport=transport, profile=RECOMMENDED) as market,
        sweeping(market.db),
    ):
        print(f"dashboard   {market.dashboard()}")
        print(f"api         {market.address}")
        print("to stop     Ctrl-C", flush=True)
        stop.wait()
