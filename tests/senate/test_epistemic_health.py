"""Bidders are told by what they claimed and what came of it, in numbers and in a sentence."""

from __future__ import annotations

import pytest

from scidex.exchange import compute_auction
from scidex.senate.epistemic_health import health_of, report
from tests.backlogs import JUDGE, agents
from tests.market import NOON, after, bid, clear, fund, offer, settle


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
    ],
)
def test_a_sentence_says_it_plainly(pairs, sentence):
    assert health_of("agent:ada", pairs).sentence == sentence


def test_bias_is_the_exaggeration_of_a_task_on_average():
    health = health_of("agent:ada", [(30.0, 10.0), (10.0, 20.0)])

    assert (health.sample_size, health.claimed_usd, health.realised_usd, health.bias_usd) == (2, 40.0, 30.0, 5.0)


def play(db, bidder_id, claimed, realised, *, by=JUDGE):
    """Let a bidder win a slot on a claim, and settle it with what came true."""
    [slot] = offer(db)
    bid(db, bidder_id, f"{bidder_id} {claimed} {realised}", 1, expected_value_usd=claimed)
    clear(db)
    settle(db, slot, 1, realised, attested_by=by)
    return slot


def test_each_bidder_is_weighed_and_the_largest_exaggeration_comes_first(db):
    agents(db)
    fund(db, 100, "agent:honest", "agent:loud")
    for claim in (2.0, 8.0):
        play(db, "agent:honest", claim, claim)
        play(db, "agent:loud", claim * 3, claim)

    loud, honest = report(now=NOON, db=db)
    assert (loud.bidder_id, honest.bidder_id) == ("agent:loud", "agent:honest")
    assert (honest.sample_size, honest.bias_usd) == (2, 0.0)
    assert honest.calibration_slope == pytest.approx(1.0)
    assert (loud.claimed_usd, loud.realised_usd, loud.bias_usd) == (30.0, 10.0, 10.0)
    assert loud.calibration_slope == pytest.approx(1.0)
    assert loud.calibration_intercept == pytest.approx(-1.0986, abs=1e-4)


def test_a_bidders_own_word_is_not_evidence_but_a_failure_is(db):
    agents(db)
    fund(db, 100, "agent:ada")
    play(db, "agent:ada", 5.0, 50.0, by=None)
    assert report(now=NOON, db=db) == []

    play(db, "agent:ada", 6.0, 0.0, by=None)
    [health] = report(now=NOON, db=db)
    assert (health.sample_size, health.claimed_usd, health.calibration_slope) == (1, 6.0, None)


def test_the_latest_word_counts(db):
    agents(db)
    fund(db, 100, "agent:ada")
    slot = play(db, "agent:ada", 5.0, None, by=None)
    assert report(now=NOON, db=db) == []

    compute_auction.attest(slot.slot_id, 9.0, JUDGE, now=NOON, db=db)
    compute_auction.attest(slot.slot_id, 4.0, JUDGE, now=NOON, db=db)
    assert report(now=after(1), db=db)[0].realised_usd == 4.0
