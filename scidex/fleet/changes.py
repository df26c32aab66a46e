"""What would have to change in a market so that it is as its fleet's file says, each change in a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scidex.errors import UnknownAccount, UnknownQuest, shown
from scidex.fleet.schema import Fleet, Pool, Quest
from scidex.market import Market
from scidex.profiles import profile_named, values_of


@dataclass(frozen=True)
class Change:
    """One thing that is made (`+`) or changed (`~`)."""

    sign: str
    subject: str
    detail: str
    do: Callable[[Market], object]

    def __str__(self) -> str:
        return f"{self.sign} {self.subject}{': ' if self.detail else ''}{self.detail}"


def changes(fleet: Fleet, market: Market) -> list[Change]:
    """
    Return what differs, in the order in which it can be changed.

    What a market has and the file does not name is left as it is. Raises ScidexError.
    """
    return [*_of_pools(fleet, market), *_of_quests(fleet, market), *_of_accounts(fleet, market)]


def apply(found: list[Change], market: Market) -> None:
    """Make the changes, one after the other. Raises ScidexError; what was done until then stays."""
    for change in found:
        change.do(market)


def _of_pools(fleet: Fleet, market: Market) -> Iterator[Change]:
    known = {one.pool for one in market.list_pools()}
    for name, pool in fleet.pools.items():
        wanted = values_of(profile_named(pool.profile, **pool.settings))
        if name not in known:
            yield Change("+", f"pool {name}", f"profile {pool.profile}", _opening(name, pool))
            continue
        found = market.get_market_settings(name)
        told = list(_differing({"profile": found.profile, **found.settings}, {"profile": pool.profile, **wanted}))
        if told:
            yield Change("~", f"pool {name}", ", ".join(told), _setting(name, pool))


def _opening(name: str, pool: Pool) -> Callable[[Market], object]:
    def do(market: Market) -> None:
        market.create_pool(name)
        market.configure_pool(name, pool.profile, **pool.settings)

    return do


def _setting(name: str, pool: Pool) -> Callable[[Market], object]:
    return lambda market: market.configure_pool(name, pool.profile, **pool.settings)


def _of_quests(fleet: Fleet, market: Market) -> Iterator[Change]:
    for name, quest in fleet.quests.items():
        try:
            known = market.get_quest(name)
        except UnknownQuest:
            yield Change("+", f"quest {name}", f"priority {quest.priority}", _adding(name, quest))
            continue
        wanted = {"title": quest.title or known.title, "priority": quest.priority, "strategy": quest.strategy}
        told = list(_differing(known._asdict(), wanted))
        if told:
            yield Change("~", f"quest {name}", ", ".join(told), _changing(name, wanted))
        if known.floor_entitled != quest.floor:
            detail = "entitled to the floor" if quest.floor else "no longer entitled to the floor"
            yield Change("~", f"quest {name}", detail, _entitling(name, quest.floor))


def _adding(name: str, quest: Quest) -> Callable[[Market], object]:
    def do(market: Market) -> None:
        market.add_quest(name, quest.title, priority=quest.priority, strategy=quest.strategy, owner_id=quest.owner)
        if quest.floor:
            market.entitle_quest(name)

    return do


def _changing(name: str, wanted: Mapping[str, Any]) -> Callable[[Market], object]:
    return lambda market: market.set_quest(name, **wanted)


def _entitling(name: str, entitled: bool) -> Callable[[Market], object]:
    return lambda market: market.entitle_quest(name, entitled)


def _of_accounts(fleet: Fleet, market: Market) -> Iterator[Change]:
    wanted = {name: (one.kind, one.owner) for name, one in fleet.accounts.items()}
    for agent in fleet.agents:
        wanted.setdefault(agent.account_id, ("worker", None))
        if agent.attester is not None:
            wanted.setdefault(agent.attester, ("evaluator", None))
    for name, (kind, owner) in wanted.items():
        try:
            market.get_account(name)
        except UnknownAccount:
            yield Change("+", f"account {name}", kind, _creating(name, kind, owner))


def _creating(name: str, kind: str, owner: str | None) -> Callable[[Market], object]:
    return lambda market: market.create_account(name, kind, owner)


def _differing(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    for name, value in wanted.items():
        if known.get(name) != value:
            yield f"{name} {shown(known.get(name))} → {shown(value)}"
