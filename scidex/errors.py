"""Every refusal of the exchange: one tree, each class named for the fact, its numbers as attributes."""

from __future__ import annotations

import json
import re
from datetime import datetime
from numbers import Number
from typing import Any

_SHOWN_CHARACTERS = 120
_WORD = re.compile(r"[\w:./@+-]{1,120}", re.ASCII)
_JSON = (bool, int, float, list, tuple, dict)


class ScidexError(Exception):
    """The exchange refused."""

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        for name, value in facts.items():
            setattr(self, name, value)
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        sentence = (type(self).__doc__ or "").strip().splitlines()[0]
        # The field is named by the fact that bears its name, where there is one.
        names = [name for name in self.facts if name != "field" or self.facts["field"] not in self.facts]
        told = ", ".join(f"{name}: {_plain(self.facts[name])}" for name in names)
        return f"{sentence} ({told})" if told else sentence

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only facts do not survive the default pickling, and refusals cross process borders.
        return _rebuilt, (type(self), self.facts)


def shown(value: object) -> str:
    """A value as it may stand in a message: printable, on one line, never longer than a line."""
    if isinstance(value, (str, bytes)):
        value = value[: _SHOWN_CHARACTERS + 1]
    text = _text_of(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def _plain(value: object) -> str:
    """A fact, without quotation marks where it is one word."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else shown(value)


def _text_of(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case str():
            return json.dumps(value)  # in ASCII, so that letters which look alike can be told apart
        case datetime():
            return value.isoformat()
    try:
        return json.dumps(value, default=str) if isinstance(value, _JSON) else _unusual(value)
    except (TypeError, ValueError, RecursionError):
        return f"a value of type {type(value).__name__}"


def _unusual(value: object) -> str:
    return str(value) if isinstance(value, Number) else f"a value of type {type(value).__name__}"


def _rebuilt(kind: type[ScidexError], facts: dict[str, Any]) -> ScidexError:
    return kind(**facts)


class InvalidArgument(ScidexError):
    """An argument is not what the verb takes."""

    field: str
    value: object
    fact: str

    def __init__(self, *, field: str, value: object = None, fact: str, **more: Any) -> None:
        super().__init__(field=field, value=value, fact=fact, **more)

    def _sentence(self) -> str:
        return f"{self.field} {self.fact}; got {shown(self.value)}"


class InvalidAmount(InvalidArgument):
    """A number of tokens is not a whole number within bounds."""


class InvalidTime(InvalidArgument):
    """An instant is not a time with its zone, or lies on the wrong side of another."""


class InvalidId(InvalidArgument):
    """A name is not plain text of a sensible length."""


class InvalidSetting(InvalidArgument):
    """A setting does not hold what it takes."""


class ExecutorUnavailable(ScidexError):
    """The place where commands should run cannot be used."""


class UnknownMechanism(ScidexError):
    """No auction rule has this name."""


class UnknownId(ScidexError):
    """Nothing is known under this id."""


class UnknownAccount(UnknownId):
    """No account has this id."""


class UnknownBid(UnknownId):
    """No bid has this id."""


class UnknownSlot(UnknownId):
    """No slot with this id was ever offered."""


class UnknownPool(UnknownId):
    """No pool has this name."""


class UnknownRound(UnknownId):
    """No round with this id has been cleared."""


class UnknownQuest(UnknownId):
    """No quest has this id."""


class UnknownTask(UnknownId):
    """No task of the backlog has this id."""


class UnknownDependency(UnknownId):
    """A task depends on one that is not in the backlog."""


class UnknownAssignment(UnknownId):
    """No work was given out under this id."""


class UnknownKey(UnknownId):
    """No key has this id."""


class UnknownWorker(UnknownId):
    """No worker has this id."""


class UnknownLease(UnknownId):
    """No lease has this fence number."""


class UnknownRun(UnknownId):
    """No slot that was sold and no assignment has this id."""


class MeterUnavailable(ScidexError):
    """Whoever should meter a run cannot, so it is not begun."""


class UnknownStrategy(ScidexError):
    """No bidding strategy has this name."""


class SlotNotSold(ScidexError):
    """The slot was offered and has not been sold."""


class AccountExists(ScidexError):
    """An account with this id exists already."""


class PoolExists(ScidexError):
    """A pool with this name exists already."""


class QuestExists(ScidexError):
    """A quest with this id exists already."""


class TaskExists(ScidexError):
    """A task with this id exists already."""


class InsufficientTokens(ScidexError):
    """The wallet holds fewer available tokens than this needs."""

    field: str
    account_id: str
    needed: int
    available: int


class SupplyExceeded(ScidexError):
    """Minting this would put more tokens in circulation than an exact number of every client can count."""


class TooManyOpenBids(ScidexError):
    """The bidder has as many open bids in this pool as it may have."""


class BidNotOpen(ScidexError):
    """The bid is not open any more."""


class AskNotOpen(ScidexError):
    """The slot is not on offer any more."""


class AlreadySettled(ScidexError):
    """The slot is settled already, with other numbers."""


class SlotVoided(ScidexError):
    """The slot was voided and its tokens went back."""


class SlotNotSettled(ScidexError):
    """Impact is attested to settled slots alone."""


class FenceMismatch(ScidexError):
    """The fence number is not that of the slot's present lease."""


class LeaseLost(ScidexError):
    """The lease has ended, so what its worker says is refused."""


class WorkerExists(ScidexError):
    """A worker with this id works for another account."""


class WorkerLost(ScidexError):
    """The worker stopped, or was not heard of in time; it may register again."""


class WorkerStopped(ScidexError):
    """The market stopped this worker, which does not come back under its id: mend what is said, and start another."""


class NotTheWorkersSlot(ScidexError):
    """The slot was neither bought nor is it provided by the worker's account, or belongs to another pool."""


class MarketRefused(ScidexError):
    """The market's server refused, in a way that this program does not know."""


class AttesterNotIndependent(ScidexError):
    """Impact is attested by an evaluator that does not belong to the bidder's owner."""


class IdempotencyConflict(ScidexError):
    """This idempotency key was used before, with other arguments."""


class BidsRefused(ScidexError):
    """One or more bids of the batch were refused, so none was placed."""

    errors: dict[int, ScidexError]

    def _sentence(self) -> str:
        first, error = next(iter(self.errors.items()))
        return f"{len(self.errors)} of the bids were refused, so none was placed; bids[{first}]: {error}"


class DependencyCycle(ScidexError):
    """Tasks may not wait for each other in a circle."""

    field: str
    task_ids: tuple[str, ...]


class TaskStepNotAllowed(ScidexError):
    """The task cannot go from its present state to this one."""


class TaskHoldsSlot(ScidexError):
    """The task has a slot or was given out; finish that or give it back first."""


class TaskNotOpen(ScidexError):
    """The task may not be started now."""


class AlreadyStarted(ScidexError):
    """This work was started before."""


class AlreadyFinished(ScidexError):
    """This work was finished already, with other numbers."""


class AssignmentGivenBack(ScidexError):
    """This work was given back, and its task is open to others."""


class TasksRefused(ScidexError):
    """One or more tasks of the batch were refused, so none was put."""

    errors: dict[int, ScidexError]

    def _sentence(self) -> str:
        first, error = next(iter(self.errors.items()))
        return f"{len(self.errors)} of the tasks were refused, so none was put; tasks[{first}]: {error}"


class ImportRefused(ScidexError):
    """One or more lines of the import were refused, so nothing was imported."""

    errors: tuple[tuple[int, str, str], ...]
    """Each fault as its line (1 the first), its field, and the fact."""

    def _sentence(self) -> str:
        line, field, fact = self.errors[0]
        return f"{len(self.errors)} faults, so nothing was imported; line {line}, {field}: {fact}"


class NotAuthenticated(ScidexError):
    """This needs a key that is known, has not expired and was not revoked."""


class NotAllowed(ScidexError):
    """The key may not do this."""


class NotYourAccount(NotAllowed):
    """The key acts for another account than the one named."""


class KeyRevoked(ScidexError):
    """The key was revoked or has expired, so it cannot be rotated."""


class StoreError(ScidexError):
    """The database could not do this."""


class InvalidDatabaseUrl(StoreError):
    """The address names no database this can open."""


class NoMarket(StoreError):
    """There is no market here."""


class DatabaseGone(StoreError):
    """The database's file is missing or empty, and files that belong to it are still there."""


class WritesMissing(StoreError):
    """The database lacks writes that were made: its log was lost, or an older copy took its place."""


class BackupFailed(StoreError):
    """The database could not be copied, or brought back."""


class DatabaseBusy(StoreError):
    """The database was busy with other writers for longer than the deadline."""


class DatabaseUnavailable(StoreError):
    """The database did not answer, refused, or broke the connection; the outcome of a write is not known."""


class MarketUnreachable(StoreError):
    """The market's server did not answer, or not as a market does; the outcome of a write is not known."""


class DatabaseForbids(StoreError):
    """The database's role may not do this."""


class SchemaTooOld(StoreError):
    """The database's schema is older than this program."""


class MigrationEdited(StoreError):
    """A migration that the database has taken has been edited since."""


class SchemaTooNew(StoreError):
    """The database was written by a newer version of this program."""


class JournalMismatch(StoreError):
    """Replaying the journal did not lead where it led before."""
