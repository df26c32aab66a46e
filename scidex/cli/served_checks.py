"""What `scidex doctor --url` looks at: a server, as far as the key at hand may."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx2

from scidex import __version__
from scidex.cli.checks import FAULT, OK, WARNING, Finding, quests_of, rounds_of
from scidex.client import Client
from scidex.clock import utc_now
from scidex.errors import NotAllowed, NotAuthenticated, ScidexError
from scidex.records import Principal

_SECONDS = 5.0
# The server tells its time in whole seconds.
_MOST_SKEW = timedelta(seconds=3)


def examine_served(url: str, key: str | None) -> Iterator[Finding]:
    """Yield what each check finds of a server; nothing is written."""
    yield Finding("versions", OK, f"scidex {__version__}, Python {platform.python_version()}")
    try:
        alive = httpx2.get(f"{url.rstrip('/')}/healthz", timeout=_SECONDS)
        told = httpx2.get(f"{url.rstrip('/')}/openapi.json", timeout=_SECONDS).json()["info"]
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, KeyError) as error:
        remedy = "start it: scidex up; or give the address that it printed"
        yield Finding("server", FAULT, f"no market answers at {url}: {type(error).__name__}", remedy)
        return
    yield Finding("server", OK, f"a market is served at {url}")
    yield version_of(str(told.get("version")))
    yield clock_of(alive.headers.get("date"), utc_now())
    yield _database(url)
    with Client(url, key, deadline_seconds=_SECONDS) as market:
        yield from _by_key(market)


def version_of(served: str) -> Finding:
    """Compare the server's version with this program's."""
    if served == __version__:
        return Finding("server's version", OK, f"scidex {served}, as here")
    remedy = f'install the same on both sides: pip install "scidex=={served}"'
    return Finding("server's version", WARNING, f"scidex {served}, here {__version__}", remedy)


def clock_of(date: str | None, now: datetime) -> Finding:
    """Compare this machine's clock with the server's."""
    try:
        skew = abs(parsedate_to_datetime(date or "") - now)
    except ValueError:
        return Finding("clock", WARNING, "the server does not tell its time", "ask the server itself, not a proxy")
    if skew > _MOST_SKEW:
        found = f"{skew.total_seconds():,.0f} s from the server's"
        return Finding("clock", FAULT, found, "set the clocks of all machines by NTP")
    return Finding("clock", OK, "within 3 s of the server's")


def _database(url: str) -> Finding:
    try:
        ready = httpx2.get(f"{url.rstrip('/')}/readyz", timeout=_SECONDS).is_success
    except httpx2.HTTPError:
        ready = False
    if ready:
        return Finding("database", OK, "answers the server")
    return Finding(
        "database", FAULT, "does not answer the server", "scidex doctor --db on the server's machine says why"
    )


def _by_key(market: Client) -> Iterator[Finding]:
    try:
        who = market.whoami()
    except NotAuthenticated:
        remedy = "give one by --key or SCIDEX_KEY; scidex key create makes one where the database is"
        yield Finding("key", FAULT, "the server knows no such key, or it has ended", remedy)
        return
    except ScidexError as error:
        yield Finding("key", FAULT, str(error), "ask again in a moment")
        return
    yield Finding("key", OK, f"acts for {who.account_id}; may {', '.join(sorted(who.scopes))}")
    yield from _rounds(market)
    yield from quests_of(market.list_quest_troubles())
    yield _books(market, who)


def _rounds(market: Client) -> Iterator[Finding]:
    for pool in market.list_pools():
        yield rounds_of(market.cycle_status(pool.pool), utc_now())


def _books(market: Client, who: Principal) -> Finding:
    try:
        report = market.verify()
    except NotAllowed:
        return Finding("books", OK, f"not looked at: that takes an admin key, and this is {who.account_id}'s")
    if report.problems:
        remedy = "stop the market; scidex audit names every fault; go back to a backup"
        return Finding("books", FAULT, f"{len(report.problems)} faults, the first: {report.problems[0]}", remedy)
    return Finding("books", OK, f"{report.transfers:,} transfers of {report.accounts:,} accounts add up")
