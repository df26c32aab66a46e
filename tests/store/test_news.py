"""Hints that something has changed reach whoever waits, and a clock that all share."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from scidex.clock import utc_now
from scidex.store import Database, connect, listening
from scidex.store.database import Transaction


def wait_until_listening(db: Database, topic: str) -> int:
    """Return what a database has heard once it listens: at that moment it tells itself that it may have missed some."""
    ends = time.monotonic() + 20
    while db.dialect == "postgres" and not db.heard(topic):
        assert time.monotonic() < ends
        time.sleep(0.01)
    return db.heard(topic)


def test_what_is_announced_is_heard(db):
    count = wait_until_listening(db, "round gpu")
    db.announce("round gpu")
    ends = time.monotonic() + 20
    while db.heard("round gpu") == count and time.monotonic() < ends:
        db.listen("round gpu", count, 1.0)

    assert db.heard("round gpu") == count + 1
    assert db.heard("round other") == count


@pytest.mark.parametrize("db", ["postgres"], indirect=True)
def test_another_processs_database_hears_it_too(db):
    with connect(db.url) as other:
        count = wait_until_listening(other, "round gpu")
        heard = threading.Event()

        def wait() -> None:
            while other.heard("round gpu") == count:
                other.listen("round gpu", count, 20.0)
            heard.set()

        thread = threading.Thread(target=wait)
        thread.start()
        db.announce("round gpu")
        thread.join(20)

        assert heard.is_set()


def test_listening_ends_when_it_is_time_to_look_anyway(db):
    db.listen("nothing", db.heard("nothing"), 0.01)

    assert not db.heard("nothing") or db.dialect == "postgres"


def test_a_closed_database_listens_no_more(postgres_template, new_database):
    other = connect(new_database(template=postgres_template))
    wait_until_listening(other, "t")
    other.close()

    assert not [thread for thread in threading.enumerate() if thread.name == "database news" and thread.is_alive()]


def test_the_databases_clock_runs_on_between_two_looks_at_it(db):
    first, second = db.now(), db.now()

    assert first <= second <= first + timedelta(seconds=5)
    assert abs(first - utc_now()) < timedelta(seconds=5)
    assert first.utcoffset() == timedelta(0)


@pytest.mark.parametrize("db", ["postgres"], indirect=True)
def test_the_databases_clock_is_not_ahead_by_what_asking_it_took(db, monkeypatch):
    ask = db.reading

    @contextmanager
    def slowly() -> Iterator[Transaction]:
        with ask() as tx:
            yield tx
        time.sleep(0.2)  # the answer is long on its way

    monkeypatch.setattr(db, "reading", slowly)
    said = db.now()

    assert said <= utc_now() - timedelta(seconds=0.2)


@pytest.mark.parametrize("db", ["postgres"], indirect=True)
def test_what_arrives_while_the_listener_asks_something_is_heard_at_once(db, monkeypatch):
    monkeypatch.setattr(listening, "_ASK_SECONDS", 0.0)  # it does nothing but ask, so most of it arrives meanwhile
    count = wait_until_listening(db, "round gpu")
    for _ in range(100):
        db.announce("round gpu")
    ends = time.monotonic() + 20
    while db.heard("round gpu") < count + 100 and time.monotonic() < ends:
        time.sleep(0.01)

    assert db.heard("round gpu") == count + 100


@pytest.mark.parametrize("db", ["postgres"], indirect=True)
def test_a_database_that_is_closed_leaves_no_listener_behind(db):
    with connect(db.url) as other:
        wait_until_listening(other, "round gpu")
        listener = other._listener._loop
    other.heard("round gpu")

    assert listener.is_over
    assert not listener._thread.is_alive()
