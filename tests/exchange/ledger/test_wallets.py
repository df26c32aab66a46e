"""What must hold of locked wallets is asserted where tokens move."""

from __future__ import annotations

import ast
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scidex.errors import InsufficientTokens
from scidex.exchange.ledger import wallets
from scidex.exchange.ledger.wallets import BidHold, Move, Wallet
from scidex.settings import ISSUANCE
from scidex.store.db_writes import Work

EXCHANGE = Path(wallets.__file__).parents[1]
WHERE_TOKENS_MOVE = (
    "ledger/wallets.py",
    "ledger/arrears.py",
    "book/holds.py",
    "work/settlement.py",
    "income/adjustments.py",
    "income/budget.py",
    "income/impacts.py",
    "income/payday.py",
    "income/refills.py",
)


def wallet(name: str = "a", *, balance: int = 100, held: int = 0, **holds: BidHold) -> Wallet:
    return Wallet(name, "agent", name, balance, held, 0, dict(holds))


@pytest.mark.parametrize(
    "broken",
    [
        lambda: wallet(held=-1).hold_more(0),
        lambda: wallet(held=101).move(1),
        lambda: wallet(held=10).hold_more(-11),
        lambda: wallet().set_hold("p", BidHold(1, -1)),
        lambda: wallet(held=5, p=BidHold(1, 5)).end_round("p", 6),
        lambda: wallet(held=5, p=BidHold(1, 5)).end_round("p", -1),
        lambda: wallets.changes([Wallet("a", "agent", "a", 9, 4, 0, {"p": BidHold(1, 5)}, changed=True)]),
        lambda: wallets.read([row(held_tokens=3)], [hold_row(round_tokens=4)]),
    ],
    ids=[
        "less than nothing is held",
        "more is held than there is",
        "more is released than is held",
        "a hold below nothing",
        "a winner owes more than was set aside",
        "a winner owes less than nothing",
        "bids set aside more than is held",
        "a round frees more than is held",
    ],
)
def test_a_wallet_that_is_not_sound_is_never_written(broken):
    with pytest.raises(AssertionError):
        broken()


def row(**other: object) -> dict[str, object]:
    known = {"account_id": "a", "kind": "agent", "owner_id": "a", "balance_tokens": 9, "held_tokens": 0, "entries": 0}
    return {**known, **other}


def hold_row(**other: object) -> dict[str, object]:
    known = {"account_id": "a", "pool": "p", "round_id": 1, "open_round_id": 2, "resting_tokens": 0}
    return {**known, "suspended_bids": 0, **other}


@pytest.mark.parametrize("move", [Move("a", "b", 0, "nothing"), Move("a", "b", -5, "back"), Move("a", "a", 5, "round")])
def test_a_movement_moves_something_from_one_account_to_another(db, move):
    def work(tx):
        locked = {name: wallet(name) for name in ("a", "b")}
        wallets.transfer(Work(tx, datetime.now(UTC), "test"), locked, [move])

    with pytest.raises(AssertionError):
        db.write(work)


def test_what_is_not_there_is_a_refusal_and_no_fault():
    with pytest.raises(InsufficientTokens):
        wallet(held=40).hold_more(61)
    with pytest.raises(InsufficientTokens):
        wallet(held=40).move(-61)
    issuance = wallet(ISSUANCE, balance=-5)
    issuance.move(-7)
    assert issuance.balance == -12


def test_where_tokens_move_every_second_function_asserts_something():
    functions = asserts = 0
    for name in WHERE_TOKENS_MOVE:
        for node in ast.walk(ast.parse((EXCHANGE / name).read_text(encoding="utf-8"))):
            functions += isinstance(node, ast.FunctionDef)
            called = getattr(node, "func", None)
            asserts += isinstance(node, ast.Assert) or getattr(called, "attr", "").startswith("assert_")
    assert asserts >= 0.5 * functions
