"""
The journal's order is an order in which the writes could have run, though they ran at once.

One verb is stopped when it has done everything and not committed; another runs meanwhile, as far as it may; then both
end. Whatever the first had locked, the second waited for; whatever it had not must not matter to the second.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest

from scidex.errors import ScidexError
from scidex.store import Database, connect
from scidex.store.postgres import PostgresTransaction
from tests.databases import assert_books_are_right, assert_journal_tells_all, keep_rows
from tests.histories import AT_WORK, History, Step
from tests.postgres_server import PostgresServer

# Slots are won and not settled; eve has a bid that waits for tokens; tasks that run are bid for; bids have expired.
BEFORE: tuple[Step, ...] = (
    ("bid", 0, 0, 60, 0, False, 90, None),
    ("bid", 1, 1, 50, 0, False, 90, None),
    ("bid", 2, 5, 5, 0, False, 90, None),
    ("offer", 2, 0, 0, False, None),
    ("clear", 0),
    ("bid", 2, 2, 150, 0, True, 90, None),
    ("bid", 2, 3, 60, 0, True, 90, None),
    ("bid", 0, 4, 145, 0, False, 90, None),
    ("offer", 1, 0, 0, False, None),
    ("clear", 0),
    ("bid", 1, 3, 40, 0, False, 90, None),
    ("bid", 1, 0, 33, 2, True, 90, None),
    ("bid", 0, 6, 20, 0, False, 90, None),
    ("bid", 0, 6, 20, 2, False, 90, None),
    ("bid", 2, 5, 3, 2, False, 90, None),
    ("bid", 1, 1, 9, 0, True, 90, None),
    ("bid", 1, 7, 8, 0, True, 5, None),
    ("offer", 2, 0, 0, False, None),
    ("offer", 1, 0, 2, False, None),
    *AT_WORK,
    ("tick", 10),
)

VERBS: dict[str, Step] = {
    "clear": ("clear", 0),
    "clear another pool": ("clear", 2),
    "settle": ("settle", 0, 30, None),
    "void": ("void", 1),
    "cancel": ("cancel", 9),
    "give to one whose bid waits": ("give", 0, 2, 30),
    "give by one whose bids stand": ("give", 1, 0, 1),
    "give by one who loses": ("give", 2, 1, 1),
    "bid for a task that runs": ("bid", 2, 0, 11, 2, False, 90, None),
    "rest a bid for a task that runs": ("bid", 0, 0, 31, 2, True, 90, None),
    "bid for another's task": ("bid", 0, 3, 41, 2, False, 90, None),
    "bid once more": ("bid", 0, 5, 17, 2, False, 90, None),
    "amend a bid": ("bid", 0, 6, 21, 2, False, 90, None),
    "bid where a bid rests": ("bid", 1, 3, 4, 2, False, 90, None),
    "offer": ("offer", 1, 0, 0, False, None),
    "withdraw": ("withdraw", 3),
    "refund": ("refund",),
    "write down": ("write_down", 100),
    "mint": ("mint", 2, 40),
    "register": ("enlist", "silent"),
    "offer seats": ("seats", "heard", 6),
    "withdraw seats": ("seats", "silent", 0),
    "lease": ("lease", "heard"),
    "lease by another": ("lease", "silent"),
    "finish": ("finish", "heard", 3),
    "give back": ("give_back", "heard"),
    "void what is leased": ("void_held", "heard"),
    "expire": ("expire", "silent"),
    "lose": ("lose", "silent"),
    "stop": ("stop", "heard"),
    "sweep": ("sweep",),
    "be heard of": ("check_in", "silent"),
    "clear the fleet's pool": ("clear", 3),
    "bid for a task that is leased": ("bid", 2, 21, 5, 3, True, 90, None),
}
# Workers have a pool of their own; what happens beside its clearing is told below.
NOT_WITH_CLEAR = {"clear", "write down", *list(VERBS)[list(VERBS).index("register") :]}
# Verbs that decide over others, and those whose outcome hangs on them.
PAIRS = [("clear", second) for second in VERBS if second not in NOT_WITH_CLEAR] + [
    ("clear another pool", "void"),
    ("clear another pool", "give by one who loses"),
    ("clear another pool", "mint"),
    ("clear another pool", "bid for a task that runs"),
    ("clear another pool", "rest a bid for a task that runs"),
    ("settle", "bid for a task that runs"),
    ("settle", "rest a bid for a task that runs"),
    ("cancel", "refund"),
    ("bid once more", "bid for another's task"),
    ("bid once more", "amend a bid"),
    ("bid once more", "bid where a bid rests"),
    ("bid once more", "clear another pool"),
    ("bid once more", "give by one whose bids stand"),
    ("lease", "lease by another"),
    ("lease", "stop"),
    ("lease", "clear the fleet's pool"),
    ("lease", "sweep"),
    ("finish", "give back"),
    ("finish", "void what is leased"),
    ("finish", "bid for a task that is leased"),
    ("finish", "sweep"),
    ("expire", "sweep"),
    ("expire", "be heard of"),
    ("expire", "clear the fleet's pool"),
    ("lose", "register"),
    ("lose", "be heard of"),
    ("lose", "withdraw seats"),
    ("lose", "lease by another"),
    ("sweep", "clear the fleet's pool"),
    ("sweep", "withdraw seats"),
    ("offer seats", "clear the fleet's pool"),
    ("withdraw seats", "clear the fleet's pool"),
]
# Long enough for a verb that waits for nothing; one that waits for the other is let go on after it.
SECONDS = 0.06
READS = {"lock_shared", "lock_exclusive", "expire_asks"}


@dataclass
class Place:
    db: Database
    history: History
    restore: Callable[[], object]


@pytest.fixture(scope="module")
def place(postgres_server: PostgresServer) -> Iterator[Place]:
    with postgres_server.new_database() as url, connect(url) as db, psycopg.connect(url, autocommit=True) as keeper:
        history = History(db)
        history.open()
        for step in BEFORE:
            answer = history.take(step)
            assert not isinstance(answer, ScidexError), (step, answer)
        put_back = keep_rows(keeper)
        yield Place(db, history, lambda: keeper.execute(put_back))


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_is_taken_where_nothing_else_happens(place, verb):
    """Two refusals at once would leave books that are right, and show nothing."""
    place.restore()
    answer = replace(place.history, bids=list(place.history.bids), slots=list(place.history.slots)).take(VERBS[verb])

    assert not isinstance(answer, ScidexError), answer


@pytest.mark.parametrize("point", ["before it commits", "before it writes"])
@pytest.mark.parametrize(("first", "second"), PAIRS + [(second, first) for first, second in PAIRS])
def test_writes_at_once_leave_what_the_journal_tells(place, first, second, point, monkeypatch):
    place.restore()
    done, may_go_on = threading.Event(), threading.Event()

    def stop(tx: PostgresTransaction, statement: str) -> None:
        if threading.current_thread().name == "first" and not done.is_set() and statement not in READS:
            tx.rows("all_pools")  # so that all before has been done
            done.set()
            assert may_go_on.wait(10)

    def stopping(method: str) -> Callable[..., Any]:
        whole = getattr(PostgresTransaction, method)

        def stopped(self: PostgresTransaction, statement: str, /, *rows: Any, **arguments: Any) -> Any:
            if point == "before it writes":
                stop(self, statement)
            result = whole(self, statement, *rows, **arguments)
            if statement == "append_journal":
                stop(self, statement)
            return result

        return stopped

    for method in ("run", "run_many", "run_columns", "post"):
        monkeypatch.setattr(PostgresTransaction, method, stopping(method))
    answers: dict[str, Any] = {}

    def act(name: str, verb: str) -> None:
        history = replace(place.history, bids=list(place.history.bids), slots=list(place.history.slots))
        answers[name] = history.take(VERBS[verb])
        done.set()

    threads = [
        threading.Thread(target=act, args=("first", first), name="first"),
        threading.Thread(target=act, args=("second", second), name="second"),
    ]
    threads[0].start()
    assert done.wait(10)
    threads[1].start()
    threads[1].join(SECONDS)
    may_go_on.set()
    for thread in threads:
        thread.join(20)

    assert answers.keys() == {"first", "second"}
    assert_books_are_right(place.db)
    assert_journal_tells_all(place.db)
