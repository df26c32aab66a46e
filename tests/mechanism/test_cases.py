"""Published auctions with known answers, where they lie beside the project."""

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest

from scidex.mechanism import MECHANISMS, Ask, Bid, clear
from tests.mechanism.books import payments, sellers, winners

FILE = Path(__file__).parents[2].parent / "shared" / "cases" / "auction_cases.json"
if not FILE.exists():
    pytest.skip("the published cases are not beside the project: ../shared/cases", allow_module_level=True)

OUR_NAMES = {
    "average_marginal_pair": "marginal_pair",
    "uniform_k_plus_1": "uniform_price",
    "vickrey_multiunit": "vickrey",
    "ausubel_clinching": "clinching",
}


def exact(number):
    return None if number is None else Fraction(str(number))


def name_of(case):
    return OUR_NAMES.get(case["mechanism"], case["mechanism"])


def book_of(case):
    """Unit bids and asks, and which entry of the case each bid comes from."""
    quantities = case.get("buy_qty", [1] * len(case["buys"]))
    entries = [entry for entry, quantity in enumerate(quantities) for _ in range(quantity)]
    owners = case.get("bidders", range(len(case["buys"])))
    bids = [Bid(n, owners[entry], exact(case["buys"][entry]), n) for n, entry in enumerate(entries)]
    reserves = case.get("sells", [case.get("reserve", 0)] * case.get("k", 0))
    return bids, [Ask(n, "provider", exact(reserve)) for n, reserve in enumerate(reserves)], entries


def answers(case, clearing, bids, entries):
    """Every answer that a case may ask for, from a clearing."""
    trades = clearing.trades
    won = Counter(entries[place] for place in winners(clearing))
    paid = payments(clearing, bids)
    clinched = [(str(bids[trade.bid_id].owner), trade.buyer_pays) for trade in trades]
    return {
        "price": clearing.price,
        "buyer_price": trades[0].buyer_pays if trades else None,
        "seller_price": trades[0].provider_gets if trades else None,
        "trades": len(trades),
        "winners": sorted(won),
        "seller_winners": sellers(clearing),
        "alloc": [won[entry] for entry in range(len(case["buys"]))],
        "payments": {owner: paid[int(owner)] for owner in case["expected"].get("payments", ())},
        "auctioneer_surplus": sum(trade.buyer_pays - trade.provider_gets for trade in trades),
        "clinch_prices": {owner: [price for who, price in clinched if who == owner] for owner, _ in clinched},
    }


def ends_of_interval(bids, asks):
    low, high = (clear("k_double_auction", bids, asks, theta=theta).price for theta in (0, 1))
    return {"price_low": low, "price_high": high}


CASES = [case for case in json.loads(FILE.read_text()) if name_of(case) in MECHANISMS]


def exactly(value):
    if isinstance(value, dict):
        return {key: exactly(each) for key, each in value.items()}
    return [exactly(each) for each in value] if isinstance(value, list) else exact(value)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_answer_is_the_known_one(case):
    bids, asks, entries = book_of(case)
    parameters = {"theta": case["theta"]} if "theta" in case else {}
    clearing = clear(name_of(case), bids, asks, **parameters)
    found = answers(case, clearing, bids, entries) | ends_of_interval(bids, asks)

    assert {key: found[key] for key in case["expected"]} == exactly(case["expected"])
