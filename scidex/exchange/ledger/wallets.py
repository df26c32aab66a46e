"""Locked wallets inside a transaction: the one place that changes balances and holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from scidex.errors import InsufficientTokens, SupplyExceeded, UnknownAccount
from scidex.records import Transfer
from scidex.settings import ISSUANCE, MOST_TOKENS
from scidex.store.database import Row, Transaction
from scidex.store.db_writes import Work


class Move(NamedTuple):
    """A movement of tokens to be made."""

    debit: str
    credit: str
    amount_tokens: int
    reason: str


@dataclass(slots=True)
class BidHold:
    """What a wallet's open bids in one pool set aside, for its open round and for resting bids."""

    round_id: int
    round_tokens: int = 0
    resting_tokens: int = 0
    suspended_bids: int = 0
    changed: bool = field(default=False, compare=False)

    @property
    def tokens(self) -> int:
        return self.round_tokens + self.resting_tokens


@dataclass(slots=True)
class Wallet:
    """One locked wallet. What cleared rounds no longer hold is already free in it."""

    account_id: str
    kind: str
    owner_id: str
    balance: int
    held: int
    entries: int
    holds: dict[str, BidHold] = field(default_factory=dict)
    changed: bool = False

    @property
    def available(self) -> int:
        return self.balance - self.held

    def assert_sound(self) -> None:
        """Fail where the wallet holds fewer than no tokens, or more than it has; issuance alone owes."""
        assert self.held >= 0, f"{self.account_id} holds {self.held}"
        assert self.account_id == ISSUANCE or self.held <= self.balance, f"{self.account_id} holds more than it has"

    def held_in(self, pool: str) -> int:
        """Return what the bids in `pool` set aside."""
        hold = self.holds.get(pool)
        return hold.tokens if hold else 0

    def set_hold(self, pool: str, hold: BidHold) -> None:
        """Replace what the bids in `pool` set aside. Raises InsufficientTokens."""
        assert hold.round_tokens >= 0, "a bid sets aside at least nothing"
        assert hold.resting_tokens >= 0, "a bid sets aside at least nothing"
        if hold == self.holds.get(pool):  # a bid below those that decide it: nothing to write
            return
        self.hold_more(hold.tokens - self.held_in(pool))
        hold.changed = True
        self.holds[pool] = hold

    def hold_more(self, tokens: int) -> None:
        """Set aside more tokens, or fewer if negative. Raises InsufficientTokens."""
        self.assert_sound()
        if tokens > self.available:
            raise InsufficientTokens(
                field="max_price_tokens", account_id=self.account_id, needed=tokens, available=self.available
            )
        self.held += tokens
        self.changed = True
        self.assert_sound()

    def rests_in(self, pool: str) -> bool:
        """Whether resting bids in `pool` set something aside, or wait to be covered."""
        hold = self.holds.get(pool)
        return hold is not None and (hold.resting_tokens > 0 or hold.suspended_bids > 0)

    def end_round(self, pool: str, owed_tokens: int) -> None:
        """Replace what the bids of a round set aside by what was won with them."""
        hold = self.holds[pool]
        assert 0 <= owed_tokens <= hold.tokens, "a winner owes more than was set aside"
        self.held += owed_tokens - hold.tokens
        hold.round_tokens = hold.resting_tokens = 0
        self.changed = hold.changed = True
        self.assert_sound()

    def move(self, amount: int) -> None:
        """Add `amount` to the balance, or take it from what is available. Raises InsufficientTokens."""
        self.assert_sound()
        if amount < 0 and self.account_id != ISSUANCE and -amount > self.available:
            raise InsufficientTokens(
                field="amount_tokens", account_id=self.account_id, needed=-amount, available=self.available
            )
        self.balance += amount
        self.entries += 1
        self.changed = True
        self.assert_sound()


def lock(tx: Transaction, account_ids: Iterable[str]) -> dict[str, Wallet]:
    """
    Lock the named wallets until the transaction ends, and return those that exist.

    Holds of rounds that have cleared are released on the way, so that what is stored catches up with what is true.
    """
    accounts, holds = tx.gather(lock_calls(account_ids))
    return read(accounts, while_rounds_stay(tx, holds))


def lock_calls(account_ids: Iterable[str]) -> list[tuple[str, Row]]:
    """Return the statements that lock wallets, for a caller that has more to ask in the same round trip."""
    names = {"account_ids": sorted(set(account_ids))}
    return [("lock_accounts", names), ("bid_holds_of", names)]


def while_rounds_stay(tx: Transaction, holds: Sequence[Row], *, locked_pools: Iterable[str] = ()) -> Sequence[Row]:
    """
    Return the rows of holds as they are while no round that they are for can end, until the transaction does.

    A round that is ending already may be journaled before: then its holds are free, as they are in a replay.
    """
    standing = {row["pool"] for row in holds if row["round_tokens"] and row["round_id"] == row["open_round_id"]}
    unlocked = sorted(standing.difference(locked_pools))
    if not unlocked:
        return holds
    rounds = dict(tx.tuples("keep_rounds_open", pools=unlocked))
    return [{**row, "open_round_id": rounds.get(row["pool"], row["open_round_id"])} for row in holds]


def read(accounts: Iterable[Row], holds: Iterable[Row]) -> dict[str, Wallet]:
    """Return wallets from the rows that `lock_calls` answered."""
    wallets = {
        row["account_id"]: Wallet(
            row["account_id"],
            row["kind"],
            row["owner_id"],
            row["balance_tokens"],
            row["held_tokens"],
            row["entries"],
        )
        for row in accounts
    }
    for row in holds:
        wallet = wallets[row["account_id"]]
        hold = BidHold(row["round_id"], row["round_tokens"], row["resting_tokens"], row["suspended_bids"])
        if hold.round_tokens and hold.round_id < row["open_round_id"]:
            wallet.held -= hold.round_tokens
            hold.round_tokens, hold.changed = 0, True
        wallet.holds[row["pool"]] = hold
    for wallet in wallets.values():
        wallet.assert_sound()
    return wallets


def lock_known(tx: Transaction, **account_ids: str) -> dict[str, Wallet]:
    """Lock wallets that must exist, given by the names of the arguments. Raises UnknownAccount."""
    wallets = lock(tx, account_ids.values())
    for argument, account_id in account_ids.items():
        if account_id not in wallets:
            raise UnknownAccount(field=argument, account_id=account_id)
    return wallets


def save(tx: Transaction, wallets: Iterable[Wallet]) -> None:
    """Store what changed."""
    for statement, rows in changes(wallets):
        tx.run_many(statement, rows)


def changes(wallets: Iterable[Wallet]) -> list[tuple[str, list[Row]]]:
    """Return the statements that store what changed, and their rows, for a caller that has more to write with them."""
    changed = sorted((wallet for wallet in wallets if _has_changed(wallet)), key=lambda w: w.account_id)
    for wallet in changed:
        wallet.assert_sound()
        assert sum(hold.tokens for hold in wallet.holds.values()) <= wallet.held, "bids set aside more than is held"
    accounts: list[Row] = [
        {
            "account_id": wallet.account_id,
            "balance_tokens": wallet.balance,
            "held_tokens": wallet.held,
            "entries": wallet.entries,
        }
        for wallet in changed
    ]
    holds: list[Row] = [
        {
            "account_id": wallet.account_id,
            "pool": pool,
            "round_id": hold.round_id,
            "round_tokens": hold.round_tokens,
            "resting_tokens": hold.resting_tokens,
            "suspended_bids": hold.suspended_bids,
        }
        for wallet in changed
        for pool, hold in wallet.holds.items()
        if hold.changed
    ]
    return [("save_accounts", accounts), ("save_bid_holds", holds)]


def transfer(work: Work, wallets: dict[str, Wallet], moves: Sequence[Move]) -> list[Transfer]:
    """
    Move tokens between locked wallets, and append the transfers; the wallets are saved by the caller.

    Raises InsufficientTokens, and SupplyExceeded for a mint past what can be counted exactly.
    """
    before = sum(wallet.balance for wallet in wallets.values())
    made = [_moved(work, wallets[move.debit], wallets[move.credit], move) for move in moves]
    assert sum(wallet.balance for wallet in wallets.values()) == before, "tokens were made or lost"
    numbers = work.numbers("transfer_numbers", len(made))
    assert len(set(numbers)) == len(made), "each movement has a number of its own"
    transfers = [one._replace(transfer_id=number) for number, one in zip(numbers, made, strict=True)]
    work.tx.run_many("append_transfers", [one._asdict() for one in transfers])
    return transfers


def _moved(work: Work, debit: Wallet, credit: Wallet, move: Move) -> Transfer:
    assert debit is not credit, "tokens move between two accounts"
    assert move.amount_tokens > 0, "a movement moves something"
    if debit.account_id == ISSUANCE and move.amount_tokens - debit.balance > MOST_TOKENS:
        raise SupplyExceeded(field="amount_tokens", amount=move.amount_tokens, minted=-debit.balance, most=MOST_TOKENS)
    debit.move(-move.amount_tokens)
    credit.move(move.amount_tokens)
    return Transfer(
        transfer_id=0,
        debit_account_id=debit.account_id,
        credit_account_id=credit.account_id,
        amount_tokens=move.amount_tokens,
        reason=move.reason,
        debit_entry=debit.entries,
        debit_balance_after=debit.balance,
        credit_entry=credit.entries,
        credit_balance_after=credit.balance,
        made_at=work.now,
    )


def _has_changed(wallet: Wallet) -> bool:
    return wallet.changed or any(hold.changed for hold in wallet.holds.values())
