"""What the open bids of a wallet set aside."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from scidex.exchange.book.competitors import SUSPENDED, lock_tasks, rerank_tasks, standing_change
from scidex.exchange.book.pools import RESTING, OpenPool, read_pools
from scidex.exchange.ledger.wallets import BidHold, Wallet
from scidex.mechanism.hold import covered, most_owed
from scidex.store.database import Row, Transaction


@dataclass(slots=True)
class Prices:
    """Prices of a bidder's open bids in a pool: for its open round, and resting; and how many bids hold nothing."""

    for_round: list[int] = field(default_factory=list)
    resting: list[int] = field(default_factory=list)
    suspended: int = 0

    def of_round(self, round_id: int) -> list[int]:
        """Return the prices of the bids for a round."""
        return self.resting if round_id == RESTING else self.for_round

    def without(self, bids: Iterable[Row]) -> Prices:
        """Return the prices that are left without those of some of the bids."""
        gone = prices_of(bids)
        suspended = self.suspended - gone.suspended
        assert suspended >= 0, "what is taken out was in"
        return Prices(_left(self.for_round, gone.for_round), _left(self.resting, gone.resting), suspended)

    def __len__(self) -> int:
        return len(self.for_round) + len(self.resting) + self.suspended


def _left(prices: list[int], gone: list[int]) -> list[int]:
    left = list((Counter(prices) - Counter(gone)).elements()) if gone else list(prices)
    assert len(left) == len(prices) - len(gone), "what is taken out was in"
    return left


def prices_of(bids: Iterable[Row]) -> Prices:
    """Return the prices of open bids."""
    prices = Prices()
    for bid in bids:
        if bid["reason"] == SUSPENDED:
            prices.suspended += 1
        else:
            prices.of_round(bid["round_id"]).append(bid["max_price_tokens"])
    return prices


def hold_of(market: OpenPool, prices: Prices) -> BidHold:
    """
    Return what a bidder's open bids in a pool set aside: the most that it can come to owe in the next round.

    What its resting bids alone would set aside is kept apart, since that remains when the round has cleared.
    """
    resting = most_owed(market.mechanism, prices.resting) if prices.resting else 0
    if not prices.for_round:
        return BidHold(RESTING, 0, resting, prices.suspended)
    everything = most_owed(market.mechanism, [*prices.for_round, *prices.resting])
    assert everything >= resting >= 0, "more bids can come to owe no less"
    return BidHold(market.open_round_id, everything - resting, resting, prices.suspended)


def open_bids(
    tx: Transaction, bidder_ids: Iterable[str], markets: dict[str, OpenPool]
) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the open bids of bidders in pools, by (bidder, pool)."""
    rounds = [RESTING, *(market.open_round_id for market in markets.values())]
    rows = tx.rows("open_bids_of", bidder_ids=list(bidder_ids), pools=list(markets), round_ids=rounds)
    bids: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        bids[row["bidder_id"], row["pool"]].append(row)
    return bids


def rehold(
    tx: Transaction, wallets: dict[str, Wallet], pairs: Iterable[tuple[str, str]], markets: dict[str, OpenPool]
) -> None:
    """Set aside anew, in locked wallets, for the open bids of (bidder, pool) pairs after some of them ended."""
    wanted = set(pairs)
    bids = open_bids(tx, sorted({bidder for bidder, _ in wanted}), markets)
    for bidder_id, pool in sorted(wanted):
        wallets[bidder_id].set_hold(pool, hold_of(markets[pool], prices_of(bids[bidder_id, pool])))


def cover(tx: Transaction, wallet: Wallet, market: OpenPool, bids: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """
    Keep as many of a wallet's open bids in a pool standing as its tokens cover, best first; suspend the others.

    `bids` are all its open bids there. Suspended ones stand again as soon as they are covered. Returns the bids whose
    standing changed. The wallet's hold follows.
    """
    before = wallet.holds.get(market.pool)
    if before is not None:
        wallet.hold_more(-before.tokens)
    resting = sorted((bid for bid in bids if bid["round_id"] == RESTING), key=lambda bid: bid["sequence"])
    prices = [bid["max_price_tokens"] for bid in resting]
    beside = [bid["max_price_tokens"] for bid in bids if bid["round_id"] != RESTING]
    changed = []
    for bid, is_covered in zip(
        resting, covered(market.mechanism, prices, wallet.available, beside=beside), strict=True
    ):
        if is_covered != (bid["reason"] != SUSPENDED):
            bid["reason"] = "" if is_covered else SUSPENDED
            changed.append(bid)
    hold = hold_of(market, prices_of(bids))
    assert hold.tokens <= wallet.available, "what is kept standing is covered"
    hold.changed = True
    wallet.holds[market.pool] = hold
    wallet.hold_more(hold.tokens)
    # Not yet in the book: which of a task's bids stands there is for `rerank_tasks` to say.
    tx.run_many("set_competing", [{**standing_change(bid, bid["reason"]), "competing": 0} for bid in changed])
    return changed


def resume(tx: Transaction, wallets: Iterable[Wallet]) -> None:
    """Let suspended bids of locked wallets stand again where they are covered now."""
    for wallet in wallets:
        pools = sorted(pool for pool, hold in wallet.holds.items() if hold.suspended_bids)
        if not pools:
            continue
        markets = read_pools(tx, pools)
        bids = open_bids(tx, [wallet.account_id], markets)
        lock_tasks(tx, (bid["task_id"] for pool in pools for bid in bids[wallet.account_id, pool]))
        for pool in pools:
            changed = cover(tx, wallet, markets[pool], bids[wallet.account_id, pool])
            rerank_tasks(tx, [bid["task_id"] for bid in changed])
