"""What the verbs answer with: frozen records, tokens as integers, instants in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class Account(NamedTuple):
    """A wallet's identity: who it is, what it is, and which principal stands behind it."""

    account_id: str
    kind: str
    owner_id: str
    created_at: datetime


class Balance(NamedTuple):
    """A wallet's tokens: all of them, those set aside, and those free to spend."""

    account_id: str
    balance: int
    held: int

    @property
    def available(self) -> int:
        """Tokens that may be bid or transferred now."""
        return self.balance - self.held


class Transfer(NamedTuple):
    """One movement of tokens from an account to another."""

    transfer_id: int
    debit_account_id: str
    credit_account_id: str
    amount_tokens: int
    reason: str
    debit_entry: int
    debit_balance_after: int
    credit_entry: int
    credit_balance_after: int
    made_at: datetime


class Pool(NamedTuple):
    """A book of like slots, the rule that clears it, and the commitment to the open round's lottery."""

    pool: str
    mechanism: str
    theta: str | None
    tie_rule: str
    open_round_id: int
    seed_commitment: str
    created_at: datetime


class Ask(NamedTuple):
    """A slot on offer."""

    slot_id: str
    pool: str
    provider_id: str
    reserve_price_tokens: int
    available_at: datetime
    expires_at: datetime | None
    token_allowance: int | None
    max_seconds: int | None
    status: str
    sequence: int
    offered_at: datetime


class Bid(NamedTuple):
    """A bid as it stands; `round_id` is the round it is for or was decided in, 0 while it rests."""

    id: int
    bidder_id: str
    task_id: str
    max_price_tokens: int
    expected_value_usd: float
    ttl_at: datetime
    status: str
    pool: str
    placed_at: datetime
    sequence: int
    time_in_force: str
    round_id: int
    reason: str


class Clear(NamedTuple):
    """A slot that was sold, what it sold for, and what came of it."""

    slot_id: str
    clearing_price_tokens: int
    winning_task_id: str
    runner_up_task_id: str | None
    slot_started_at: datetime | None
    slot_finished_at: datetime | None
    pool: str
    round_id: int
    bid_id: int
    bidder_id: str
    provider_id: str
    max_price_tokens: int
    winning_premium_tokens: int
    provider_proceeds_tokens: int
    runner_up_price_tokens: int | None
    actual_cost_tokens: int | None
    actual_impact: float | None
    roi: float | None
    attested_by: str | None
    status: str
    reason: str


class Round(NamedTuple):
    """One clearing of one pool; `round_id` is None where no ask was available, so no round was held."""

    round_id: int | None
    pool: str
    cleared_at: datetime
    slots: int
    bids: int
    clearing_price_tokens: int | None
    runner_up_bid_id: int | None
    mechanism: str
    tie_rule: str
    seed: str | None
    digest: str | None
    previous_digest: str | None
    clears: tuple[Clear, ...]

    @property
    def sold(self) -> int:
        """Slots sold."""
        return len(self.clears)


class Explanation(NamedTuple):
    """Why a bid stands where it stands."""

    bid_id: int
    status: str
    reason: str
    sentence: str
    max_price_tokens: int
    round_id: int | None
    rank: int | None
    slots: int | None
    clearing_price_tokens: int | None
    price_to_win_tokens: int | None
    margin_missed_tokens: int | None


class Quote(NamedTuple):
    """What to bid to win the next round with a chance; `basis` tells what that rests on."""

    pool: str
    probability: float
    max_price_tokens: int
    rounds_seen: int
    basis: str


class LedgerReport(NamedTuple):
    """What was proved of the books at one moment; `problems` is empty where they are right."""

    accounts: int
    transfers: int
    minted_tokens: int
    held_tokens: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every check held."""
        return not self.problems
