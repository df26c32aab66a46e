"""
Killed at any point, a verb has happened or it has not.

Every point is tried: before and after each statement and each COMMIT, and on PostgreSQL while its answer is on the way.
"""

from __future__ import annotations

import multiprocessing
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scidex.errors import ScidexError
from scidex.exchange import token_ledger
from scidex.exchange.journal import chain
from scidex.records import SealReport
from scidex.store import Database, connect
from tests.databases import assert_books_are_right, assert_journal_tells_all, contents, keep_rows
from tests.histories import AT_WORK, History, Step
from tests.postgres_server import PostgresServer
from tests.stories.dying import NEVER, serve

# Two rounds have gone by: one slot is won and not settled, bids rest, bids have expired, slots are on offer.
BEFORE: tuple[Step, ...] = (
    ("bid", 0, 0, 50, 0, False, 90, None),
    ("bid", 1, 1, 40, 0, True, 90, None),
    ("offer", 1, 0, 0, True, None),
    ("clear", 0),
    ("bid", 1, 2, 30, 0, False, 90, None),
    ("bid", 2, 3, 35, 0, False, 90, None),
    ("bid", 2, 4, 20, 0, True, 5, None),
    ("bid", 0, 5, 10, 1, False, 5, None),
    ("bid", 2, 6, 25, 0, False, 90, None),
    ("offer", 2, 0, 0, False, None),
    *AT_WORK,
    ("tick", 10),
)

VERBS: dict[str, Step] = {
    "place_bid": ("bid", 0, 7, 12, 1, False, 90, None),
    "place_bids": (
        "batch",
        (0, 2, 12, 0, False, 90, 1),
        (1, 2, 31, 0, True, 90, 2),  # amends a bid and lets it rest
        (2, 1, 13, 1, True, 90, None),
    ),
    "clear_round": ("clear", 0),
    "settle": ("settle", 0, 30, None),
    "refund_unfilled": ("refund",),
    "cancel_bid": ("cancel", 1),
    "keep_offers": ("seats", "heard", 5),
    "lease_next": ("lease", "heard"),
    "finish_slot": ("finish", "heard", 30),
    "expire_lease": ("expire", "silent"),
}


class Place:
    """Where a market may be killed, again and again: copies of one prepared database."""

    def __init__(
        self, url: str, fresh: Callable[[], str], lives: Connection, settle: Callable[[], None] = lambda: None
    ) -> None:
        self.lives = lives
        self.prepared = url
        self.fresh = fresh
        self.settle = settle
        with connect(url) as db:
            self.history = History(db)
            self.history.open()
            for step in BEFORE:
                answer = self.history.take(step)
                assert not isinstance(answer, ScidexError), (step, answer)
            self.before = contents(db)
        self.history.db = None  # type: ignore[assignment]

    def live(self, url: str, step: Step, ends_at: int) -> tuple[list[str], Any] | None:
        """Take a step in a process that is killed at a point; return None if it was."""
        self.lives.send((url, replace(self.history), step, ends_at))
        assert self.lives.poll(60), "the process neither lived nor died"
        answer: tuple[list[str], Any] | None = self.lives.recv()
        return answer


@pytest.fixture(scope="module")
def lives() -> Iterator[Connection]:
    """A process that forks for each life; it has no threads, which would not survive that."""
    near, far = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(far,), daemon=True)
    process.start()
    far.close()
    yield near
    near.close()
    process.join(10)


@pytest.fixture(scope="module")
def sqlite_place(tmp_path_factory: pytest.TempPathFactory, lives: Connection) -> Place:
    folder: Path = tmp_path_factory.mktemp("killed")
    prepared = folder / "prepared.db"
    copies = iter(range(10_000))

    def fresh() -> str:
        copy = folder / f"{next(copies)}.db"
        shutil.copy(prepared, copy)
        return f"sqlite:///{copy}"

    return Place(f"sqlite:///{prepared}", fresh, lives)


@pytest.fixture(scope="module")
def postgres_place(postgres_server: PostgresServer, lives: Connection) -> Iterator[Place]:
    with postgres_server.new_database() as url, psycopg.connect(url, autocommit=True) as keeper:
        put_back: bytes

        def fresh() -> str:
            wait_until_the_dead_are_gone(keeper)
            keeper.execute(put_back)
            return url

        place = Place(url, fresh, lives, lambda: wait_until_the_dead_are_gone(keeper))
        put_back = keep_rows(keeper)
        yield place


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_killed_at_any_point_a_verb_has_happened_or_not(place, verb):
    step = VERBS[verb]
    url = place.fresh()
    lived = place.live(url, step, NEVER)
    assert lived is not None
    points, answer = lived
    assert not isinstance(answer, ScidexError), answer
    with connect(url) as db:
        after = contents(db)
    assert after != place.before

    fates = []
    url = place.fresh()
    for n, point in enumerate(points):
        assert place.live(url, step, n) is None, point
        place.settle()
        with connect(url) as db:
            happened = has_happened(db, place.before, after, point)
        fates.append(happened)
        if happened:
            url = place.fresh()
    assert not any(fates[: committing(points)])
    assert fates[-1]


def test_killed_at_any_point_a_seal_is_whole_or_not_there(place):
    """Whoever seals next goes on from there, and every entry is sealed once."""
    url = place.fresh()
    lived = place.live(url, ("seal",), NEVER)
    assert lived is not None
    points, sealed = lived
    with connect(url) as db:
        whole = seals_of(db)
    assert (whole.entries, whole.waiting, whole.problems) == (sealed, 0, ())

    fates = []
    url = place.fresh()
    for n, point in enumerate(points):
        assert place.live(url, ("seal",), n) is None, point
        place.settle()
        with connect(url) as db:
            left = seals_of(db)
        assert left.problems == ()
        assert (left.entries, left.waiting) in ((0, sealed), (sealed, 0)), point
        fates.append(left.entries > 0)
        if left.entries:
            again = place.live(url, ("seal",), NEVER)
            assert again is not None
            assert again[1] == 0
            url = place.fresh()
    assert not any(fates[: committing(points)])
    assert fates[-1]


def committing(points: list[str]) -> int:
    """Return the first point at which something may be committed."""
    return next(n for n, point in enumerate(points) if "COMMIT" in point)


def seals_of(db: Database) -> SealReport:
    with db.reading() as tx:
        return chain.verify_seals(tx)


def has_happened(db: Database, before: dict[str, Any], after: dict[str, Any], point: str) -> bool:
    """Tell whether the verb has happened; whichever it is, it is so wholly."""
    now = contents(db)
    if now == before:
        return False
    # Numbers drawn by those who were killed before are gone on PostgreSQL, so there the next one's differ.
    if db.dialect == "sqlite":
        assert now == after, point
    assert {table: len(rows) for table, rows in now.items()} == {table: len(rows) for table, rows in after.items()}
    assert_books_are_right(db)
    assert_journal_tells_all(db)
    return True


def wait_until_the_dead_are_gone(keeper: psycopg.Connection[Any]) -> None:
    """Wait until the server has noticed that a client is dead, and has done what it was told last."""
    others = (
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    while keeper.execute(others).fetchone() != (0,):
        time.sleep(0.002)


def test_after_any_death_the_market_goes_on(place):
    """Killed in the midst of clearing, and cleared again: the slots are sold once."""
    lived = place.live(place.fresh(), VERBS["clear_round"], NEVER)
    assert lived is not None
    url = place.fresh()
    for n in (len(lived[0]) // 3, len(lived[0]) // 2):
        assert place.live(url, VERBS["clear_round"], n) is None

    again = place.live(url, VERBS["clear_round"], NEVER)

    assert again is not None
    assert [clear.slot_id for clear in again[1].clears] == [clear.slot_id for clear in lived[1].clears]
    with connect(url) as db:
        assert token_ledger.verify(db).ok


def test_a_key_makes_a_repeat_after_death_safe(place):
    """Whoever was killed and does not know asks again with the same key, and bids once."""
    step: Step = ("bid", 0, 6, 12, 0, False, 90, 2)
    lived = place.live(place.fresh(), step, NEVER)
    assert lived is not None
    points, url = lived[0], place.fresh()
    for n in (0, len(points) // 2, len(points) - 2, len(points) - 1):
        place.live(url, step, n)
    again = place.live(url, step, NEVER)

    assert again is not None
    with connect(url) as db:
        assert len(contents(db)["compute_auction_bids"]) == len(place.before["compute_auction_bids"]) + 1
        assert_books_are_right(db)
