"""Commands on what runs cost and were worth: the report, and attesting impact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from scidex.cli.commands import command
from scidex.cli.session import Session

if TYPE_CHECKING:
    from scidex.records import CostReport

_GROUP_COLUMNS = ("runs", "runs_unknown", "tasks_dispatched", "tasks_done", "tokens", "cost_usd", "impact_usd")
_COLUMNS = ("task_id", "quest_id", "runs", "runs_unknown", "tokens", "cost_usd", "impact_usd")


@command("scidex report --hours 168", "scidex report --by quest", "scidex report --charged-usd 412.50")
def report(
    session: Session,
    hours: Annotated[float, typer.Option(min=0.001, max=24 * 366, help="How far to look back.")] = 24.0,
    charged_usd: Annotated[
        float | None, typer.Option(min=0.0, help="What was billed for that time in all.", show_default=False)
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Group by quest, agent, model or day, not by task.", show_default=False)
    ] = None,
) -> None:
    """Report what runs cost: for each task, for each dispatched task, and for each merged pull request."""
    found = session.market.report_costs(hours=hours, charged_usd=charged_usd, by=by)
    session.show(found, in_words(found))
    if session.as_json:
        return
    if by is None:
        session.table(found.tasks, _COLUMNS)
    else:
        session.table(
            [group._replace(name=group.name or "not known") for group in found.groups], ("name", *_GROUP_COLUMNS)
        )


def in_words(found: CostReport) -> str:
    """Return what a report comes to, a line for each fact."""
    sources = (f"{getattr(found, f'{source}_usd'):,.2f} {source}" for source in ("billed", "reported", "estimated"))
    merged = f"{found.pull_requests_merged} pull requests merged (of {found.pull_requests})"
    lines = [
        f"{found.runs} runs of {found.tasks_dispatched} tasks, {found.tasks_done} done; {found.tokens:,} tokens",
        f"{found.cost_usd:,.2f} USD: {', '.join(sources)}",
        f"{found.cost_given_back_usd:,.2f} USD of that on runs that were given back",
        f"for each task dispatched: {_usd(found.usd_per_task_dispatched)}",
        f"for each of {merged}: {_usd(found.usd_per_merged_pull_request)}",
    ]
    if found.runs_unknown:
        lines.append(f"{found.runs_unknown} runs have no known cost in USD: these sums are the least it can be")
    if found.unattributed_usd is not None:
        lines.append(f"of {_usd(found.charged_usd)} billed, {_usd(found.unattributed_usd)} belong to no run")
    return "\n".join(lines)


def _usd(amount: float | None) -> str:
    return "not known" if amount is None else f"{amount:,.2f} USD"


@command("scidex attest slot-17 --impact-usd 12.50 --as evaluator:ci")
def attest(
    session: Session,
    slot_id: Annotated[str, typer.Argument(help="The slot that was sold and settled.")],
    impact_usd: Annotated[float, typer.Option(help="What it was worth, in USD.")],
    attester: Annotated[str, typer.Option("--as", help="The evaluator's account.")],
) -> None:
    """Attest what a settled slot's impact was; the latest attestation counts, and refills the account that paid."""
    clear = session.market.attest(slot_id, actual_impact=impact_usd, attested_by=attester)
    roi = "not known" if clear.roi is None else f"{clear.roi:,.2f}"
    session.show(clear, f"{slot_id}: {impact_usd:,.2f} USD, attested by {attester}; ROI {roi}")
