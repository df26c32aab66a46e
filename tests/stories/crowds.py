"""Crowds that act on one market at once: threads that share its database, or processes with one each."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any

from scidex.errors import ScidexError
from scidex.exchange import compute_auction, token_ledger
from scidex.store import Database, connect
from scidex.store.db_writes import acting_as

T0 = datetime(2026, 5, 4, 12, tzinfo=UTC)
LATER = T0 + timedelta(days=1)

Call = tuple[str, dict[str, Any]]
Answer = Any
"""What a verb answered, or its refusal, which is an answer too."""

_MODULES = (compute_auction, token_ledger)
# Until everybody is at the start line.
_HEAD_START_SECONDS = 0.03


def act(db: Database, calls: list[Call]) -> list[Answer]:
    """Call verbs one after another, and go on after refusals."""
    answers: list[Answer] = []
    for verb, arguments in calls:
        function = globals().get(f"_{verb}") or next(getattr(m, verb) for m in _MODULES if hasattr(m, verb))
        given = {
            name: answers[value.call] if isinstance(value, Earlier) else value for name, value in arguments.items()
        }
        try:
            answers.append(function(**given, db=db))
        except ScidexError as refusal:
            answers.append(refusal)
    return answers


class Earlier:
    """Stands for the answer to an earlier call of the same list."""

    def __init__(self, call: int) -> None:
        self.call = call


def _cancel_placed(bid: Any, db: Database) -> Any:
    return bid if isinstance(bid, ScidexError) else compute_auction.cancel_bid(bid.id, now=T0, db=db)


def _read_all_wallets(accounts: list[str], db: Database) -> int:
    """Read wallets one by one in one view of the database, and return the sum of what they have."""
    with db.reading() as tx:
        return sum(tx.rows("wallet", account_id=account)[0]["balance_tokens"] for account in accounts)


def _lock_one_by_one(accounts: list[str], db: Database) -> int:
    """Lock wallets in the given order, as no verb does, and return how often that had to be tried."""
    tries = 0

    def work(tx: Any) -> None:
        nonlocal tries
        tries += 1
        for account in accounts:
            tx.rows("lock_accounts", account_ids=[account])
            time.sleep(0.005)

    db.write(work)
    return tries


class Crowd:
    """Members that each do a list of calls, all at once."""

    def at_once(self, db: Database, *lists: list[Call]) -> list[list[Answer]]:
        raise NotImplementedError


class Threads(Crowd):
    def at_once(self, db: Database, *lists: list[Call]) -> list[list[Answer]]:
        answers: list[list[Answer]] = [[] for _ in lists]
        line = threading.Barrier(len(lists))

        def member(place: int) -> None:
            line.wait()
            answers[place] = act(db, lists[place])

        threads = [threading.Thread(target=member, args=(place,)) for place in range(len(lists))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        return answers


class Processes(Crowd):
    """Processes that have nothing in common but the database; they are started once and serve many crowds."""

    def __init__(self, members: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for number in range(members):
            near, far = context.Pipe()
            process = context.Process(target=serve, args=(far, f"process-{number}"), daemon=True)
            process.start()
            far.close()
            self._pipes.append(near)
            self._processes.append(process)

    def at_once(self, db: Database, *lists: list[Call]) -> list[list[Answer]]:
        pipes = self._pipes[: len(lists)]
        assert len(pipes) == len(lists), "more lists than members"
        for pipe in pipes:
            pipe.send(db.url)
        for pipe in pipes:
            assert pipe.recv() == "connected"
        start = time.monotonic() + _HEAD_START_SECONDS
        for pipe, calls in zip(pipes, lists, strict=True):
            pipe.send((start, calls))
        answers: list[list[Answer]] = []
        for pipe in pipes:
            assert pipe.poll(120), "a member never answered"
            answers.append(pipe.recv())
        return answers

    def close(self) -> None:
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            pipe.close()
            process.join(10)


def serve(pipe: Connection, name: str) -> None:
    """Act for a crowd until it is closed."""
    try:
        while True:
            with connect(pipe.recv()) as db, acting_as(name):
                with db.reading() as tx:
                    tx.rows("all_pools")
                pipe.send("connected")
                start, calls = pipe.recv()
                time.sleep(max(0.0, start - time.monotonic()))
                pipe.send(act(db, calls))
    except EOFError:
        return


@contextmanager
def processes(members: int) -> Iterator[Processes]:
    """Lend a crowd of processes."""
    crowd = Processes(members)
    try:
        yield crowd
    finally:
        crowd.close()
