"""Background loops: one shape, from start to stop."""

from __future__ import annotations

import logging
import threading

import pytest

from scidex.errors import DatabaseUnavailable
from scidex.loops import Loop


@pytest.fixture
def turns() -> threading.Semaphore:
    """Released by each turn that was taken."""
    return threading.Semaphore(0)


def taken(turns: threading.Semaphore, count: int = 1) -> bool:
    return all(turns.acquire(timeout=20) for _ in range(count))


def is_alive(name: str) -> bool:
    return any(thread.name == name for thread in threading.enumerate())


def test_a_loop_takes_turns_until_it_is_stopped_and_leaves_no_thread(turns):
    def turn() -> float:
        turns.release()
        return 0.001

    with Loop("turns", turn):
        assert taken(turns, 3)
        assert is_alive("turns")

    assert not is_alive("turns")


def test_a_turn_says_when_the_next_one_is_due_and_a_loop_that_is_woken_takes_it_sooner(turns):
    pauses: list[float | None] = [None, 3_600.0, None]

    def turn() -> float | None:
        turns.release()
        return pauses.pop(0)

    with Loop("woken", turn) as loop:
        while pauses:
            loop.wake()
            assert taken(turns)
            assert not turns.acquire(blocking=False)


def test_what_breaks_a_turn_is_logged_once_with_its_traceback_and_the_next_one_is_tried(turns, caplog):
    def turn() -> float:
        turns.release()
        raise OSError("the disk is away")

    with caplog.at_level(logging.ERROR), Loop("failing", turn):
        assert taken(turns, 3)

    told = [record for record in caplog.records if "failing: a turn failed" in record.getMessage()]
    assert [bool(record.exc_info) for record in told[:2]] == [True, False]


def test_what_the_market_refuses_is_one_line_in_the_log(turns, caplog):
    def turn() -> float:
        turns.release()
        raise DatabaseUnavailable(fact="no route to it")

    with caplog.at_level(logging.ERROR), Loop("away", turn):
        assert taken(turns, 2)

    told = next(record for record in caplog.records if "away: a turn failed" in record.getMessage())
    assert not told.exc_info
    assert "no route to it" in told.getMessage()


def test_stopping_waits_for_the_turn_that_is_being_taken():
    begun, over, ended = threading.Event(), threading.Event(), threading.Event()

    def turn() -> None:
        begun.set()
        assert over.wait(20)
        ended.set()

    loop = Loop("waiting", turn, interrupt=over.set).start()
    assert begun.wait(20)
    loop.stop()

    assert ended.is_set()
    loop.stop()
    loop.start()
    assert not is_alive("waiting")


def test_a_loop_that_never_began_can_be_stopped_and_one_may_stop_itself(turns):
    Loop("never", lambda: None).stop()

    def turn() -> None:
        own.stop()
        turns.release()

    own = Loop("own", turn)
    own.start()
    assert taken(turns)
    own.stop()
    assert not is_alive("own")


def test_the_first_turn_waits_where_that_is_wanted(turns):
    with Loop("later", turns.release, begins_after=3_600.0) as loop:
        loop.wake()
        assert taken(turns)

    with Loop("never", turns.release, begins_after=3_600.0):
        pass
    assert not turns.acquire(blocking=False)
