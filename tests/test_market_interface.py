"""One interface to a market: what it promises holds behind a database and behind a server alike."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator

import pytest

from scidex import errors
from scidex.client import Client
from scidex.exchange import compute_auction, token_ledger
from scidex.market import Market
from scidex.market.embedded import EmbeddedMarket
from scidex.store import Database
from scidex.web.serving import running_server
from tests.databases import assert_books_are_right
from tests.web.doors import key_for

VERBS = sorted(name for name, _ in inspect.getmembers(Market, inspect.isfunction) if not name.startswith("_"))


@pytest.fixture
def accounts(db: Database) -> Database:
    """A market in which ada and bob have 1,000 tokens each."""
    for name in ("ada", "bob"):
        token_ledger.create_account(name, db=db)
        token_ledger.mint(name, 1_000, db=db)
    return db


@pytest.fixture(params=["database", "server"])
def adas(request, accounts) -> Iterator[Market]:
    """The market as ada reaches it, each way in turn."""
    if request.param == "database":
        yield EmbeddedMarket(accounts, account_id="ada")
        return
    with running_server(accounts) as address, Client(address, key_for(accounts, "ada", "bid")) as client:
        yield client


def test_a_market_of_ones_own_bids_for_that_account(adas, accounts):
    placed = adas.place_bid(None, "write", 90)
    other = adas.place_bid("ada", "read", 10)

    assert adas.whoami().account_id == "ada"
    assert (placed.bidder_id, other.bidder_id) == ("ada", "ada")
    assert [bid.id for bid in adas.list_open_bids()] == [placed.id, other.id]
    assert adas.get_balance("ada") == token_ledger.get_balance("ada", db=accounts)
    assert adas.cancel_bid(other.id).status == "cancelled"
    assert adas.explain(placed.id) == compute_auction.explain(placed.id, db=accounts)
    assert adas.list_won_slots() == []
    assert_books_are_right(accounts)


def test_a_market_of_ones_own_refuses_what_belongs_to_another(adas, accounts):
    bobs = compute_auction.place_bid("bob", "write", 5, db=accounts)

    with pytest.raises(errors.UnknownBid):
        adas.cancel_bid(bobs.id)
    with pytest.raises(errors.UnknownBid):
        adas.explain(bobs.id)
    with pytest.raises(errors.NotYourAccount):
        adas.place_bid("bob", "write", 5)
    assert compute_auction.list_open_bids("bob", db=accounts) == [bobs]


def test_whoever_opens_the_database_acts_for_the_account_that_is_named(accounts):
    market = EmbeddedMarket(accounts)

    bid = market.place_bid("bob", "write", 5)
    with pytest.raises(errors.InvalidArgument) as refused:
        market.place_bid(None, "write", 5)

    assert refused.value.field == "bidder_id"
    assert market.cancel_bid(bid.id).bidder_id == "bob"
    assert market.offer_slots(1)[0].provider_id == "system:treasury"


def test_a_market_for_an_account_that_is_not_there_is_refused(accounts):
    with pytest.raises(errors.UnknownAccount):
        EmbeddedMarket(accounts, account_id="eve")


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_takes_its_arguments_behind_a_database_and_behind_a_server(verb, accounts):
    wanted = list(inspect.signature(getattr(Market, verb)).parameters)[1:]

    for given in (getattr(EmbeddedMarket(accounts), verb), getattr(Client, verb)):
        taken = inspect.signature(given).parameters
        if not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in taken.values()):
            assert set(wanted) <= set(taken)


@pytest.mark.parametrize("module", ["scidex.client", "scidex.market"])
def test_programs_of_a_server_load_no_room_of_the_exchange(module):
    names = f"import sys, {module}; print(*(name for name in sys.modules if name.startswith('scidex.')))"
    loaded = subprocess.run([sys.executable, "-c", names], capture_output=True, text=True, check=True).stdout.split()

    assert module in loaded
    rooms = ("exchange", "store", "mechanism", "bidding", "money", "senate", "web")
    assert [name for name in loaded if name.split(".")[1] in rooms] == []
