"""The one way to write: a verb's effect and its journal row land in one transaction, or neither does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, ParamSpec, TypeVar

from scidex.errors import IdempotencyConflict, JournalMismatch, ScidexError, StoreError
from scidex.store import answers, requests
from scidex.store.database import Database, Transaction, text_of
from scidex.store.migrate import migrate

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")
Effect = Callable[..., Any]

_EFFECTS: dict[str, Effect] = {}
_VERBS: dict[Effect, str] = {}
_ACTOR: ContextVar[str] = ContextVar("actor", default="system:operator")
_PAGE = 500
# What every market begins with; a database that knows nothing else has no history.
_OPENING = "open_market"


@dataclass(frozen=True)
class JournalEntry:
    """One write: who did what with which arguments and when, and what was made up for it on the way."""

    entry_id: int
    verb: str
    actor: str
    arguments: dict[str, Any]
    generated: dict[str, Any]
    made_at: datetime


def fields_of(result: Any) -> Any:
    """Return a record, or a list of them, as objects of their fields."""
    if isinstance(result, list):
        return [fields_of(item) for item in result]
    return result._asdict() if hasattr(result, "_asdict") else result


class Work:
    """What an effect may use: its transaction, the time of the verb, and things made up that replay gives back."""

    def __init__(
        self,
        tx: Transaction,
        now: datetime,
        actor: str,
        recorded: dict[str, Any] | None = None,
    ) -> None:
        self.tx = tx
        self.now = now
        self.actor = actor
        self.generated: dict[str, Any] = {}
        self.changed = True
        self.dry_run = False
        self._recorded = recorded

    def make_up(self, name: str, make: Callable[[], Any]) -> Any:
        """Return `make()` and journal it under `name`; in a replay return what was journaled."""
        value = make() if self._recorded is None else self._recorded[name]
        self.generated[name] = value
        return value

    def gives_back(self, name: str) -> bool:
        """Return whether this is a replay of an entry that made up `name`."""
        return self._recorded is not None and name in self._recorded

    def leaves_out(self, name: str) -> bool:
        """Return whether this is a replay of an entry that did not make up `name`: it is older than that."""
        return self._recorded is not None and name not in self._recorded

    def numbers(self, series: str, count: int) -> list[int]:
        """Return the next numbers of a series, journaled as their first and last where they follow each other."""
        if count == 0:
            return []
        drawn = _unpacked(self.generated[series]) if series in self.generated else []
        if self._recorded is None:
            numbers = self.tx.draw_numbers(series, count)
        else:
            numbers = _unpacked(self._recorded[series])[len(drawn) : len(drawn) + count]
            self.tx.note_numbers(series, numbers[-1])
        self.generated[series] = _packed([*drawn, *numbers])
        return numbers

    def once(
        self,
        scope: str,
        key: str | None,
        asked: dict[str, Any],
        act: Callable[[], Result],
        revive: Callable[[Any], Result],
        keep: Callable[[Result], Any] = fields_of,
    ) -> Result:
        """
        Return `act()`, or what it answered where `key` was used in `scope` before.

        Raises IdempotencyConflict where it was used for something else than is `asked` now.
        """
        if key is None:
            return act()
        first = self.first_answer(scope, key, asked)
        if first is not None:
            self.changed = False
            return revive(first)
        result = act()
        if self.changed:
            self.keep_answer(scope, key, keep(result))
        else:  # asked again it may do something then: a worker that found nothing asks again and again
            self.tx.run("forget_key", scope=scope, idempotency_key=key)
        return result

    def first_answer(self, scope: str, key: str, asked: dict[str, Any]) -> Any:
        """Return the answer that `key` got in `scope`, or None and take the key. Raises IdempotencyConflict."""
        digest = hashlib.sha256(as_json(asked).encode()).hexdigest()
        # Whoever comes second with a key waits here until the first has committed.
        if self.tx.run("claim_key", scope=scope, idempotency_key=key, arguments_digest=digest, made_at=self.now):
            return None
        known = self.tx.rows("answer_of_key", scope=scope, idempotency_key=key)[0]
        if known["arguments_digest"] != digest or known["answer"] is None:
            raise IdempotencyConflict(field="idempotency_key", idempotency_key=key)
        return with_times(json.loads(known["answer"]))

    def keep_answer(self, scope: str, key: str, answer: Any) -> None:
        """Remember the first answer to a key that was taken."""
        self.tx.run("store_answer", scope=scope, idempotency_key=key, answer=as_json(answer))

    def answered(self, call: requests.Call, act: Callable[[], Result]) -> Result:
        """
        Return `act()`, or what it answered when the same request asked for it before; the key is journaled with it.

        Raises IdempotencyConflict.
        """
        asked = {"digest": call.digest}
        result: Result = self.once(call.scope, call.idempotency_key, asked, act, _unpacked_answer, _packed_answer)
        if call.idempotency_key is not None and self.changed:
            self.generated["request"] = [call.scope, call.idempotency_key, call.digest]
        return result


class _Undo(Exception):
    """Carries a dry run's result out of the transaction that it undoes."""

    def __init__(self, result: Any) -> None:
        self.result = result


def effect(verb: str) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Register a function as what `verb` does: `f(work, **arguments)`, a function of the database and these alone."""

    def register(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        assert verb not in _EFFECTS, f"two effects for {verb}"
        _EFFECTS[verb] = function
        _VERBS[function] = verb
        return function

    return register


@contextmanager
def acting_as(actor: str) -> Iterator[None]:
    """Journal the writes of this block as `actor`'s."""
    token = _ACTOR.set(actor)
    try:
        yield
    finally:
        _ACTOR.reset(token)


def execute_journaled(
    db: Database,
    what: Callable[..., Result],
    arguments: dict[str, Any],
    *,
    now: datetime | None = None,
    dry_run: bool = False,
    has_own_key: bool = False,
) -> Result:
    """
    Do an effect and journal it, in one transaction; return what it returns.

    `arguments` are all that it may depend on beside the database, and are journaled under its verb. With `has_own_key`
    all that it writes is kept under idempotency keys among them, and so not under that of the request as well.

    An effect that changed nothing leaves no journal row, and neither does a dry run, which is undone. Raises what the
    effect raises, after undoing everything.
    """
    made_at = db.now() if now is None else now.astimezone(UTC)
    actor = _ACTOR.get()
    verb = _VERBS[what]
    call = requests.call_of(verb, keeps_answer=not (dry_run or has_own_key))

    def work(tx: Transaction) -> Result:
        doing = Work(tx, made_at, actor)
        doing.dry_run = dry_run
        if call.key_id is not None:
            requests.assert_key_lives(tx, call.key_id, made_at)
        result = doing.answered(call, partial(what, doing, **arguments))
        if dry_run:
            raise _Undo(result)
        if doing.changed:
            # Last, and with every lock held: the journal's order is then an order in which the writes could have run.
            tx.post("append_journal", **_written(verb, actor, arguments, doing.generated, made_at))
        return result

    try:
        return db.write(work)
    except _Undo as undone:
        result: Result = undone.result
        return result


UNJOURNALED_TABLES = frozenset({"journal_seals", "lease_heartbeats", "worker_heartbeats"})
"""
What is true for a moment and said again in the next, and the seals, which tell of the journal itself.

A replay leaves them empty, and nothing hangs on that.
"""


def write_unjournaled(db: Database, work: Callable[[Transaction], Result]) -> Result:
    """
    Write to the unjournaled tables alone, in one transaction; return what `work` returns.

    Whatever is decided by what stands there is made up by the effect that decides it, and so is journaled.
    """
    return db.write(work)


def read_journal(db: Database) -> Iterator[JournalEntry]:
    """Yield every journal entry in order."""
    last = 0
    while True:
        with db.reading() as tx:
            entries = _page(tx, last)
        yield from entries
        if len(entries) < _PAGE:
            return
        last = entries[-1].entry_id


def read_journal_as_of(tx: Transaction) -> Iterator[JournalEntry]:
    """Yield every journal entry in order as one transaction sees them, while it lasts."""
    last = 0
    while entries := _page(tx, last):
        yield from entries
        last = entries[-1].entry_id


def _page(tx: Transaction, last: int) -> list[JournalEntry]:
    return [
        JournalEntry(
            entry_id=row["entry_id"],
            verb=row["verb"],
            actor=row["actor"],
            arguments=with_times(json.loads(row["arguments"])),
            generated=json.loads(row["generated"]),
            made_at=row["made_at"],
        )
        for row in tx.rows("journal_after", entry_id=last, page=_PAGE)
    ]


def replay(journal: Database | Iterator[JournalEntry], into: Database) -> int:
    """
    Do every write of a journal again in `into`, a database without history: a new one, or a market just opened.

    The schema is made where it is missing. Returns the number of entries. The tables of `into` are then those of the
    journal's own database. Raises JournalMismatch where `into` has a history, or an entry names no known verb, is
    refused, or generates something else than it did.
    """
    migrate(into)
    into.write(_forget_opening)
    entries = read_journal(journal) if isinstance(journal, Database) else journal
    count = 0
    for entry in entries:
        try:
            into.write(partial(_redo, entry=entry))
        except StoreError as error:
            if type(error) is not StoreError:
                raise
            # What the entry would write is already there, or breaks a rule of the schema.
            raise JournalMismatch(entry_id=entry.entry_id, verb=entry.verb, fact=error.facts["fact"]) from error
        count += 1
    return count


def _forget_opening(tx: Transaction) -> None:
    """Empty a market that was opened and not used, since the journal tells how its own was opened."""
    verbs = set(tx.values("verbs_journaled"))
    if verbs - {_OPENING}:
        raise JournalMismatch(field="into", fact="has a history of its own", verbs=sorted(verbs))
    if verbs:
        for statement in ("forget_journal", "forget_pools", "forget_accounts"):
            tx.post(statement)


def _redo(tx: Transaction, entry: JournalEntry) -> None:
    if entry.verb not in _EFFECTS:
        raise JournalMismatch(entry_id=entry.entry_id, verb=entry.verb, fact="no such verb")
    doing = Work(tx, entry.made_at, entry.actor, recorded=entry.generated)
    scope, key, digest = entry.generated.get("request", ("", None, ""))
    try:
        doing.answered(requests.Call(None, scope, key, digest), partial(_EFFECTS[entry.verb], doing, **entry.arguments))
    except (ScidexError, LookupError, TypeError, ValueError, AssertionError) as error:
        raise JournalMismatch(entry_id=entry.entry_id, verb=entry.verb, fact=str(error)) from error
    if doing.generated != entry.generated:
        raise JournalMismatch(entry_id=entry.entry_id, verb=entry.verb, fact="generated something else")
    tx.note_numbers("journal_numbers", entry.entry_id)
    row = _written(entry.verb, entry.actor, entry.arguments, entry.generated, entry.made_at)
    tx.post("restore_journal", entry_id=entry.entry_id, **row)


def _written(
    verb: str, actor: str, arguments: dict[str, Any], generated: dict[str, Any], made_at: datetime
) -> dict[str, Any]:
    return {
        "verb": verb,
        "actor": actor,
        "arguments": as_json(arguments),
        "generated": as_json(generated),
        "made_at": made_at,
    }


def as_json(value: Any) -> str:
    """One text for one value: keys sorted, no spaces, instants in UTC, records as objects of their fields."""
    return _JSON.encode(value)


def _packed_answer(result: Any) -> Any:
    return {"result": answers.packed(result)}


def _unpacked_answer(kept: Any) -> Any:
    return answers.unpacked(kept["result"])


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return text_of(value)
    raise TypeError(f"not a journal value: {value!r}")


_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_plain, allow_nan=False, check_circular=False)


def with_times(value: Any) -> Any:
    """The value that `as_json` wrote, with the texts under names that end in `_at` as instants again."""
    if isinstance(value, dict):
        return {
            name: datetime.fromisoformat(item) if name.endswith("_at") and item else with_times(item)
            for name, item in value.items()
        }
    return [with_times(item) for item in value] if isinstance(value, list) else value


def _packed(numbers: list[int]) -> Any:
    first, last = numbers[0], numbers[-1]
    return [first, last] if last - first + 1 == len(numbers) else {"numbers": numbers}


def _unpacked(packed: Any) -> list[int]:
    return list(range(packed[0], packed[1] + 1)) if isinstance(packed, list) else list(packed["numbers"])
