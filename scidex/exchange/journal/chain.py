"""The journal's chain within a transaction: its head, its entries, and whether these are as they were sealed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from scidex.errors import InvalidArgument
from scidex.records import SealReport
from scidex.store import seals
from scidex.store.database import Row, Transaction

Progress = Callable[[str, int, int], None]

_PAGE = 100
_HEAD = re.compile(r"([0-9]{1,16}):([0-9a-f]{64})", re.ASCII)
_NO_SEAL: Row = {"seal_number": 0, "last_entry": 0, "digest": seals.NOTHING}
# No number is lower: an entry that a hand put before the first one is found too.
_BEFORE_ALL = -(2**63)


def head_of(tx: Transaction) -> Row:
    """Return the step of the chain that was made last; its number is 0 where there is none."""
    return tx.row("last_seal") or _NO_SEAL


def entries(tx: Transaction, after: int, last: int, *, most: int | None = None) -> Iterator[tuple[Any, ...]]:
    """Yield the entries behind one up to another as they are stored, at most so many."""
    left = last - after if most is None else most
    while left > 0 and (page := tx.tuples("journal_between", after=after, last=last, page=min(_PAGE, left))):
        yield from page
        after, left = page[-1][0], left - len(page)


def verify_seals(tx: Transaction, *, expect_seal: str | None = None, on_progress: Progress | None = None) -> SealReport:
    """
    Chain the journal anew as one transaction sees it, and hold it against its seals and a head noted before.

    `expect_seal` is `ENTRY:DIGEST`, as the `head` of an earlier report. Raises InvalidArgument.
    """
    proof = _Proof(tx, None if expect_seal is None else _noted(expect_seal))
    for seal in _seals(tx):
        proof.hold_against(seal)
        if on_progress is not None:
            on_progress("sealed entries", proof.sealed, 0)
    return proof.report()


class _Proof:
    """What was found of a chain so far, up to `last`."""

    def __init__(self, tx: Transaction, noted: tuple[int, str] | None) -> None:
        self._tx = tx
        self._noted = noted
        self._at_noted = seals.NOTHING if noted is not None and noted[0] == 0 else None
        self._digest = seals.NOTHING
        self._last = _BEFORE_ALL
        self._seals = 0
        self.sealed = 0
        self._faults: list[str] = []

    def hold_against(self, seal: Row) -> None:
        """Go on with the chain to the end of a seal, and note what is not as it says."""
        number = self._seals + 1
        if seal["seal_number"] != number:
            self._faults.append(f"seal {number} was removed")
        chain = self._links_to(seal["last_entry"])
        fault = _fault(seal, chain)
        if fault is not None:
            self._faults.append(fault)
        # A change is told once: the seals behind it are held against what this one says.
        self._digest = seal["digest"] if fault else chain[-1].digest
        self._last, self._seals = max(self._last, seal["last_entry"]), seal["seal_number"]
        self.sealed += seal["entries"]

    def report(self) -> SealReport:
        """Return what was found of the whole journal."""
        waiting = self._tx.values("journal_rows_after", after=self._last)[0]
        if self._noted is not None:
            number, digest = self._noted
            if self._at_noted is None:  # it was noted of what is sealed otherwise now, or not sealed
                self._links_to(number)
            if self._at_noted != digest:
                self._faults.insert(0, f"the journal up to entry {number} is not the one whose digest was noted")
        head = f"{max(self._last, 0)}:{self._digest}"
        return SealReport(self._seals, self.sealed, waiting, head, tuple(self._faults))

    def _links_to(self, last: int) -> list[seals.Link]:
        chain = seals.links(self._digest, entries(self._tx, self._last, last))
        if self._noted is not None and self._at_noted is None:
            number = self._noted[0]
            self._at_noted = next((link.digest for link in chain if link.entry_id == number), None)
        return chain


def _fault(seal: Row, chain: list[seals.Link]) -> str | None:
    """Say what is not as one seal says, or None."""
    found = None
    if not chain or chain[-1].digest != seal["digest"]:
        if seal["marks"].rpartition(" ")[2].startswith(f"{seal['last_entry']}:"):
            found = seals.first_difference(seal["marks"], chain)
    elif (chain[0].entry_id, len(chain), seals.marks_of(chain)) == tuple(
        seal[name] for name in ("first_entry", "entries", "marks")
    ):
        return None
    return f"the journal is not as it was sealed: {found}" if found else f"seal {seal['seal_number']} was altered"


def _seals(tx: Transaction) -> Iterator[Row]:
    last = 0
    while page := tx.rows("seals_after", seal_number=last, page=_PAGE):
        yield from page
        last = page[-1]["seal_number"]


def _noted(told: Any) -> tuple[int, str]:
    form = _HEAD.fullmatch(told) if type(told) is str else None
    if form is None:
        raise InvalidArgument(field="expect_seal", value=told, fact="must be ENTRY:DIGEST, as an audit prints it")
    return int(form[1]), form[2]
