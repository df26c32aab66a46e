"""
What a simulated market achieves, against its limits, and beside other policies.

`python -m benchmarks market` tries the limits; `python -m benchmarks.market` prints the tables of
docs/explanation/what-the-market-achieves.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from benchmarks.timing import Ratio
from scidex.lab.sampling import StudyPlan
from scidex.lab.study import StudyFindings, study
from scidex.lab.worlds import WorldSpec
from scidex.profiles import profile_named

USUAL = WorldSpec(load=3.0)
INFLATED = replace(USUAL, inflators=3)
LIGHT = replace(USUAL, load=1.2)
CROWDED = WorldSpec(load=3.0, quests=40, slots=1, inflators=10)

# The brief's clamp with nothing else of the brief's: income alone, as large as the slots cost or fixed.
CLAMP = {"profile": "brief", "refill_percent": 0}
ROWS: dict[str, dict[str, Any]] = {
    "first come, first served": {"policy": "fifo"},
    "proportional split": {"policy": "split"},
    "rank by claimed EV": {"policy": "ev_rank"},
    "rank by calibrated EV": {"policy": "calibrated_rank"},
    "profile `brief`: clamp, 1,000,000 tokens a day, refills": {"profile": "brief"},
    "clamp, 150,000 tokens a day, no refills": {**CLAMP, "daily_bucket_tokens": 150_000},
    "clamp, 75,000 tokens a day, no refills": {**CLAMP, "daily_bucket_tokens": 75_000},
    "clamp, income indexed": {**CLAMP, "income": "indexed"},
    "pacing and calibration, 75,000 tokens a day, no cap, no floor": {
        **CLAMP, "strategy": "paced", "calibrate": True, "daily_bucket_tokens": 75_000,
    },
    "**`recommended`**": {},
    "`recommended` without rank cap and pacing": {"strategy": "fixed", "rank_cap": False},
    "`recommended` without pacing": {"strategy": "fixed"},
    "`recommended` without the rank cap": {"rank_cap": False},
    "`recommended` with 75,000 tokens a day": {"income": "fixed", "daily_bucket_tokens": 75_000},
    "`recommended` without calibration": {"calibrate": False},
    "`recommended` without the floor": {"floor": False},
    "`generous`": {"profile": "generous"},
}  # fmt: skip


def plan(world: WorldSpec, *, policy: str = "market", profile: str = "recommended", **values: Any) -> StudyPlan:
    """Return a plan of 20 seeds."""
    return StudyPlan(world=world, policy=policy, profile=profile_named(profile, **values))


@cache
def found(wanted: StudyPlan, processes: int = 2) -> StudyFindings:
    """Return what a plan comes to, simulated once."""
    return study(wanted, processes=processes)


def limits() -> Iterator[Ratio]:
    """Yield what the recommended market has to reach."""
    for name, world, least in (
        ("value at load 3", USUAL, 0.94),
        ("value at load 3 with inflators", INFLATED, 0.94),
        ("value at load 1.2", LIGHT, 0.985),
        ("value of 40 quests on 1 slot", CROWDED, 0.90),
    ):
        yield _at_least(name, found(plan(world)).efficiency, least)
    for name, world in (("longest wait at load 3", USUAL), ("longest wait with inflators", INFLATED)):
        yield _at_most(name, found(plan(world)).longest_wait, 26, "cycles")
    gains = found(replace(plan(INFLATED), misreport=True))
    yield _at_most(f"gain of the best misreport ({gains.misreport_best})", 100 * gains.misreport_gain, 4, "%")
    yield _at_most("the same on held-out seeds", 100 * gains.misreport_gain_held_out, 4, "%")


def table(rows: Iterable[str]) -> Iterator[str]:
    """Yield the lines of the table of policies, in Markdown."""
    yield "| policy | load 1.2× | load 3× | 3×, inflators | longest wait at 3× |"
    yield "|---|---|---|---|---|"
    for name in rows:
        light, usual, inflated = (found(plan(world, **ROWS[name])) for world in (LIGHT, USUAL, INFLATED))
        values = " | ".join(f"{one.efficiency:.3f}" for one in (light, usual, inflated))
        yield f"| {name} | {values} | {usual.longest_wait} |"


def gains(rows: Iterable[str]) -> Iterator[str]:
    """Yield the lines of the table of what misreports gain, in Markdown."""
    yield "| policy | best misreport | gain | median | held out |"
    yield "|---|---|---|---|---|"
    for name in rows:
        one = found(replace(plan(INFLATED, **ROWS[name]), misreport=True))
        median = one.misreports[one.misreport_best]["median"]
        yield (
            f"| {name} | `{one.misreport_best}` | {_percent(one.misreport_gain, one.misreport_gain_se)} |"
            f" {100 * median:.1f} % | {_percent(one.misreport_gain_held_out, one.misreport_gain_held_out_se)} |"
        )


def _at_least(name: str, measured: float, limit: float) -> Ratio:
    return Ratio(name, measured, limit, "of the optimum", f"at least {limit}", measured / limit, measured >= limit)


def _at_most(name: str, measured: float, limit: float, unit: str) -> Ratio:
    return Ratio(name, measured, limit, unit, f"at most {limit}", measured / limit, measured <= limit)


def _percent(mean: float, error: float) -> str:
    return f"{100 * mean:.1f} ± {100 * error:.1f} %"


def main() -> None:
    """Print the tables, row by row as they are simulated."""
    parser = argparse.ArgumentParser(prog="benchmarks.market", description=__doc__)
    parser.add_argument("rows", nargs="*", help="parts of the names of rows; every one unless given")
    parser.add_argument("--gains", action="store_true", help="what misreports gain, in place of what policies achieve")
    given = parser.parse_args()
    rows = [name for name in ROWS if not given.rows or any(part in name for part in given.rows)]
    for line in gains(rows) if given.gains else table(rows):
        print(line, flush=True)


if __name__ == "__main__":
    main()
