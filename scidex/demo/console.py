"""What a person sees of the demo: where to look, a line a round, and a summary at the end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scidex.demo.audits import AUDITS, BY_QUEST, Audit
from scidex.demo.tally import RunSums, Tally, winners
from scidex.records import CycleReport, Round

_HEADINGS = f"{'time':>5}  {'round':>5}  {'bids':>5}  {'sold':>5}  {'price':>7}   {'done since the last':<28} won by"
_ROUNDS_BETWEEN_HEADINGS = 20


class Show:
    """Prints the demo to a console; safe to call from several threads."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began_at = datetime.now(UTC)
        self._rounds = 0

    def welcome(self, *, packages: int, kilobytes: int, tasks: int, agents: int, cycle_seconds: float) -> None:
        """Say what is about to happen."""
        self._line("A fleet of agents audits the Python packages that are installed here.", style="bold")
        self._line(
            f"{len(AUDITS)} quests, one a kind of audit, want {packages} packages ({kilobytes:,} kB of source) read: "
            f"{tasks:,} tasks."
        )
        self._line(
            f"{agents} agents have a slot each. Every {cycle_seconds:g} s the best bids win them, at one price for all;"
        )
        self._line("then the agents run ruff, and what it really finds refills the wallet that paid.")

    def doors(self, *, dashboard: str, findings: str, seconds: float | None) -> None:
        """Say where to look, and how to stop."""
        self._line()
        self._line(f"  dashboard   {dashboard}", style="bold cyan")
        self._line(f"  findings    {findings}")
        self._line(f"  to stop     {'Ctrl-C' if seconds is None else f'Ctrl-C, or wait {seconds:g} s'}")
        self._line()

    def cycle(self, report: CycleReport, since: RunSums) -> None:
        """Print a round's line."""
        if report.error is not None:
            self._line(f"{self._time()}  the round did not complete: {report.error}", style="red")
        elif report.round is not None and report.round.bids:
            if self._rounds % _ROUNDS_BETWEEN_HEADINGS == 0:
                self._line(_HEADINGS, style="dim")
            self._rounds += 1
            self._line(self._round(report.round, since))

    def newcomer(self, audit: Audit, tasks: int) -> None:
        """Say that a quest joins."""
        grant = f"{audit.wallet_tokens:,} tokens"
        self._line(f"{self._time()}  a new quest joins: {audit.quest_id}, with {tasks} tasks and {grant}", style="cyan")

    def all_done(self) -> None:
        """Say that nothing is left to do."""
        self._line(f"{self._time()}  everything has been read; the market stays open to look at", style="cyan")

    def summary(self, tally: Tally, wallets: dict[str, int], facts: dict[str, Any], *, findings: str) -> None:
        """Print what came of it all."""
        self._line()
        self._console.print(_quests(tally, wallets))
        self._console.print(_agents(tally, wallets))
        self._line(
            f"{facts['rounds']} rounds sold {facts['slots_sold']} slots; {facts['tasks_run']} tasks ran, "
            f"{facts['tasks_failed']} of them failed."
        )
        if given_back := facts["slots_sold"] - tally.total.sold:
            self._line(f"{given_back} slots were sold when the end came: their tokens went back.")
        self._line(
            f"{facts['tokens_spent']:,} tokens were paid for slots, {facts['cost_tokens']:,} tokens of source were "
            f"read, and the findings are worth {facts['impact_usd']:,.2f} USD."
        )
        self._line(f"{facts['findings']:,} findings are there to read: {findings}")
        verified = facts["books_verified"]
        self._line(
            "The books are right: every token is accounted for." if verified else "THE BOOKS ARE WRONG: see above.",
            style="bold green" if verified else "bold red",
        )

    def problem(self, sentence: str) -> None:
        """Print something that went wrong."""
        self._line(sentence, style="red")

    def _round(self, cleared: Round, since: RunSums) -> str:
        price = "-" if cleared.clearing_price_tokens is None else f"{cleared.clearing_price_tokens:,}"
        done = f"{since.tasks} tasks: {since.impact_usd:.2f} USD found" if since.tasks else ""
        if since.failed:
            done += f", {since.failed} failed"
        won = ", ".join(f"{quest} {count}" if count > 1 else quest for quest, count in winners(cleared).most_common())
        sold = f"{cleared.sold}/{cleared.slots}"
        return f"{self._time()}  {self._rounds:>5}  {cleared.bids:>5,}  {sold:>5}  {price:>7}   {done:<28} {won}"

    def _time(self) -> str:
        seconds = int((datetime.now(UTC) - self._began_at).total_seconds())
        return f"{seconds // 60:>2}:{seconds % 60:02}"

    def _line(self, text: str = "", style: str = "") -> None:
        self._console.print(Text(text, style=style), soft_wrap=True)


def _quests(tally: Tally, wallets: dict[str, int]) -> Table:
    table = _table("quest", "tasks", "won", "paid", "expected", "found", "grant", "wallet")
    for quest_id, audit in BY_QUEST.items():
        if f"quest:{quest_id}" not in wallets:
            continue
        sums = tally.by_quest.get(quest_id, RunSums())
        counts = (sums.tasks, sums.sold, sums.paid_tokens)
        dollars = (sums.expected_usd, sums.impact_usd)
        tokens = (audit.wallet_tokens, wallets[f"quest:{quest_id}"])
        table.add_row(
            quest_id, *map("{:,}".format, counts), *map("{:,.2f} $".format, dollars), *map("{:,}".format, tokens)
        )
    return table


def _agents(tally: Tally, wallets: dict[str, int]) -> Table:
    table = _table("agent", "tasks", "failed", "source read", "found", "earned")
    for agent, sums in sorted(tally.by_agent.items()):
        counts = (sums.tasks, sums.failed, sums.cost_tokens)
        table.add_row(agent, *map("{:,}".format, counts), f"{sums.impact_usd:,.2f} $", f"{wallets[agent]:,}")
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
