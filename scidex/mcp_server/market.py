"""The market as one bidder sees it: behind a database that this process opens, or behind a server and a key."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from scidex.client import Client
from scidex.exchange import backlog, compute_auction, ownership, token_ledger
from scidex.records import Balance, Bid, Clear, Explanation, Principal, Quote, Task
from scidex.store import Database


class BiddersMarket(Protocol):
    """What one bidder may ask and do. Each call raises ScidexError where the market refuses or cannot be reached."""

    account_id: str

    def wallet(self) -> Balance:
        """Return the bidder's tokens."""

    def quote(self, probability: float, *, pool: str) -> Quote:
        """Return what to bid to win the next round with a chance."""

    def place(
        self,
        task_id: str,
        max_price_tokens: int,
        *,
        expected_value_usd: float,
        pool: str,
        time_in_force: str,
        ttl_at: datetime | None,
        idempotency_key: str | None,
    ) -> Bid:
        """Bid as the bidder."""

    def cancel(self, bid_id: int) -> Bid:
        """Cancel an open bid of the bidder's own."""

    def open_bids(self, *, after: int | None, limit: int) -> list[Bid]:
        """Return the bidder's open bids, the dearest first."""

    def won_slots(self, *, limit: int) -> list[Clear]:
        """Return what the bidder has won and is not settled, the oldest first."""

    def explain(self, bid_id: int) -> Explanation:
        """Return why a bid of the bidder's owner stands where it stands."""

    def book(self, *, pool: str, limit: int) -> dict[str, list[dict[str, Any]]]:
        """Return a pool's open bids and its slots on offer."""

    def open_tasks(self, *, quest_id: str | None, pool: str, after: str, limit: int) -> list[Task]:
        """Return tasks that may be bid for, in the order of their ids."""


class EmbeddedMarket:
    """A market whose database this process opens: whoever may open it may act for any account, and names one."""

    def __init__(self, db: Database, account_id: str) -> None:
        """Act for an account. Raises UnknownAccount."""
        account = token_ledger.get_account(account_id, db=db)
        self.account_id = account.account_id
        self._db = db
        self._who = Principal("", account.account_id, account.owner_id, frozenset({"bid", "read"}))

    def wallet(self) -> Balance:
        """Return the bidder's tokens."""
        return token_ledger.get_balance(self.account_id, db=self._db)

    def quote(self, probability: float, *, pool: str) -> Quote:
        """Return what to bid to win the next round with a chance."""
        return compute_auction.quote(probability, pool=pool, db=self._db)

    def place(self, task_id: str, max_price_tokens: int, **terms: Any) -> Bid:
        """Bid as the bidder."""
        return compute_auction.place_bid(self.account_id, task_id, max_price_tokens, **terms, db=self._db)

    def cancel(self, bid_id: int) -> Bid:
        """Cancel an open bid of the bidder's own."""
        ownership.check_acts_on_bid(self._who, bid_id, db=self._db)
        return compute_auction.cancel_bid(bid_id, db=self._db)

    def open_bids(self, *, after: int | None, limit: int) -> list[Bid]:
        """Return the bidder's open bids, the dearest first."""
        return compute_auction.list_open_bids(self.account_id, after=after, limit=limit, db=self._db)

    def won_slots(self, *, limit: int) -> list[Clear]:
        """Return what the bidder has won and is not settled, the oldest first."""
        return compute_auction.list_won_slots(self.account_id, limit=limit, db=self._db)

    def explain(self, bid_id: int) -> Explanation:
        """Return why a bid of the bidder's owner stands where it stands."""
        ownership.check_sees_bid(self._who, bid_id, db=self._db)
        return compute_auction.explain(bid_id, db=self._db)

    def book(self, *, pool: str, limit: int) -> dict[str, list[dict[str, Any]]]:
        """Return a pool's open bids and its slots on offer."""
        return compute_auction.get_order_book(pool=pool, limit=limit, db=self._db)

    def open_tasks(self, *, quest_id: str | None, pool: str, after: str, limit: int) -> list[Task]:
        """Return tasks that may be bid for, in the order of their ids."""
        return backlog.list_tasks(quest_id=quest_id, status="open", pool=pool, after=after, limit=limit, db=self._db)


class RemoteMarket:
    """A market behind a server: the key decides for whom it acts, and the server what that may do."""

    def __init__(self, client: Client) -> None:
        """Act by a client's key. Raises NotAuthenticated, MarketUnreachable."""
        self.account_id = client.whoami().account_id
        self._client = client

    def wallet(self) -> Balance:
        """Return the bidder's tokens."""
        return self._client.get_balance(self.account_id)

    def quote(self, probability: float, *, pool: str) -> Quote:
        """Return what to bid to win the next round with a chance."""
        return self._client.quote(probability, pool=pool)

    def place(self, task_id: str, max_price_tokens: int, **terms: Any) -> Bid:
        """Bid as the bidder."""
        return self._client.place_bid(None, task_id, max_price_tokens, **terms)

    def cancel(self, bid_id: int) -> Bid:
        """Cancel an open bid of the bidder's own."""
        return self._client.cancel_bid(bid_id)

    def open_bids(self, *, after: int | None, limit: int) -> list[Bid]:
        """Return the bidder's open bids, the dearest first."""
        return self._client.list_open_bids(after=after, limit=limit)

    def won_slots(self, *, limit: int) -> list[Clear]:
        """Return what the bidder has won and is not settled, the oldest first."""
        return self._client.list_won_slots(limit=limit)

    def explain(self, bid_id: int) -> Explanation:
        """Return why a bid of the bidder's owner stands where it stands."""
        return self._client.explain(bid_id)

    def book(self, *, pool: str, limit: int) -> dict[str, list[dict[str, Any]]]:
        """Return a pool's open bids and its slots on offer."""
        return self._client.get_order_book(pool=pool, limit=limit)

    def open_tasks(self, *, quest_id: str | None, pool: str, after: str, limit: int) -> list[Task]:
        """Return tasks that may be bid for, in the order of their ids."""
        return self._client.list_tasks(quest_id=quest_id, status="open", pool=pool, after=after, limit=limit)
