"""Findings as a table for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from scidex.lab.sampling import StudyPlan
    from scidex.lab.study import StudyFindings


def table(plan: StudyPlan, found: StudyFindings) -> Table:
    """Return what a plan came to, one line for each measure."""
    shown = Table("measure", "value", title=_title(plan), title_justify="left", box=box.SIMPLE_HEAD)
    for measure, value in _lines(found):
        shown.add_row(measure, value)
    return shown


def misreports(found: StudyFindings) -> Table:
    """Return what each misreport gains, the best first."""
    shown = Table("misreport of one honest quest", "gain", "standard error", "median", box=box.SIMPLE_HEAD)
    for name, gain in sorted(found.misreports.items(), key=lambda one: -one[1]["gain"]):
        shown.add_row(name, *(_percent(gain[column]) for column in ("gain", "gain_se", "median")))
    return shown


def _title(plan: StudyPlan) -> str:
    world = plan.world
    policy = f"market, strategy {plan.profile.strategy}" if plan.policy == "market" else plan.policy
    return (
        f"{policy}: {world.quests} quests, {world.slots} slots a cycle, load {world.load:g}×, "
        f"{world.inflators} inflators, {world.days} days, {plan.seeds} seeds"
    )


def _lines(found: StudyFindings) -> Iterator[tuple[str, str]]:
    yield "value, of the clairvoyant optimum", f"{found.efficiency:.4f} ± {found.efficiency_se:.4f}"
    yield "longest wait of a quest, any seed", f"{found.longest_wait} cycles"
    yield "longest wait, mean over seeds", f"{found.mean_longest_wait:.1f} cycles"
    yield "Jain's index of satisfied value", f"{found.jain_value:.3f}"
    yield "Jain's index of slots", f"{found.jain_slots:.3f}"
    if found.tokens:
        yield "Gini of wallets at the end", f"{found.tokens.wallet_gini:.3f}"
        yield "mean price", f"{found.tokens.mean_price:,.0f} tokens"
        yield "volatility of the price", f"{found.tokens.price_volatility:.3f}"
        yield "slots that the floor gave away", _percent(found.tokens.given_free)
    if found.misreport_gain is not None and found.misreport_gain_se is not None:
        yield f"best misreport ({found.misreport_best})", _gain(found.misreport_gain, found.misreport_gain_se)
    if found.misreport_gain_held_out is not None and found.misreport_gain_held_out_se is not None:
        gain = _gain(found.misreport_gain_held_out, found.misreport_gain_held_out_se)
        yield "the same on held-out seeds", gain


def _gain(mean: float, error: float) -> str:
    return f"{100 * mean:.1f} ± {100 * error:.1f} %"


def _percent(part: float) -> str:
    return f"{100 * part:.1f} %"
