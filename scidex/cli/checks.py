"""What `scidex doctor` looks at: each check says what it found, and where that is not well, the remedy."""

from __future__ import annotations

import platform
import socket
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from scidex import __version__
from scidex.cli.markets import check_is_there
from scidex.clock import utc_now
from scidex.errors import NoMarket, StoreError
from scidex.exchange import compute_auction, cycle, ev_scorer, keys, token_ledger
from scidex.records import CycleStatus, Key, QuestTrouble
from scidex.settings import from_environment
from scidex.store import Database, connect
from scidex.store.files import file_of
from scidex.store.migrate import migrations
from scidex.store.roles import excess_rights
from scidex.web import operator_key

OK, WARNING, FAULT = "ok", "warning", "fault"

_MOST_SKEW = timedelta(seconds=2)
_SOON = timedelta(days=7)
_PORT_SECONDS = 2.0
_MOST_QUESTS = 20


class Finding(NamedTuple):
    """What one check found: `ok`, `warning` or `fault`, and what to do where it is not `ok`."""

    check: str
    state: str
    found: str
    remedy: str = ""


def examine(url: str | None, port: int) -> Iterator[Finding]:
    """Yield what each check finds of a market's database and of this machine; nothing is written."""
    yield Finding("versions", OK, f"scidex {__version__}, Python {platform.python_version()}")
    yield from _of_database(url)
    yield check_port(port)


def _of_database(url: str | None) -> Iterator[Finding]:
    address = from_environment().database_url if url is None else url
    try:
        check_is_there(address)
    except NoMarket:
        yield Finding("database", FAULT, f"there is no market at {address}", "make one: scidex init")
        return
    try:
        with connect(address) as db:
            db.now()
            yield Finding("database", OK, f"{'SQLite' if db.dialect == 'sqlite' else 'PostgreSQL'} answers")
            yield (schema := check_schema(db))
            if schema.state == OK:
                yield from _of_market(db)
    except StoreError as error:
        remedy = "name an existing one by --db or SCIDEX_DATABASE_URL, and start its server"
        yield Finding("database", FAULT, str(error), remedy)


def _of_market(db: Database) -> Iterator[Finding]:
    checks: tuple[Callable[[Database, datetime], Iterator[Finding]], ...] = (
        check_role,
        check_file,
        check_clock,
        check_rounds,
        check_quests,
        check_books,
        check_keys,
    )
    for check in checks:
        yield from check(db, utc_now())


def check_schema(db: Database) -> Finding:
    """Compare the migrations taken with those that this program knows."""
    known = {migration.name for migration in migrations(db.dialect)}
    with db.reading() as tx:
        taken = set(tx.values("migrations_taken")) if tx.values("has_schema")[0] else set()
    if unknown := taken - known:
        return Finding("schema", FAULT, f"made by a newer scidex ({max(unknown)})", "install that version of scidex")
    if missing := known - taken:
        return Finding("schema", FAULT, f"{len(missing)} migrations are not taken", "scidex db migrate")
    return Finding("schema", OK, f"all {len(known)} migrations are taken")


def check_role(db: Database, now: datetime) -> Iterator[Finding]:
    """Say whether PostgreSQL's role could do more than a server needs."""
    words = {"changes_the_schema": "change the schema", "changes_the_record": "change the journal or the transfers"}
    rights = excess_rights(db)
    if excess := [words[name] for name, has in rights.items() if has]:
        yield Finding(
            "role", WARNING, f"it could {' and '.join(excess)}", "serve by another: scidex db migrate --role NAME"
        )
    elif rights:
        yield Finding("role", OK, "it can do what a server does, and nothing else")


def check_file(db: Database, now: datetime) -> Iterator[Finding]:
    """Say whether other users of this machine can read a SQLite file, and so what is secret in it."""
    path = file_of(db.url)
    if path is not None and path.stat().st_mode & 0o077:
        found = "other users of this machine can read the database, and the seed of the open round's lottery in it"
        yield Finding("file", WARNING, found, f"chmod 600 {path} {path}-wal {path}-shm")


def check_clock(db: Database, now: datetime) -> Iterator[Finding]:
    """Compare this machine's clock with the database's, and with the latest write."""
    skew = abs(db.now() - now)
    with db.reading() as tx:
        last = tx.rows("last_journaled")[0]["made_at"]
    remedy = "set the clocks of all machines by NTP"
    if skew > _MOST_SKEW:
        yield Finding("clock", FAULT, f"{skew.total_seconds():,.1f} s from the database's", remedy)
    elif last is not None and last - now > _MOST_SKEW:
        yield Finding(
            "clock", FAULT, f"the latest write is {(last - now).total_seconds():,.1f} s in the future", remedy
        )
    else:
        yield Finding("clock", OK, f"{skew.total_seconds():,.1f} s from the database's")


def check_rounds(db: Database, now: datetime) -> Iterator[Finding]:
    """Say of each pool whether it is cleared when it is due."""
    for pool in compute_auction.list_pools(db=db):
        yield rounds_of(cycle.cycle_status(pool.pool, now=now, db=db), now)


def rounds_of(status: CycleStatus, now: datetime) -> Finding:
    """Say whether a pool is cleared when it is due."""
    check, pool = f"rounds of {status.pool}", status.pool
    late = timedelta(0) if status.next_cycle_at is None else now - status.next_cycle_at
    start = f"start a loop: scidex up --pool {pool}"
    if status.paused:
        return Finding(check, WARNING, "paused", f"scidex resume --pool {pool}")
    if status.next_cycle_at is None:
        return Finding(check, WARNING, "no loop has ever cleared it", start)
    if late > timedelta(seconds=status.interval_seconds):
        return Finding(check, FAULT, f"due since {late.total_seconds():,.0f} s", start)
    if status.mode == "fallback":
        return Finding(check, FAULT, f"in the fallback: {status.mode_reason}", _way_out(status))
    return Finding(check, OK, f"on time, every {status.interval_seconds:g} s; {status.missed} missed so far")


def _way_out(status: CycleStatus) -> str:
    """Return what to do about a pool whose cycles do not complete: a quest that its reason names can be left out."""
    head, colon, _ = status.mode_reason.partition(":")
    if colon and head.startswith("quest "):
        return f"let the others go on without it: scidex {head.replace('quest ', 'quest set ', 1)} --status paused"
    return "see what breaks: scidex clear --dry-run"


def check_quests(db: Database, now: datetime) -> Iterator[Finding]:
    """Name each quest that has work and cannot bid for any of it, and why."""
    yield from quests_of(ev_scorer.list_quest_troubles(now, db=db))


def quests_of(troubles: Sequence[QuestTrouble]) -> Iterator[Finding]:
    """Name each quest that is in trouble, up to a screenful of them."""
    for one in troubles[:_MOST_QUESTS]:
        yield Finding(f"quest {one.quest_id}", WARNING, f"cannot bid: {one.fact}", one.remedy)
    if len(troubles) > _MOST_QUESTS:
        more = f"{len(troubles) - _MOST_QUESTS:,} more quests cannot bid"
        yield Finding("quests", WARNING, more, "see them all: GET /api/quest-troubles")
    elif not troubles:
        yield Finding("quests", OK, "none that has work is kept from bidding")


def check_books(db: Database, now: datetime) -> Iterator[Finding]:
    """Prove the books."""
    report = token_ledger.verify(db)
    if report.ok:
        yield Finding("books", OK, f"{report.transfers:,} transfers of {report.accounts:,} accounts add up")
    else:
        remedy = "stop the market; scidex audit names every fault; go back to a backup"
        yield Finding("books", FAULT, f"{len(report.problems)} faults, the first: {report.problems[0]}", remedy)


def check_keys(db: Database, now: datetime) -> Iterator[Finding]:
    """Look at the operator's key file, and at keys that end soon."""
    file = operator_key.key_file(db.url)
    if file is not None and file.exists() and file.stat().st_mode & 0o077:
        yield Finding(
            "operator's key", FAULT, f"others can read {file}", "scidex up makes another one, and ends this one"
        )
    elif file is None or not file.exists():
        yield Finding("operator's key", WARNING, "none on this machine", "scidex up or scidex serve makes one")
    else:
        yield Finding("operator's key", OK, f"in {file}, readable for nobody else")
    for key in _all_keys(db):
        if key.revoked_at is None and key.expires_at is not None and now < key.expires_at < now + _SOON:
            ends = f"key {key.key_id} of {key.account_id} ends at {key.expires_at:%Y-%m-%d %H:%M} UTC"
            yield Finding("keys", WARNING, ends, f"scidex key rotate {key.key_id}")


def _all_keys(db: Database) -> Iterator[Key]:
    after = ""
    while page := keys.list_keys(after=after, db=db):
        yield from page
        after = page[-1].key_id


def check_port(port: int) -> Finding:
    """Say whether a port of this machine is free, or has a market behind it."""
    check = f"port {port}"
    try:
        socket.create_connection(("127.0.0.1", port), _PORT_SECONDS).close()
    except OSError:
        return Finding(check, OK, "free")
    import httpx2

    try:
        answer = httpx2.get(f"http://127.0.0.1:{port}/healthz", timeout=_PORT_SECONDS)
    except httpx2.HTTPError:
        answer = None
    if answer is not None and answer.headers.get("content-type") == "application/json" and answer.is_success:
        return Finding(check, OK, "a market is served there")
    return Finding(check, WARNING, "another program listens there", "serve at another: scidex up --port PORT")
