"""Bidders are told by what they claimed and what came of it, in numbers and in a sentence."""

from __future__ import annotations

from math import exp

import pytest

from scidex.errors import UnknownPool
from scidex.exchange import compute_auction, ev_scorer
from scidex.senate.epistemic_health import report
from tests.backlogs import JUDGE, agents, quest, task
from tests.market import NOON, after, bid, clear, fund, offer, settle


def play(db, bidder_id, claimed, realised, *, by=JUDGE):
    """Let a bidder win a slot on a claim, and settle it with what came true."""
    [slot] = offer(db)
    bid(db, bidder_id, f"{bidder_id} {slot.slot_id}", 1, expected_value_usd=claimed)
    clear(db)
    settle(db, slot, 1, realised, attested_by=by)
    return slot


def health(db, pairs):
    agents(db)
    fund(db, 100, "agent:ada")
    for claimed, realised in pairs:
        play(db, "agent:ada", claimed, realised)
    [told] = report(now=NOON, db=db)
    return told


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        (
            [(30.0, 10.0)] * 6,
            "Over 6 tasks it claimed 180.00 USD and realised 60.00: it claims 3.0 times what comes true.",
        ),
        ([(10.0, 11.0)] * 6, "Over 6 tasks it claimed 60.00 USD and realised 66.00: its claims are about right."),
        (
            [(5.0, 10.0)] * 6,
            "Over 6 tasks it claimed 30.00 USD and realised 60.00: it claims 50 % of what comes true.",
        ),
        (
            [(5.0, -1.0)],
            (
                "Over 1 task it claimed 5.00 USD and realised -1.00: nothing of its claims came true."
                " These are too few to go by."
            ),
        ),
        (
            [(0.0, 0.0)],
            (
                "Over 1 task it claimed 0.00 USD and realised 0.00: it claimed nothing and nothing came of it."
                " These are too few to go by."
            ),
        ),
    ],
)
def test_a_sentence_says_it_plainly(db, pairs, sentence):
    assert health(db, pairs).sentence == sentence


def test_bias_is_the_exaggeration_of_a_task_on_average(db):
    told = health(db, [(30.0, 10.0), (10.0, 20.0)])

    assert (told.sample_size, told.claimed_usd, told.realised_usd, told.bias_usd) == (2, 40.0, 30.0, 5.0)


def test_the_scores_behind_it_are_published(db):
    assert health(db, [(30.0, 10.0), (10.0, 20.0)]).scores == ((30.0, 10.0), (10.0, 20.0))


def test_each_bidder_is_weighed_and_the_largest_exaggeration_comes_first(db):
    agents(db)
    fund(db, 100, "agent:honest", "agent:loud")
    for claim in (2.0, 8.0):
        play(db, "agent:honest", claim, claim)
        play(db, "agent:loud", claim * 3, claim)

    loud, honest = report(now=NOON, db=db)
    assert (loud.bidder_id, honest.bidder_id) == ("agent:loud", "agent:honest")
    assert (honest.sample_size, honest.bias_usd) == (2, 0.0)
    assert (loud.claimed_usd, loud.realised_usd, loud.bias_usd) == (30.0, 10.0, 10.0)
    assert loud.calibration_slope == honest.calibration_slope == pytest.approx(1.0)
    assert loud.calibration_factor < honest.calibration_factor < 1


def test_the_factor_is_that_by_which_bids_are_corrected(db):
    compute_auction.configure_pool(rank_cap=False, now=NOON, db=db)
    account_id = quest(db, tokens=100_000)
    agents(db)
    for claim in (10.0, 10.0, 10.0):
        play(db, account_id, claim, claim / 2)
    task(db, "next", 10.0)

    [told] = report(now=after(1), db=db)
    [placed] = ev_scorer.submit_bids_for_tasks(after(1), None, db=db)
    assert placed.max_price_tokens == int(0.6 * 10_000 * told.calibration_factor)
    assert told.sentence.endswith(f" A claim of 10.00 USD counts as {10 * told.calibration_factor:.2f}.")


def test_a_newcomer_without_a_usual_claim_is_told_the_newcomers_factor(db):
    compute_auction.configure_pool(now=NOON, db=db)

    assert health(db, [(0.0, 0.0)]).calibration_factor == pytest.approx(exp(-1.2))


def test_a_bidders_own_word_is_not_evidence(db):
    agents(db)
    fund(db, 100, "agent:ada")
    play(db, "agent:ada", 5.0, 50.0, by=None)
    assert report(now=NOON, db=db) == []

    play(db, "agent:ada", 6.0, 0.0, by=None)
    assert report(now=NOON, db=db) == []

    play(db, "agent:ada", 6.0, 0.0)
    [told] = report(now=NOON, db=db)
    assert (told.sample_size, told.claimed_usd, told.scores) == (1, 6.0, ((6.0, 0.0),))


def test_the_latest_word_counts(db):
    agents(db)
    fund(db, 100, "agent:ada")
    slot = play(db, "agent:ada", 5.0, None, by=None)
    assert report(now=NOON, db=db) == []

    compute_auction.attest(slot.slot_id, 9.0, JUDGE, now=NOON, db=db)
    compute_auction.attest(slot.slot_id, 4.0, JUDGE, now=NOON, db=db)
    assert report(now=after(1), db=db)[0].realised_usd == 4.0


def test_an_unknown_pool_is_refused(db):
    with pytest.raises(UnknownPool):
        report("gpu", db=db)
