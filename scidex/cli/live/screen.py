"""A snapshot as lines of text: a pure function of what is known, what is chosen, and the size of the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from scidex.cli.live.snapshot import Running, Snapshot, Waiting
from scidex.cli.output import printable

_BARS = "▁▂▃▄▅▆▇█"
_PRICES_SHOWN = 24
_LEAST_ID = 24
KEYS = "q quit · ↑↓ choose · enter why · p pause or resume · tab next pool"


@dataclass(frozen=True)
class View:
    """What a person has chosen to see."""

    chosen: int = 0
    message: str = ""
    fault: str = ""

    def moved(self, steps: int, rows: int) -> View:
        """Return the view with another row chosen, within those that there are."""
        return replace(self, chosen=max(0, min(self.chosen + steps, rows - 1)), message="")


def lines_of(snapshot: Snapshot, view: View, width: int, height: int) -> list[Text]:
    """Return as many lines as there are, none wider than the terminal."""
    head = list(_head(snapshot))
    foot = [Text(view.message), Text(view.fault, "bold red"), Text(KEYS, "dim")]
    room = max(0, height - len(head) - len(foot) - 4)
    named = [one.task_id for one in snapshot.running] + [one.task_id for one in snapshot.waiting]
    ids = max(map(cell_len, named), default=0)
    ids = max(_LEAST_ID, min(ids, width // 2))
    running = _rows_of(snapshot.running, min(len(snapshot.running), room // 3), ids)
    waiting = _chosen_rows(snapshot.waiting, view.chosen, room - len(running), ids)
    body = [Text(""), _title("RUNNING", len(snapshot.running)), *running]
    body += [Text(""), _title("WAITING", len(snapshot.waiting)), *waiting]
    lines = [*head, *body]
    lines += [Text("")] * (height - len(lines) - len(foot))
    return [_within(line, width) for line in [*lines, *foot][:height]]


def _head(snapshot: Snapshot) -> Iterable[Text]:
    place = snapshot.pools.index(snapshot.pool) + 1 if snapshot.pool in snapshot.pools else 1
    pool = f"{snapshot.pool} ({place} of {len(snapshot.pools)} pools)"
    yield Text(f"scidex · {pool} · {_when(snapshot)} · {snapshot.at.astimezone(UTC):%H:%M:%SZ}", "bold")
    yield Text(f"rounds   {_rounds(snapshot)}")
    yield Text(f"seats    {_seats(snapshot)}")
    yield Text(f"spend    {_spend(snapshot)}")


def _when(snapshot: Snapshot) -> str:
    status = snapshot.status
    if status.paused:
        return "PAUSED"
    if status.next_cycle_at is None:
        return "no loop clears it (scidex up)"
    left = (status.next_cycle_at - snapshot.at).total_seconds()
    when = f"clears in {left:,.0f} s" if left >= 0 else f"overdue by {-left:,.0f} s"
    return f"{status.mode}, {when}"


def _rounds(snapshot: Snapshot) -> str:
    stats = snapshot.stats
    if not stats["rounds"]:
        return "none in the last 24 h"
    price = "no price" if stats["last_price_tokens"] is None else f"last price {stats['last_price_tokens']:,}"
    fill = "" if stats["fill_rate"] is None else f", {stats['fill_rate']:.0%} of slots sold"
    prices = [one["clearing_price_tokens"] for one in stats["prices"] if one["clearing_price_tokens"] is not None]
    return f"{stats['rounds']:,} in 24 h, {price}{fill}  {sparkline(prices[-_PRICES_SHOWN:])}".rstrip()


def sparkline(values: list[int]) -> str:
    """Return a bar for each value, the highest for the largest."""
    most = max(values, default=0)
    return "".join(_BARS[value * (len(_BARS) - 1) // most] if most else _BARS[0] for value in values)


def _seats(snapshot: Snapshot) -> str:
    if snapshot.workers is None:
        return f"{_counted(snapshot.on_offer, 'slot')} on offer (agents are shown to an operator's key)"
    seats = sum(one.seats for one in snapshot.workers)
    runs = sum(one.running for one in snapshot.workers)
    agents = f"{_counted(len(snapshot.workers), 'agent')} with {_counted(seats, 'seat')}: {runs:,} busy"
    return (
        f"{agents}; {_counted(snapshot.on_offer, 'slot')} on offer"
        if snapshot.workers
        else "no agent: scidex agent run"
    )


def _spend(snapshot: Snapshot) -> str:
    costs = snapshot.costs
    if costs is None:
        return "shown to an operator's key"
    unknown = f", {costs.runs_unknown:,} of unknown cost" if costs.runs_unknown else ""
    runs = f"{_counted(costs.runs, 'run')}{unknown}"
    return f"{costs.cost_usd:,.2f} USD and {costs.tokens:,} tokens in 24 h, {runs}, in all pools"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _title(name: str, count: int) -> Text:
    return Text(f"{name} ({count:,})", "bold")


def _rows_of(running: tuple[Running, ...], most: int, ids: int) -> list[Text]:
    return [
        Text(f"  {_padded(one.task_id, ids)} {_price(one.price_tokens)}  {_since(one):<9} {_plain(one.title)}")
        for one in running[:most]
    ]


def _chosen_rows(waiting: tuple[Waiting, ...], chosen: int, room: int, ids: int) -> list[Text]:
    """Return the rows around the chosen one that there is room for."""
    first = max(0, min(chosen - room // 2, len(waiting) - room))
    rows = []
    for place, one in enumerate(waiting[first : first + max(0, room)], start=first):
        mark, style = (">", "reverse") if place == chosen else (" ", "")
        told = f"{_price(one.price_tokens)}  {_plain(one.why):<28} {_plain(one.title)}"
        rows.append(Text(f"{mark} {_padded(one.task_id, ids)} {told}", style))
    return rows


def _price(tokens: int | None) -> str:
    return f"{'' if tokens is None else f'{tokens:,}':>9}"


def _padded(text: str, width: int) -> str:
    return set_cell_size(_plain(text), width)


def _since(one: Running) -> str:
    started: datetime | None = one.started_at
    return "won" if started is None else f"{started.astimezone(UTC):%H:%M:%SZ}"


def _plain(text: str) -> str:
    return printable(text).replace("\n", " ").replace("\t", " ")


def _within(line: Text, width: int) -> Text:
    line.truncate(width, overflow="ellipsis")
    return line
