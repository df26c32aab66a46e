"""Wallets, the backlog, cycles, keys and events over HTTP, by the arguments of the exchange's own verbs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from scidex.client.auction import sent
from scidex.client.connection import Connection, part
from scidex.client.records import record_of, records_of
from scidex.records import (
    Account,
    Allocation,
    Balance,
    CycleReport,
    CycleStatus,
    Imported,
    IncomeShare,
    Key,
    ModeSwitch,
    NewKey,
    Principal,
    Quest,
    QuestTrouble,
    ScoredTask,
    Task,
    Transfer,
    WalletSummary,
)
from scidex.settings import DEFAULT_POOL


class WalletCalls:
    """The verbs of the ledger."""

    _market: Connection

    def create_account(self, account_id: str, kind: str = "agent", owner_id: str | None = None) -> Account:
        """Open an account."""
        given = {"account_id": account_id, "kind": kind, "owner_id": owner_id}
        return record_of(Account, self._market.act("POST", "/api/wallets", given))

    def get_account(self, account_id: str) -> Account:
        """Return an account's kind and owner."""
        return record_of(Account, self._market.get(f"/api/accounts/{part(account_id)}"))

    def get_balance(self, account_id: str) -> Balance:
        """Return an account's tokens."""
        return record_of(Balance, self._market.get(f"/api/wallets/{part(account_id)}"))

    def list_wallets(self, *, after: str = "", limit: int = 1_000) -> list[WalletSummary]:
        """Return wallets in the order of their ids."""
        return records_of(WalletSummary, self._market.get("/api/wallets", after=after, limit=limit))

    def get_transfers(self, account_id: str, *, before: int | None = None, limit: int = 100) -> list[Transfer]:
        """Return an account's movements, newest first."""
        told = self._market.get(f"/api/wallets/{part(account_id)}/transfers", before=before, limit=limit)
        return records_of(Transfer, told)

    def list_income(self, account_id: str, *, before: str | None = None, limit: int = 100) -> list[IncomeShare]:
        """Return an account's shares of the daily buckets, the newest first."""
        told = self._market.get(f"/api/wallets/{part(account_id)}/income", before=before, limit=limit)
        return records_of(IncomeShare, told)

    def transfer(
        self,
        debit: str,
        credit: str,
        amount_tokens: int,
        reason: str = "transfer",
        idempotency_key: str | None = None,
    ) -> Transfer:
        """Move available tokens of the key's own account to another, once."""
        order = {"credit": credit, "amount_tokens": amount_tokens, "reason": reason}
        address = f"/api/wallets/{part(debit)}/transfers"
        return record_of(Transfer, self._market.act("POST", address, order, idempotency_key=idempotency_key))

    def mint(
        self, account_id: str, amount_tokens: int, reason: str = "grant", idempotency_key: str | None = None
    ) -> Transfer:
        """Issue new tokens to an account, once."""
        order = {"amount_tokens": amount_tokens, "reason": reason}
        address = f"/api/wallets/{part(account_id)}/mint"
        return record_of(Transfer, self._market.act("POST", address, order, idempotency_key=idempotency_key))

    def burn(
        self, account_id: str, amount_tokens: int, reason: str = "burn", idempotency_key: str | None = None
    ) -> Transfer:
        """Take available tokens of an account out of the market, once."""
        order = {"amount_tokens": amount_tokens, "reason": reason}
        address = f"/api/wallets/{part(account_id)}/burn"
        return record_of(Transfer, self._market.act("POST", address, order, idempotency_key=idempotency_key))


class BacklogCalls:
    """The verbs of quests and tasks."""

    _market: Connection

    def add_quest(
        self,
        quest_id: str,
        title: str = "",
        *,
        priority: int = 1,
        strategy: str = "market",
        owner_id: str | None = None,
        account_id: str | None = None,
    ) -> Quest:
        """Add a quest, and open its wallet."""
        given = {"quest_id": quest_id, "title": title, "priority": priority, "strategy": strategy}
        others = {"owner_id": owner_id, "account_id": account_id}
        return record_of(Quest, self._market.act("POST", "/api/quests", {**given, **others}))

    def set_quest(
        self,
        quest_id: str,
        *,
        title: str | None = None,
        priority: int | None = None,
        status: str | None = None,
        strategy: str | None = None,
    ) -> Quest:
        """Change a quest."""
        given = {"title": title, "priority": priority, "status": status, "strategy": strategy}
        return record_of(Quest, self._market.act("PATCH", f"/api/quests/{part(quest_id)}", given))

    def get_quest(self, quest_id: str) -> Quest:
        """Return a quest."""
        return record_of(Quest, self._market.get(f"/api/quests/{part(quest_id)}"))

    def list_quests(self, *, after: str = "", limit: int = 1_000) -> list[Quest]:
        """Return quests in the order of their ids."""
        return records_of(Quest, self._market.get("/api/quests", after=after, limit=limit))

    def get_quest_budget_allocation(self) -> list[Allocation]:
        """Return the proportional split of today's bucket."""
        return records_of(Allocation, self._market.get("/api/quest-budget-allocations"))

    def list_quest_troubles(self) -> list[QuestTrouble]:
        """Return every active quest that has work and cannot bid for any of it, with why and the remedy."""
        return records_of(QuestTrouble, self._market.get("/api/quest-troubles"))

    def add_task(self, task_id: str, quest_id: str, title: str = "", **terms: Any) -> Task:
        """Add a task to a quest's backlog; `terms` are those of `backlog.add_task`."""
        given = sent({"task_id": task_id, "quest_id": quest_id, "title": title, **terms})
        return record_of(Task, self._market.act("POST", "/api/tasks", given))

    def put_tasks(self, tasks: Iterable[Mapping[str, Any]], *, quests: Iterable[Mapping[str, Any]] = ()) -> Imported:
        """Add tasks, or change those that are there, all of them or none."""
        given = {"tasks": [sent(task) for task in tasks], "quests": [sent(quest) for quest in quests]}
        return record_of(Imported, self._market.act("PUT", "/api/tasks", given))

    def get_task(self, task_id: str) -> Task:
        """Return a task."""
        return record_of(Task, self._market.get(f"/api/tasks/{part(task_id)}"))

    def list_tasks(
        self,
        *,
        quest_id: str | None = None,
        status: str | None = None,
        pool: str | None = None,
        source: str | None = None,
        after: str = "",
        limit: int = 1_000,
    ) -> list[Task]:
        """Return tasks in the order of their ids."""
        wanted = {"quest_id": quest_id, "status": status, "pool": pool, "source": source}
        return records_of(Task, self._market.get("/api/tasks", **wanted, after=after, limit=limit))

    def set_task_status(self, task_id: str, status: str, *, reason: str = "") -> Task:
        """Take a task to another status by hand, with the reason where it is held."""
        to = {"status": status, "reason": reason}
        return record_of(Task, self._market.act("POST", f"/api/tasks/{part(task_id)}/status", to))

    def note_written_back(self, task_id: str) -> Task:
        """Note that a task's end was written back to its source."""
        return record_of(Task, self._market.act("POST", f"/api/tasks/{part(task_id)}/written-back", {}))

    def score_all(self) -> list[ScoredTask]:
        """Return the unblocked tasks, the highest expected value first."""
        return records_of(ScoredTask, self._market.get("/api/task-ranking"))


class CycleCalls:
    """The verbs of the cycle."""

    _market: Connection

    def cycle_status(self, pool: str = DEFAULT_POOL) -> CycleStatus:
        """Return when a pool clears next, and what its agents go by."""
        return record_of(CycleStatus, self._market.get(f"/api/cycles/{part(pool)}"))

    def list_mode_switches(
        self, pool: str = DEFAULT_POOL, *, before: int | None = None, limit: int = 100
    ) -> list[ModeSwitch]:
        """Return a pool's changes between the auction and the fallback, newest first."""
        told = self._market.get(f"/api/cycles/{part(pool)}/mode-switches", before=before, limit=limit)
        return records_of(ModeSwitch, told)

    def pause(self, pool: str = DEFAULT_POOL) -> CycleStatus:
        """Hold a pool's cycle until it is resumed."""
        return record_of(CycleStatus, self._market.act("POST", f"/api/cycles/{part(pool)}/pause"))

    def resume(self, pool: str = DEFAULT_POOL) -> CycleStatus:
        """Let a paused pool's cycle go on."""
        return record_of(CycleStatus, self._market.act("POST", f"/api/cycles/{part(pool)}/resume"))

    def run_cycle(self, pool: str = DEFAULT_POOL) -> CycleReport:
        """Do a cycle of a pool at once."""
        return record_of(CycleReport, self._market.act("POST", f"/api/cycles/{part(pool)}/clear"))


class KeyCalls:
    """The verbs of keys, and the stream of events."""

    _market: Connection

    def whoami(self) -> Principal:
        """Return for whom the key acts, and what it may do."""
        return record_of(Principal, self._market.get("/api/whoami"))

    def create_key(
        self, account_id: str, scopes: Iterable[str], *, expires_at: datetime | None = None, label: str = ""
    ) -> NewKey:
        """Make a key; its text is told once."""
        given = sent({"account_id": account_id, "scopes": list(scopes), "expires_at": expires_at, "label": label})
        return record_of(NewKey, self._market.act("POST", "/api/keys", given))

    def rotate_key(self, key_id: str, *, overlap_seconds: int = 86_400, expires_at: datetime | None = None) -> NewKey:
        """Make a key that takes another one's place."""
        given = sent({"overlap_seconds": overlap_seconds, "expires_at": expires_at})
        return record_of(NewKey, self._market.act("POST", f"/api/keys/{part(key_id)}/rotate", given))

    def revoke_key(self, key_id: str) -> Key:
        """End a key at once."""
        return record_of(Key, self._market.act("DELETE", f"/api/keys/{part(key_id)}"))

    def list_keys(self, *, account_id: str | None = None, after: str = "", limit: int = 1_000) -> list[Key]:
        """Return keys in the order of their ids."""
        return records_of(Key, self._market.get("/api/keys", account_id=account_id, after=after, limit=limit))

    def new_session_path(self) -> str:
        """Return the path of a page that opens the dashboard once, for an operator's key."""
        told: str = self._market.act("POST", "/api/session-links")["path"]
        return told

    def events(self, after: int | None = None) -> Iterator[dict[str, Any]]:
        """
        Yield what happens from now on, or behind the number of an event that was seen, for as long as the server tells.

        Raises MarketUnreachable where the stream breaks: go on behind the last `entry_id`.
        """
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        for line in self._market.lines("/api/events", **headers):
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))
