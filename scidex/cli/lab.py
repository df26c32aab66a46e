"""`scidex lab`: markets tried out before anybody depends on them."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scidex.cli.commands import command
from scidex.cli.exits import Exit, leave
from scidex.cli.help import Command, Group
from scidex.cli.options import JsonOption
from scidex.cli.pairs import pairs

if TYPE_CHECKING:
    from scidex.lab.sampling import StudyPlan
    from scidex.lab.study import StudyFindings
    from scidex.profiles import Profile

app = typer.Typer(
    cls=Group, help="Simulations of a market on the exchange's own rules; no database.", no_args_is_help=True
)

Pairs = list[str] | None


@app.callback()
def lab() -> None:
    """Simulations of a market on the exchange's own rules; no database."""


@app.command(cls=Command)
@command("scidex lab market --load 2 --seeds 4", "scidex lab market --policy split --json")
def market(
    load: Annotated[float, typer.Option(help="Tasks that arrive for each slot.")] = 3.0,
    inflators: Annotated[bool, typer.Option("--inflators", help="A quarter of the quests claim 3 times more.")] = False,
    profile: Annotated[
        str, typer.Option(help="The market's settings: brief, recommended or generous.")
    ] = "recommended",
    quests: Annotated[int, typer.Option(min=1, max=1_000, help="How many quests there are.")] = 12,
    slots: Annotated[int, typer.Option(min=1, max=1_000, help="Slots of a cycle.")] = 4,
    seeds: Annotated[int, typer.Option(min=1, max=1_000, help="How many worlds are drawn.")] = 20,
    first_seed: Annotated[int, typer.Option(min=0, max=2**31, help="The seed of the first world.")] = 0,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days of 24 cycles that a world lasts.")] = 30,
    policy: Annotated[
        str, typer.Option(help="Who gets the slots: market, split, fifo, ev_rank or calibrated_rank.")
    ] = "market",
    strategy: Annotated[
        str | None, typer.Option(help="How quests bid, in place of the profile's way.", show_default=False)
    ] = None,
    settings: Annotated[
        Pairs, typer.Option("--set", metavar="KEY=VALUE", help="A value in place of the profile's.", show_default=False)
    ] = None,
    world: Annotated[
        Pairs, typer.Option("--world", metavar="KEY=VALUE", help="A value of the world's own.", show_default=False)
    ] = None,
    misreport: Annotated[
        bool, typer.Option("--misreport", help="Try what an honest quest gains by 15 untruths.")
    ] = False,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Processes side by side.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Simulate a market, and say how much of the best possible value it reaches, how long anyone waits, and more."""
    _need_numpy()
    from scidex.lab.sampling import StudyPlan
    from scidex.lab.worlds import WorldSpec

    given = pairs(world or [], "--world", {one.name: str(one.type) for one in fields(WorldSpec)})
    usual: dict[str, Any] = {"load": load, "quests": quests, "slots": slots, "days": days}
    if inflators:
        usual["inflators"] = max(1, round(quests / 4))
    spec = WorldSpec(**{**usual, **given})
    plan = StudyPlan(
        world=spec,
        policy=policy,
        profile=_profile(profile, strategy, settings or []),
        seeds=seeds,
        first_seed=first_seed,
        misreport=misreport,
    )
    _print(plan, _studied(plan, processes), as_json=as_json)


def _need_numpy() -> None:
    try:
        import numpy as np
    except ModuleNotFoundError:
        leave("the lab needs numpy: install scidex with its extra, scidex[lab]", Exit.NOT_INSTALLED)
    del np


def _profile(name: str, strategy: str | None, settings: list[str]) -> Profile:
    from scidex.profiles import Profile, profile_named

    overrides = pairs(settings, "--set", {one.name: str(one.type) for one in fields(Profile)})
    if strategy is not None:
        overrides["strategy"] = strategy
    return profile_named(name, **overrides)


def _studied(plan: StudyPlan, processes: int) -> StudyFindings:
    from rich.console import Console
    from rich.progress import Progress

    from scidex.lab.study import study

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("seeds", total=None)
        return study(
            plan, processes=processes, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )


def _print(plan: StudyPlan, found: StudyFindings, *, as_json: bool) -> None:
    if as_json:
        import json

        print(json.dumps(found.as_json(), indent=2))
        return
    from rich.console import Console

    from scidex.lab import report

    Console().print(report.table(plan, found))
    if found.misreports:
        Console().print(report.misreports(found))
