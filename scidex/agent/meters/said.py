"""What a program's account of a run comes to: totals of tokens and USD, and the sessions that they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from scidex.agent.meters import reading
from scidex.records import Usage


class Totals(NamedTuple):
    """Tokens and USD of one or several runs; USD that are not known in a part are not known in all."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0

    def plus(self, other: Totals) -> Totals:
        """Return the sum."""
        mine, theirs = self.cost_usd, other.cost_usd
        return Totals(
            self.input_tokens + other.input_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.output_tokens + other.output_tokens,
            None if mine is None or theirs is None else mine + theirs,
        )

    def less(self, other: Totals) -> Totals:
        """Return what is left of a total that covers another."""
        mine, theirs = self.cost_usd, other.cost_usd
        return Totals(
            self.input_tokens - other.input_tokens,
            self.cached_input_tokens - other.cached_input_tokens,
            self.output_tokens - other.output_tokens,
            None if mine is None or theirs is None else max(0.0, mine - theirs),
        )

    @property
    def is_empty(self) -> bool:
        """Whether no tokens were used."""
        return self[:3] == (0, 0, 0)

    def covers(self, other: Totals) -> bool:
        """Whether this can be a later state of a total that only grows."""
        return all(mine >= theirs for mine, theirs in zip(self[:3], other[:3], strict=True))

    def usage(self, meter: str, note: str = "", provenance: str = "reported", models: Iterable[str] = ()) -> Usage:
        """Return this as what a run used. Raises ValueError where the numbers are none."""
        if self.cached_input_tokens > self.input_tokens or min(self[:3]) < 0:
            raise ValueError("gives parts that are more than the whole")
        count = reading.tokens(self.input_tokens + self.output_tokens, "tokens in all")
        # A client that does not know a model's price takes it for 0.
        cost = None if self.cost_usd == 0 and count > 0 else reading.usd(self.cost_usd, "USD in all")
        return Usage(
            meter=meter,
            provenance=provenance,
            tokens=count,
            input_tokens=self.input_tokens,
            cached_input_tokens=self.cached_input_tokens,
            output_tokens=self.output_tokens,
            cost_usd=cost,
            cost_provenance="none" if cost is None else "estimated",
            note=note,
            model=names_of(models),
        )


def names_of(models: Iterable[str]) -> str:
    """Return the names of models as a usage has them: each once, in order, printable, and of bounded length."""
    names = ("".join(filter(str.isprintable, model))[:100] for model in models)
    return "+".join(sorted(set(filter(None, names))))[:300]


class Count(NamedTuple):
    """A total that an agent printed, and what surely was used since its last one, or the session's beginning."""

    total: Totals
    least_since: Totals = Totals()

    def is_later_than(self, before: Totals) -> bool:
        """Whether this can be a running total that held another one earlier."""
        return self.total.covers(before.plus(self.least_since))

    def since(self, before: Totals) -> Totals:
        """Return what was used since a total; all of this one where it began anew."""
        return self.total.less(before) if self.is_later_than(before) else self.total


class AgentSession(NamedTuple):
    """A session that can be resumed: what this run used of it, its first total in the run, and its last one."""

    session_id: str
    used: Totals
    first: Count
    total: Totals


class Said(NamedTuple):
    """What a run used by its program's own account, and the sessions that it is made of, where those can be resumed."""

    usage: Usage
    sessions: tuple[AgentSession, ...] = ()


def session_of(session_id: str, counts: Iterable[Count]) -> AgentSession:
    """
    Return a session by its totals in the order that they were printed.

    Each is a running total, which holds the one before; but one that is too small for that began anew, as where a
    program resumed the session without its total, and is added. An empty one says nothing about those before it.
    """
    used, last, first = Totals(), Totals(), Count(Totals())
    for count in counts:
        if count.total.is_empty:
            continue
        used = used.plus(count.since(last))
        first = count if last.is_empty else first
        last = count.total
    return AgentSession(session_id, used, first, last)


def all_used(sessions: Iterable[AgentSession]) -> Totals:
    """Return what the run used of all its sessions."""
    used = Totals()
    for session in sessions:
        used = used.plus(session.used)
    return used


def charged_once(said: Said, earlier: Mapping[str, Totals]) -> Usage:
    """Return what the run used, without what earlier runs of its sessions used, by their totals at the end of those."""
    before = Totals()
    for session in said.sessions:
        known = earlier.get(session.session_id, Totals())
        if session.first.is_later_than(known):
            before = before.plus(known)
    if before.is_empty:
        return said.usage
    note = "; ".join(filter(None, (said.usage.note, "without what earlier runs of its session used")))
    return all_used(said.sessions).less(before).usage(said.usage.meter, note, said.usage.provenance, [said.usage.model])
