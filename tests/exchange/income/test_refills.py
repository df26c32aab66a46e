"""Attested impact refills whoever paid; nothing else does; and what was too much is taken back."""

from __future__ import annotations

import pytest

from scidex.errors import AttesterNotIndependent
from scidex.exchange import backlog, compute_auction, ev_scorer, services, token_ledger
from tests.backlogs import JUDGE, agents, quest, run, task
from tests.market import NOON, after, bid, clear, fund, offer, settle, wallet
from tests.raw_sql import query


@pytest.fixture
def slot(db):
    """A slot that ada won at price 0."""
    agents(db)
    fund(db, 100, "agent:ada")
    [ask] = offer(db)
    bid(db, "agent:ada", "t1", 50)
    clear(db)
    return ask


def attest(db, slot, impact, by=JUDGE):
    return compute_auction.attest(slot.slot_id, impact, by, now=NOON, db=db)


def reasons(db, account_id):
    return [(one.reason, one.amount_tokens) for one in reversed(token_ledger.get_transfers(account_id, db=db))]


def test_attested_impact_refills_the_account_that_paid(db, slot):
    settle(db, slot, 5, 2.0, attested_by=JUDGE)

    # 2 USD are 2,000 tokens, of which 70 in 100 come back.
    assert wallet(db, "agent:ada") == (1_500, 0)
    assert reasons(db, "agent:ada") == [("grant", 100), (f"refill {slot.slot_id}", 1_400)]


def test_impact_that_nobody_attests_refills_nothing(db, slot):
    settle(db, slot, 5, 2.0)

    assert wallet(db, "agent:ada") == (100, 0)


def test_impact_that_is_attested_later_refills_then(db, slot):
    settle(db, slot, 5)
    attest(db, slot, 2.0)

    assert wallet(db, "agent:ada") == (1_500, 0)


@pytest.mark.parametrize("impact", [0.0, -7.5])
def test_no_impact_and_negative_impact_refill_nothing(db, slot, impact):
    settle(db, slot, 5, impact, attested_by=JUDGE)

    assert wallet(db, "agent:ada") == (100, 0)


def test_the_same_word_again_refills_once(db, slot):
    for _ in range(2):
        settle(db, slot, 5, 2.0, attested_by=JUDGE)
        attest(db, slot, 2.0)

    assert wallet(db, "agent:ada") == (1_500, 0)


def test_a_higher_word_adds_the_difference(db, slot):
    settle(db, slot, 5, 2.0, attested_by=JUDGE)
    attest(db, slot, 3.0)

    assert wallet(db, "agent:ada") == (2_200, 0)


def test_a_lower_word_takes_the_difference_back(db, slot):
    settle(db, slot, 5, 2.0, attested_by=JUDGE)
    attest(db, slot, 0.5)

    assert wallet(db, "agent:ada") == (450, 0)
    assert reasons(db, "agent:ada")[-1] == (f"refill taken back {slot.slot_id}", 1_050)


def test_no_more_is_taken_back_than_is_available_and_later_refills_pay_the_rest(db, slot):
    settle(db, slot, 5, 2.0, attested_by=JUDGE)
    bid(db, "agent:ada", "t2", 1_300)
    attest(db, slot, 0.0)

    # Of 1,400 only the 200 that no bid holds can be taken: 1,200 are owed.
    assert wallet(db, "agent:ada") == (1_300, 1_300)
    [second] = offer(db)
    clear(db)
    settle(db, second, 5, 1.0, attested_by=JUDGE)
    assert wallet(db, "agent:ada") == (1_300, 0)
    attest(db, second, 2.0)
    # 700 and 700 were earned, 1,200 of them were owed.
    assert wallet(db, "agent:ada") == (1_500, 0)
    assert query(db, "SELECT owed_tokens FROM token_arrears") == [{"owed_tokens": 0}]


def test_whoever_is_not_independent_refills_nothing(db, slot):
    token_ledger.create_account("evaluator:adas", kind="evaluator", owner_id="agent:ada", db=db)

    with pytest.raises(AttesterNotIndependent):
        settle(db, slot, 5, 2.0, attested_by="evaluator:adas")
    settle(db, slot, 5, 2.0)
    with pytest.raises(AttesterNotIndependent):
        attest(db, slot, 9.0, by="evaluator:adas")
    assert wallet(db, "agent:ada") == (100, 0)


def test_impact_beyond_all_measure_does_not_keep_a_slot_from_being_settled(db, slot):
    settle(db, slot, 5, 1e15, attested_by=JUDGE)

    assert wallet(db, "agent:ada")[0] == 2**53 - 1
    attest(db, slot, 0.0)
    assert wallet(db, "agent:ada")[0] == 100


class Rivals:
    """Two quests that have one task each in every round; what waster does is worth nothing until it mends its ways."""

    def __init__(self, db):
        self.db = db
        self.minute = 0
        self.impact = {"waster": 0.0, "earner": 1.0}
        agents(db, "agent:worker")
        for name in self.impact:
            quest(db, name, 2_000)

    def round(self, slots=1):
        """Play a round in which waster claims 5 USD and earner 1 USD; return who won."""
        self.minute += 1
        now = after(self.minute)
        for name, claim in (("waster", 5.0), ("earner", 1.0)):
            if not backlog.list_tasks(quest_id=name, status="open", db=self.db):
                task(self.db, f"{name}-{self.minute}", claim, name)
        offer(self.db, slots, provider_id="agent:worker", now=now)
        ev_scorer.submit_bids_for_tasks(now, db=self.db)
        clear(self.db, now)
        won = services.won_slots("agent:worker", db=self.db)
        for work in won:
            run(self.db, work, self.impact[str(work.quest_id)], now)
        return sorted(str(work.quest_id) for work in won)

    def tokens(self, name):
        return wallet(self.db, f"quest:{name}")[0]


def test_a_quest_that_burnt_its_tokens_without_impact_is_priced_out_and_comes_back_through_good_work(db):
    rivals = Rivals(db)

    # Its wallet of 2,000 outbids earner's 600 and pays them each time, until too little is left.
    assert [rivals.round() for _ in range(3)] == [["waster"]] * 3
    assert rivals.tokens("waster") == 2_000 - 3 * 600

    # From then on it bids the 200 that it has, loses every round, and pays nothing for that.
    assert [rivals.round() for _ in range(3)] == [["earner"]] * 3
    assert rivals.tokens("waster") == 200
    assert rivals.tokens("earner") == 2_000 - 3 * 200 + 3 * 700

    # A round with a slot for both sells at price 0; this time its work is worth what it claimed.
    rivals.impact["waster"] = 5.0
    assert rivals.round(slots=2) == ["earner", "waster"]
    assert rivals.tokens("waster") == 200 + 3_500

    assert rivals.round() == ["waster"]
    assert rivals.tokens("waster") == 3_700 - 600 + 3_500
