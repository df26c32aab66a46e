"""Placing and amending bids: what `place_bid` and `place_bids` do inside their transaction."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import timedelta
from itertools import compress
from operator import not_
from typing import Any

from scidex.errors import (
    BidsRefused,
    IdempotencyConflict,
    InsufficientTokens,
    InvalidArgument,
    InvalidId,
    InvalidTime,
    ScidexError,
    TooManyOpenBids,
    UnknownAccount,
    UnknownPool,
)
from scidex.exchange.book import competitors
from scidex.exchange.book import holds as bid_holds
from scidex.exchange.book import pools as books
from scidex.exchange.book import terms as bid_terms
from scidex.exchange.book.holds import Prices
from scidex.exchange.book.pools import RESTING, Counted
from scidex.exchange.book.terms import Request, Terms
from scidex.exchange.ledger import wallets
from scidex.exchange.ledger.wallets import BidHold, Wallet
from scidex.mechanism.hold import covered, most_owed
from scidex.records import Bid
from scidex.store.database import Row
from scidex.store.db_writes import Work, as_json, effect, fields_of

Pair = tuple[str, str]
Triple = tuple[str, str, str]

_NO_PRICES = Prices()


@effect("place_bids")
def place_bids(work: Work, *, bids: list[Request], bid_hours: int, most_open_bids: int) -> list[Bid]:
    """Place bids, all or none. Raises BidsRefused with the error of each refused one."""
    answers = _first_answers(work, bids)
    fresh = {index: request for index, request in enumerate(bids) if index not in answers}
    if fresh:
        answers |= _place(work, fresh, timedelta(hours=bid_hours), most_open_bids)
    for index, request in fresh.items():
        if key := request["idempotency_key"]:
            work.keep_answer(f"bid {request['bidder_id']}", key, fields_of(answers[index]))
    work.changed = bool(fresh)
    return [answers[index] for index in range(len(bids))]


def _first_answers(work: Work, requests: list[Request]) -> dict[int, Bid]:
    """Answer what was placed before under the same idempotency key, and take the new keys. Raises BidsRefused."""
    answers: dict[int, Bid] = {}
    errors: dict[int, ScidexError] = {}
    # In the order of the keys: two batches that share some then queue, and never deadlock.
    keyed = [(r["bidder_id"], r["idempotency_key"], i) for i, r in enumerate(requests) if r["idempotency_key"]]
    for bidder_id, key, index in sorted(keyed):
        try:
            answer = work.first_answer(f"bid {bidder_id}", key, _asked(requests[index]))
        except IdempotencyConflict as conflict:
            errors[index] = conflict
            continue
        if answer is not None:
            answers[index] = Bid(**answer)
    _refuse(errors)
    return answers


def _place(work: Work, fresh: dict[int, Request], ttl: timedelta, most_open_bids: int) -> dict[int, Bid]:
    batch = _Batch(work, fresh, ttl, most_open_bids)
    batch.lock()
    batch.check()
    batch.hold()
    batch.write()
    return batch.answers


def _asked(request: Request) -> Request:
    return {name: value for name, value in request.items() if name != "idempotency_key"}


def _refuse(errors: dict[int, ScidexError]) -> None:
    if errors:
        raise BidsRefused(errors=dict(sorted(errors.items())))


class _Batch:
    """Bids on their way into the books, by their index in the batch."""

    def __init__(self, work: Work, fresh: dict[int, Request], ttl: timedelta, most_open_bids: int) -> None:
        self.work = work
        self.tx = work.tx
        self.fresh = fresh
        self.ttl = ttl
        self.most_open_bids = most_open_bids
        self.answers: dict[int, Bid] = {}
        self.errors: dict[int, ScidexError] = {}
        self.terms: dict[int, Terms] = {}
        self.stands: dict[int, Row | None] = {}
        self.by_pair: dict[Pair, list[int]] = defaultdict(list)

    def lock(self) -> None:
        """Lock pools, then tasks, then wallets, and read what stands, all in one round trip."""
        requests = self.fresh.values()
        pools = sorted({request["pool"] for request in requests})
        books.lock_names(self.tx, pools)
        # Resting bids for a task stand in each other's way; others only look at the task.
        rests = any(request["time_in_force"] == "gtt" for request in requests)
        competitors.lock_tasks(self.tx, (request["task_id"] for request in requests), shared=not rests)
        bidders = sorted({request["bidder_id"] for request in requests})
        triples = [(r["bidder_id"], r["pool"], r["task_id"]) for r in requests]
        markets, states, live, accounts, holds, prices, standing = self.tx.gather(
            [
                ("pools_named", {"pools": pools}),
                *competitors.bar_calls(request["task_id"] for request in requests),
                *wallets.lock_calls(bidders),
                ("open_prices", {"bidder_ids": bidders, "pools": pools}),
                ("standing_bids", {"triples": as_json(triples)}),
            ]
        )
        self.markets = books.markets_by_name(markets)
        self.barred = competitors.read_bars(states, live)
        self.wallets = wallets.read(accounts, wallets.while_rounds_stay(self.tx, holds, locked_pools=pools))
        self.prices = self._read_prices(prices)
        self.standing = {(bid["bidder_id"], bid["pool"], bid["task_id"]): bid for bid in standing}

    def _read_prices(self, rows: list[dict[str, Any]]) -> dict[Pair, Prices]:
        prices: dict[Pair, Prices] = defaultdict(Prices)
        for row in rows:
            if row["prices"]:
                prices[row["bidder_id"], row["pool"]].of_round(row["round_id"]).extend(json.loads(row["prices"]))
        for wallet in self.wallets.values():
            for pool, hold in wallet.holds.items():
                if hold.suspended_bids:
                    prices[wallet.account_id, pool].suspended = hold.suspended_bids
        return prices

    def check(self) -> None:
        """Turn requests into the terms of bids. Raises BidsRefused."""
        asked: set[Triple] = set()
        for index, request in self.fresh.items():
            triple = (request["bidder_id"], request["pool"], request["task_id"])
            try:
                self._check_request(request, triple, asked)
            except ScidexError as error:
                self.errors[index] = error
                continue
            asked.add(triple)
            stands = self.stands[index] = self.standing.get(triple)
            self.terms[index] = self._terms(request, stands)
            self.by_pair[triple[:2]].append(index)
        for pair, indexes in self.by_pair.items():
            self._check_number(pair, indexes)
        _refuse(self.errors)

    def _terms(self, request: Request, stands: Row | None) -> Terms:
        rests = request["time_in_force"] == "gtt"
        return bid_terms.new_terms(
            request,
            stands,
            round_id=RESTING if rests else self.markets[request["pool"]].open_round_id,
            reason=self.barred.get(request["task_id"], ""),
            now=self.work.now,
            ttl=self.ttl,
        )

    def _check_number(self, pair: Pair, indexes: list[int]) -> None:
        room = self.most_open_bids - len(self.prices.get(pair, ()))
        for index in [index for index in indexes if self.stands[index] is None][max(0, room) :]:
            self.errors[index] = TooManyOpenBids(
                field="bidder_id", account_id=pair[0], pool=pair[1], most=self.most_open_bids
            )

    def _check_request(self, request: Request, triple: Triple, asked: set[Triple]) -> None:
        bidder_id, pool, task_id = triple
        if pool not in self.markets:
            raise UnknownPool(field="pool", pool=pool)
        wallet = self.wallets.get(bidder_id)
        if wallet is None:
            raise UnknownAccount(field="bidder_id", account_id=bidder_id)
        if wallet.kind == "system":
            raise InvalidId(field="bidder_id", value=bidder_id, fact="must not be a system account")
        if request["ttl_at"] is not None and request["ttl_at"] <= self.work.now:
            raise InvalidTime(field="ttl_at", value=request["ttl_at"], fact="must lie after now")
        if triple in asked:
            raise InvalidArgument(field="task_id", value=task_id, fact="must not appear twice for one bidder and pool")

    def hold(self) -> None:
        """Set aside what the bidders can come to owe. Raises BidsRefused."""
        pairs_of: dict[str, list[Pair]] = defaultdict(list)
        for pair in sorted(self.by_pair):
            pairs_of[pair[0]].append(pair)
        for bidder_id, pairs in pairs_of.items():
            self._hold_for(self.wallets[bidder_id], pairs)
        _refuse(self.errors)

    def _hold_for(self, wallet: Wallet, pairs: list[Pair]) -> None:
        others = {pair: self._others(pair) for pair in pairs}
        holds = {pair[1]: self._hold_with(pair, others[pair]) for pair in pairs}
        more = {pool: hold.tokens - wallet.held_in(pool) for pool, hold in holds.items()}
        if sum(more.values()) > wallet.available:
            self._refuse_uncovered(wallet, others, sum(more.values()))
            return
        # Those that shrink come first, so that what they free covers the others.
        for pool in sorted(holds, key=more.__getitem__):
            wallet.set_hold(pool, holds[pool])

    def _others(self, pair: Pair) -> Prices:
        """Return the prices that stand beside the batch's: those that it does not amend."""
        amended = [stands for index in self.by_pair[pair] if (stands := self.stands[index])]
        return self.prices.get(pair, _NO_PRICES).without(amended)

    def _hold_with(self, pair: Pair, others: Prices) -> BidHold:
        prices = others.without(())
        for index in self.by_pair[pair]:
            terms = self.terms[index]
            prices.of_round(terms["round_id"]).append(terms["max_price_tokens"])
        return bid_holds.hold_of(self.markets[pair[1]], prices)

    def _refuse_uncovered(self, wallet: Wallet, others: dict[Pair, Prices], needed: int) -> None:
        """Name the bids that the wallet does not cover, where it covers the best ones of each pool."""
        tokens = wallet.available + sum(wallet.held_in(pool) for _, pool in others)
        for pair, standing in others.items():
            mechanism, indexes = self.markets[pair[1]].mechanism, self.by_pair[pair]
            prices = [self.terms[index]["max_price_tokens"] for index in indexes]
            beside = [*standing.for_round, *standing.resting]
            flags = covered(mechanism, prices, tokens, beside=beside)
            tokens -= most_owed(mechanism, [*beside, *compress(prices, flags)])
            for index in compress(indexes, map(not_, flags)):
                self.errors[index] = InsufficientTokens(
                    field="max_price_tokens", account_id=wallet.account_id, needed=needed, available=wallet.available
                )

    def write(self) -> None:
        """Write the bids, the wallets, the counts, and the answers to idempotency keys."""
        self._number()
        new = [terms for index, terms in self.terms.items() if self.stands[index] is None]
        amended = [terms for index, terms in self.terms.items() if self.stands[index] is not None]
        self.tx.run_many("insert_bids", new)
        self.tx.run_many("amend_bids", amended)
        wallets.save(self.tx, self.wallets.values())
        self._count()
        self._rerank()
        for index, terms in self.terms.items():
            self.answers[index] = bid_terms.answer(terms)

    def _number(self) -> None:
        unplaced = [terms for terms in self.terms.values() if terms["sequence"] is None]
        for terms, number in zip(unplaced, self.work.numbers("bid_numbers", len(unplaced)), strict=True):
            bid_terms.number(terms, number)

    def _count(self) -> None:
        moves = [(terms, self.stands[index]) for index, terms in self.terms.items()]
        books.count(self.tx, self.markets, (_counted(to) for to, of in moves if of is None or _moves(of, to)))
        books.uncount(self.tx, self.markets, (_counted(of) for to, of in moves if of is not None and _moves(of, to)))

    def _rerank(self) -> None:
        resting_tasks = {
            terms["task_id"]
            for index, terms in self.terms.items()
            if terms["round_id"] == RESTING or ((of := self.stands[index]) and of["round_id"] == RESTING)
        }
        if not resting_tasks:
            return
        competitors.rerank_tasks(self.tx, resting_tasks)
        by_id = {terms["id"]: terms for terms in self.terms.values()}
        for row in self.tx.rows("bids_by_id", ids=list(by_id)):
            by_id[row["id"]]["reason"] = row["reason"]


def _moves(of: Row, to: Row) -> bool:
    return bool(of["round_id"] != to["round_id"])


def _counted(terms: Row) -> Counted:
    return Counted(terms["pool"], terms["bidder_id"], terms["round_id"])
