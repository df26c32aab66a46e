"""Why a bid stands where it stands, and what to bid to win."""

from __future__ import annotations

from math import exp
from random import Random
from typing import Any

import pytest

from scidex.errors import UnknownBid, UnknownPool
from scidex.exchange import compute_auction, cycle, ev_scorer, token_ledger
from tests.backlogs import quest, task
from tests.market import NOON, after, bid, clear, fund, know_task, offer, status, void, won_tasks


def explain(db, one, **terms):
    return compute_auction.explain(one.id, **{"now": NOON, **terms}, db=db)


def quote(db, probability=0.9, **terms):
    return compute_auction.quote(probability, **{"now": after(500), **terms}, db=db)


def standing(db, *prices, **terms):
    """Bids at these prices by bidders of their own."""
    placed: list[Any] = []
    for price in prices:
        name = f"bidder-{price}-{len(placed)}"
        fund(db, 1_000, name)
        placed.append(bid(db, name, f"task-{name}", price, **terms))
    return placed


def test_a_loser_learns_its_rank_the_price_and_what_would_have_won(db):
    bids = standing(db, 50, 40, 30, 20)
    offer(db, 2)
    clear(db)

    told = explain(db, bids[3])

    assert (told.status, told.reason, told.rank, told.slots) == ("lost", "outbid", 4, 2)
    assert (told.clearing_price_tokens, told.price_to_win_tokens, told.margin_missed_tokens) == (30, 41, 21)
    assert told.sentence == (
        "It lost: number 4 of the bids for 2 slots; a bid of 41 tokens would have won, 21 more than it bid;"
        " its wallet has 1,000 tokens available."
    )


@pytest.mark.parametrize(("price", "wins"), [(40, False), (41, True)])
def test_the_price_that_would_have_won_would_have_won(db, price, wins):
    standing(db, 50, 40)
    [other] = standing(db, price)
    offer(db, 2)

    clear(db)

    assert (status(db, other) == "won") == wins


def test_a_loser_below_the_reserve_learns_the_reserve(db):
    bids = standing(db, 50, 20)
    offer(db, 1, reserve_price_tokens=5)
    offer(db, 1, reserve_price_tokens=25)
    clear(db)

    told = explain(db, bids[1])

    assert (told.rank, told.price_to_win_tokens, told.margin_missed_tokens) == (2, 25, 5)


def test_a_winner_learns_its_rank_and_what_it_pays(db):
    bids = standing(db, 50, 40, 30)
    offer(db, 2)
    clear(db)

    told = explain(db, bids[1])

    assert (told.status, told.rank, told.slots, told.clearing_price_tokens) == ("won", 2, 2, 30)
    assert told.sentence == (
        "It won: number 2 of the bids for 2 slots; it bid 40 tokens and the price was 30;"
        " the 10 between them were free at once."
    )


def test_a_voided_winner_learns_that_nothing_was_paid(db):
    bids = standing(db, 50)
    offer(db)
    void(db, clear(db).clears[0], reason="worker lost")

    assert "voided afterwards (worker lost), so nothing was paid" in explain(db, bids[0]).sentence


def test_an_open_bid_learns_where_it_would_stand(db):
    [rests] = standing(db, 45, time_in_force="gtt")
    bids = standing(db, 50, 40)

    assert [explain(db, one).rank for one in (bids[0], rests, bids[1])] == [1, 2, 3]
    assert explain(db, rests).sentence == (
        "It is open and would be number 2 in the next round; no slot is on offer now;"
        " its wallet has 955 tokens available."
    )


@pytest.mark.parametrize(
    ("slots", "prospect"),
    [
        (1, "as the book stands a bid of 51 tokens would win, 6 more than it bids"),
        (2, "as the book stands it would win one of the 2 slots on offer"),
    ],
)
def test_an_open_bid_learns_what_would_win_as_the_book_stands(db, slots, prospect):
    [mine] = standing(db, 45)
    standing(db, 50, 45, 40)
    offer(db, slots)

    told = explain(db, mine)

    assert prospect in told.sentence
    assert (told.slots, told.price_to_win_tokens, told.margin_missed_tokens) == (
        (1, 51, 6) if slots == 1 else (2, None, None)
    )
    assert (mine.task_id in won_tasks(clear(db, dry_run=True))) == (slots == 2)


def test_the_only_bid_would_win_the_only_slot(db):
    [mine] = standing(db, 45)
    offer(db, 1)

    assert "as the book stands it would win the 1 slot on offer" in explain(db, mine).sentence


def test_where_trade_is_reduced_a_lone_bid_wins_nothing(db):
    compute_auction.create_pool("pool", mechanism="trade_reduction", now=NOON, db=db)
    [mine] = standing(db, 45, pool="pool")
    offer(db, 1, pool="pool")

    assert "as the book stands no bid would win" in explain(db, mine).sentence


def test_an_open_bid_learns_when_it_competes_next(db):
    cycle.run_cycle(now=NOON, db=db)
    [mine, brief] = standing(db, 45, 40, ttl_at=after(30))
    bid(db, brief.bidder_id, brief.task_id, 40, ttl_at=after(0.5))

    told = explain(db, mine)
    assert told.competes_next_at == after(1)
    assert "it competes next at 12:01:00 UTC on 2026-05-01" in told.sentence
    told = explain(db, brief)
    assert told.competes_next_at is None
    assert "its time to live ends before the next round, at 12:01:00 UTC on 2026-05-01" in told.sentence


def test_a_paused_market_names_no_next_round(db):
    cycle.run_cycle(now=NOON, db=db)
    cycle.pause(now=NOON, db=db)
    [mine] = standing(db, 45)

    assert explain(db, mine).competes_next_at is None
    assert "next at" not in explain(db, mine).sentence


def test_a_loser_learns_when_the_next_round_is(db):
    bids = standing(db, 50, 40)
    offer(db)
    cycle.run_cycle(now=NOON, db=db)

    assert "a bid for the next round competes at 12:01:00 UTC on 2026-05-01" in explain(db, bids[1]).sentence


def test_a_bid_past_its_time_to_live_says_so_before_it_is_swept(db):
    [late] = standing(db, 40, ttl_at=after(1))

    told = explain(db, late, now=after(2))
    assert (told.status, told.reason) == ("open", "ttl_passed")
    assert told.sentence == (
        "Its time to live ended at 12:01:00 UTC on 2026-05-01, and what it set aside is free with the next sweep or"
        " round; its wallet has 960 tokens available."
    )


def test_a_suspended_bid_learns_what_its_wallet_lacks(db):
    fund(db, 100, "me")
    rests = bid(db, "me", "rests", 50, time_in_force="gtt")
    bid(db, "me", "wins", 60)
    offer(db)
    standing(db, 55)
    assert won_tasks(clear(db)) == {"wins"}

    told = explain(db, rests)
    assert (told.status, told.reason, told.available_tokens) == ("open", "suspended", 45)
    assert told.sentence == (
        "It is suspended: it would set aside 50 tokens more and its wallet has 45 available;"
        " it holds nothing and competes again as soon as it is covered."
    )
    [waiting] = [one for one in compute_auction.get_order_book(now=NOON, db=db)["bids"] if one["id"] == rests.id]
    assert waiting["reason"] == "suspended"

    # Beside a bid of 20 it would hold no more than its own 50, of which 20 are held already.
    bid(db, "me", "small", 20, time_in_force="gtt")
    assert "set aside 30 tokens more and its wallet has 25 available" in explain(db, rests).sentence

    token_ledger.mint("me", 5, now=NOON, db=db)
    assert explain(db, rests).sentence.startswith("It is open and would be number 1 in the next round")


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("blocked", "its task waits for another task; it competes again once that one is done"),
        ("done", "its task is done; it competes again only if its task is opened again"),
        ("failed", "its task has failed; it competes again only if its task is opened again"),
    ],
)
def test_a_bid_that_may_not_compete_learns_what_it_waits_for(db, state, sentence):
    fund(db, 100, "me")
    know_task(db, "t", state, account_id="me")
    waits = bid(db, "me", "t", 60, time_in_force="gtt")

    told = explain(db, waits).sentence
    assert told == f"It is open but may not compete now: {sentence}; its wallet has 40 tokens available."


def test_a_quests_bid_learns_what_its_claim_counts_for(db):
    compute_auction.configure_pool(now=NOON, db=db)
    quest(db, tokens=100_000)
    task(db, "a", 10.0)
    [placed] = ev_scorer.submit_bids_for_tasks(NOON, None, db=db)

    told = explain(db, placed)
    assert told.calibration_factor == pytest.approx(exp(-1.2))
    assert "its claim of 10.00 USD counts as 3.01" in told.sentence

    compute_auction.configure_pool(profile="brief", now=NOON, db=db)
    assert explain(db, placed).calibration_factor is None


def test_an_agents_own_bid_is_taken_at_its_price(db):
    compute_auction.configure_pool(now=NOON, db=db)
    [mine] = standing(db, 45, expected_value_usd=10.0)

    assert explain(db, mine).calibration_factor is None


def test_expired_bids_do_not_count_in_a_rank(db):
    standing(db, 90, ttl_at=after(1))
    bids = standing(db, 50, 40)

    assert explain(db, bids[0], now=after(2)).rank == 1
    offer(db)
    clear(db, after(2))
    assert [explain(db, one).rank for one in bids] == [1, 2]


def test_resting_bids_that_lost_too_count_in_a_losers_rank(db):
    standing(db, 50)
    standing(db, 45, time_in_force="gtt")
    [loser] = standing(db, 40)
    offer(db)
    clear(db)

    assert explain(db, loser).rank == 3


def test_a_bid_that_ended_unsold_learns_how(db):
    gone, late = standing(db, 50, 40, ttl_at=after(1))
    compute_auction.cancel_bid(gone.id, reason="no use", now=NOON, db=db)
    compute_auction.refund_unfilled(after(1), db=db)

    assert (explain(db, gone).status, explain(db, gone).reason) == ("cancelled", "no use")
    assert explain(db, gone).sentence == "It was cancelled before it could win a slot."
    assert explain(db, late).sentence == (
        "It reached the end of its time to live at 12:01:00 UTC on 2026-05-01 before it could win a slot."
    )
    assert (explain(db, late).status, explain(db, late).reason) == ("expired", "ttl_passed")


def test_a_bid_behind_a_better_one_for_its_task_learns_so(db):
    fund(db, 100, "a", "b")
    bid(db, "a", "shared", 90)
    second = bid(db, "b", "shared", 80)
    offer(db, 2)
    clear(db)

    told = explain(db, second)

    assert told.reason == "superseded"
    assert told.sentence == (
        "It did not compete in its round: a better bid for the same task stands before it;"
        " its wallet has 100 tokens available."
    )
    assert (told.rank, told.price_to_win_tokens) == (None, None)


def test_a_rival_for_the_task_that_had_expired_supersedes_nobody(db):
    fund(db, 100, "a", "b", "c")
    bid(db, "a", "shared", 90, ttl_at=after(1))
    second = bid(db, "b", "shared", 10)
    bid(db, "c", "own", 20)
    offer(db, 1)
    clear(db, after(1))

    assert (explain(db, second).reason, explain(db, second).price_to_win_tokens) == ("outbid", 21)


def test_where_trade_is_reduced_an_unsold_slot_is_no_bargain(db):
    compute_auction.create_pool("pool", mechanism="trade_reduction", now=NOON, db=db)
    bids = standing(db, 50, 40, pool="pool")
    offer(db, 2, pool="pool")
    assert won_tasks(clear(db, pool="pool")) == {bids[0].task_id}

    told = explain(db, bids[1])

    assert (told.reason, told.price_to_win_tokens, told.margin_missed_tokens) == ("outbid", 51, 11)


def test_where_nothing_could_be_sold_no_price_would_have_won(db):
    compute_auction.create_pool("pool", mechanism="trade_reduction", now=NOON, db=db)
    bids = standing(db, 50, pool="pool")
    offer(db, 1, pool="pool")
    clear(db, pool="pool")

    told = explain(db, bids[0])

    assert (told.reason, told.price_to_win_tokens, told.margin_missed_tokens) == ("outbid", None, None)


def test_an_unknown_bid_is_not_explained(db):
    with pytest.raises(UnknownBid):
        compute_auction.explain(999, db=db)


# --- quotes


def round_at(db, minute, price, slots=1, reserve=0):
    """A round whose slots all went to bids at `price`."""
    for number in range(slots):
        name = f"r{minute}-{number}"
        fund(db, 1_000, name)
        bid(db, name, name, price, ttl_at=after(10_000))
    offer(db, slots, reserve_price_tokens=reserve)
    clear(db, after(minute))


def test_a_quote_is_a_share_of_what_recent_rounds_asked_for(db):
    for minute, price in enumerate((10, 50, 20, 40, 30, 60, 80, 70, 90)):
        round_at(db, minute, price)

    told = {probability: quote(db, probability) for probability in (0.1, 0.5, 0.9)}

    # One more than the lowest winner was asked for; of nine rounds and the unknown next, half asked for 51 or less.
    assert {p: q.max_price_tokens for p, q in told.items()} == {0.1: 11, 0.5: 51, 0.9: 91}
    assert {(q.rounds_seen, q.basis, q.pool) for q in told.values()} == {(9, "recent rounds", "scidex-agent")}


def test_few_rounds_are_quoted_with_caution(db):
    round_at(db, 1, 10)
    round_at(db, 2, 50)

    assert quote(db, 0.7).max_price_tokens == 51


def test_a_quote_looks_at_rounds_before_it_alone(db):
    round_at(db, 1, 10)
    round_at(db, 600, 500)

    assert (quote(db).max_price_tokens, quote(db).rounds_seen) == (11, 1)


def test_a_quote_beats_the_book_as_it_stands(db):
    round_at(db, 1, 10)
    standing(db, 300, 200, 100, ttl_at=after(1_000))
    offer(db, 2)

    told = quote(db)

    assert (told.max_price_tokens, told.basis) == (201, "the book as it stands")


def test_a_quote_for_a_slot_that_nobody_wants_is_its_reserve(db):
    offer(db, 1, reserve_price_tokens=70)

    assert (quote(db).max_price_tokens, quote(db).basis) == (70, "the book as it stands")


def test_without_anything_to_go_by_a_quote_is_the_least_bid(db):
    assert (quote(db).max_price_tokens, quote(db).rounds_seen, quote(db).basis) == (1, 0, "nothing yet")


@pytest.mark.parametrize(
    ("bids", "reserves", "least"),
    [
        ((10,), (0, 1_000), 11),  # outbidding is cheaper than the slot left over
        ((10,), (0, 5), 5),
        ((500, 10), (0, 400), 400),
        ((500,), (0, 0), 1),
        ((20, 10), (30, 40), 30),  # nobody meets the reserve
    ],
)
def test_a_quote_wins_and_a_token_less_does_not(db, bids, reserves, least):
    standing(db, *bids, ttl_at=after(1_000))
    for reserve in reserves:
        offer(db, 1, reserve_price_tokens=reserve)
    fund(db, 1_000, "me")

    assert quote(db).max_price_tokens == least

    wins = {}
    for price in {least, max(1, least - 1)}:
        bid(db, "me", "mine", price, ttl_at=after(1_000))
        wins[price] = "mine" in won_tasks(clear(db, after(500), dry_run=True))
    assert wins == ({least: True, least - 1: False} if least > 1 else {1: True})


@pytest.mark.parametrize(
    ("bids", "reserves", "asked"), [((10,), (0, 300), 11), ((10,), (0, 5), 5), ((10,), (300, 400), 300)]
)
def test_a_round_asked_for_the_least_that_would_have_won_a_slot(db, bids, reserves, asked):
    standing(db, *bids, ttl_at=after(1_000))
    asks = [offer(db, 1, reserve_price_tokens=reserve)[0] for reserve in reserves]
    clear(db, after(1))
    for ask in asks:
        if ask.slot_id in {left["slot_id"] for left in compute_auction.get_order_book(now=after(2), db=db)["asks"]}:
            compute_auction.withdraw_slot(ask.slot_id, now=after(2), db=db)

    assert (quote(db).max_price_tokens, quote(db).basis) == (asked, "recent rounds")


def test_a_quote_of_an_unknown_pool_is_refused(db):
    with pytest.raises(UnknownPool):
        quote(db, pool="nowhere")


@pytest.mark.parametrize("mechanism", ["uniform_price", "mcafee", "trade_reduction"])
def test_a_quote_of_nine_tenths_wins_about_nine_rounds_in_ten(db, mechanism):
    """A market of 130 rounds, in which a newcomer asks before the others bid, and bids what it was told."""
    chance = Random(11)
    names = [f"rival:{number}" for number in range(8)]
    fund(db, 10**9, *names, "me")
    compute_auction.create_pool("p", mechanism=mechanism, now=NOON, db=db)
    won = told = 0
    for minute in range(130):
        at = after(minute)
        # Eight rivals for three slots of their own reserves, of which trade reduction gives up the dearest.
        for reserve in (0, 50, 100):
            offer(db, 1, pool="p", reserve_price_tokens=reserve, expires_at=after(minute + 0.5), now=at)
        asked = compute_auction.quote(0.9, pool="p", now=at, db=db).max_price_tokens
        rivals = [int(1_000 * exp(chance.gauss(0, 0.5))) for _ in names]
        bids = [
            {"bidder_id": name, "task_id": f"{name} {minute}", "max_price_tokens": max(1, price), "pool": "p"}
            for name, price in zip(names, rivals, strict=True)
        ]
        compute_auction.place_bids(bids, now=at, db=db)
        with_mine = {"bidder_id": "me", "task_id": f"mine {minute}", "max_price_tokens": asked, "pool": "p"}
        if minute >= 40:
            mine = compute_auction.place_bids([with_mine], now=at, db=db)[0]
            won += mine.task_id in won_tasks(clear(db, at, pool="p", dry_run=True))
            told += 1
            compute_auction.cancel_bid(mine.id, now=at, db=db)
        clear(db, at, pool="p")

    assert told == 90
    assert 0.85 <= won / told <= 0.95
