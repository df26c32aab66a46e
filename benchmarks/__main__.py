"""Run the measurements: `python -m benchmarks [NAME …] [--bids N]`; each prints its ratio and whether it is met."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks import clearing, market, placing, serving, soak
from benchmarks.markets import postgres_copies, postgres_market, sqlite_copies, sqlite_market
from benchmarks.timing import Ratio
from tests.postgres_server import running_postgres

NAMES = ("batches", "refused", "serving", "clearing")
# These take minutes to an hour: they are measured where they are asked for.
ON_REQUEST = ("market", "soak")


def measure(names: Sequence[str], given: argparse.Namespace) -> Iterable[Ratio]:
    """Yield the ratios of the named measurements, on both databases where they need one."""
    bids, folder = given.bids, given.folder
    if set(names) == {"market"}:
        yield from market.limits()
        return
    with running_postgres({"shared_buffers": "512MB", "max_wal_size": "4GB"}) as server:
        for name in names:
            if name == "batches":
                with sqlite_market(folder) as db:
                    yield placing.batches(db, share=0.10, least_per_second=30_000)
                with postgres_market(server) as db:
                    yield placing.batches(db, share=0.15, least_per_second=15_000)
            elif name == "refused":
                with sqlite_market(folder) as db:
                    yield placing.refused(db, most_seconds=0.5)
                with postgres_market(server) as db:
                    yield placing.refused(db, most_seconds=0.5)
            elif name == "serving":
                yield serving.durable_bids(folder)
            elif name == "market":
                yield from market.limits()
            elif name == "soak":
                yield from soak.on_both(folder, server, minutes=given.minutes, rate=given.rate)
            else:
                with sqlite_copies(folder, lambda db: clearing.fill(db, bids)) as lend:
                    yield from clearing.clear_large(lend, bids)
                with postgres_copies(server, lambda db: clearing.fill(db, bids)) as lend:
                    yield from clearing.clear_large(lend, bids)


def main() -> int:
    """Print every ratio as it is measured; the exit code is 1 where one is not met."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[[], *NAMES, *ON_REQUEST], help="what to measure; everything unless given"
    )
    parser.add_argument("--bids", type=int, default=1_000_000, help="how many bids a large book has")
    parser.add_argument("--minutes", type=float, default=60.0, help="how long a soak lasts")
    parser.add_argument("--rate", type=int, default=20, help="how many requests a second a soak sends")
    parser.add_argument("--folder", type=Path, default=Path(), help="where SQLite files are put while measuring")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    given = parser.parse_args()
    print(f"# Python {platform.python_version()}, {platform.machine()}", file=sys.stderr)
    missed = 0
    for ratio in measure(given.names or NAMES, given):
        print(json.dumps(asdict(ratio)) if given.json else ratio.line(), flush=True)
        missed += ratio.met is False
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
