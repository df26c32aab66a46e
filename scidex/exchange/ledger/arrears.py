"""What accounts owe: tokens that were to be taken and were not there."""

from __future__ import annotations

from collections.abc import Iterable

from scidex.exchange.ledger import wallets
from scidex.exchange.ledger.wallets import Move, Wallet
from scidex.settings import ISSUANCE
from scidex.store.database import Transaction
from scidex.store.db_writes import Work


def owed(tx: Transaction, account_ids: Iterable[str]) -> dict[str, int]:
    """Return what these accounts owe, those that owe something."""
    rows = tx.rows("arrears_of_accounts", account_ids=sorted(account_ids))
    return {row["account_id"]: row["owed_tokens"] for row in rows}


def take(
    work: Work, locked: dict[str, Wallet], account_id: str, tokens: int, reason: str, *, to: str = ISSUANCE
) -> int:
    """Take tokens from what a locked wallet has available, and note the rest as arrears; return what was taken."""
    assert tokens >= 0, "what is given is no arrears"
    taken = min(tokens, locked[account_id].available)
    assert 0 <= taken <= tokens, "no more is taken than is owed"
    if taken:
        wallets.transfer(work, locked, [Move(account_id, to, taken, reason)])
    if tokens > taken:
        standing = owed(work.tx, [account_id]).get(account_id, 0)
        work.tx.run("save_arrears", account_id=account_id, owed_tokens=standing + tokens - taken)
    return taken
