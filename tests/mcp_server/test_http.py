"""The tools by streamable HTTP: each request acts by its own key, and pages from elsewhere are not answered."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx2
import pytest
from starlette.datastructures import Headers

from scidex import keyring
from scidex.errors import NotAuthenticated
from scidex.exchange import compute_auction, keys, token_ledger
from scidex.mcp_server.http import key_of
from scidex.store import Database
from scidex.web.serving import running_server
from tests.databases import assert_books_are_right
from tests.mcp_server.asking import by_http, refusal, served_by_http, told
from tests.web.doors import key_for

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ACCEPTS = {"Accept": "application/json, text/event-stream"}


@pytest.fixture
def address(db: Database) -> Iterator[str]:
    """The tools of a market in which ada and bob have 1,000 tokens each, and whose operator has a key."""
    for account in ("ada", "bob"):
        token_ledger.create_account(account, db=db)
        token_ledger.mint(account, 1_000, db=db)
    with running_server(db) as market:
        operator = key_for(db, "system:treasury", "admin")
        keyring.announce(market, operator)
        with served_by_http(market) as tools:
            yield tools
        keyring.withdraw(market, operator)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_each_key_acts_for_its_account_alone(address, db, mode):
    async def bid(client):
        placed = told(await client.call_tool("bid", {"task_id": "t", "max_price_tokens": 70}))
        return placed, told(await client.call_tool("wallet", {}))

    ada, wallet = by_http(bid, address, key_for(db, "ada", "bid"), mode)
    bob, _ = by_http(bid, address, key_for(db, "bob", "bid"), mode)

    async def meddle(client):
        cancelled = refusal(await client.call_tool("cancel", {"bid_id": ada["bid_id"]}))
        return cancelled, refusal(await client.call_tool("explain", {"bid_id": ada["bid_id"]}))

    assert (ada["bidder_id"], bob["bidder_id"]) == ("ada", "bob")
    assert wallet == {"account_id": "ada", "balance": 1_000, "held": 70, "available": 930}
    for said in by_http(meddle, address, key_for(db, "bob", "bid"), mode):
        assert said.startswith("No bid has this id.")
    assert compute_auction.get_bid(ada["bid_id"], db=db).status == "open"
    assert_books_are_right(db)


def test_a_key_does_what_its_scopes_let_it(address, db):
    async def act(client):
        told(await client.call_tool("book", {}))
        return refusal(await client.call_tool("bid", {"task_id": "t", "max_price_tokens": 70}))

    for scope in ("read", "work", "attest"):
        assert by_http(act, address, key_for(db, "ada", scope)).startswith("The key may not do this.")
    assert by_http(act, address, key_for(db, "system:treasury", "admin")).startswith("The key may not do this.")
    assert compute_auction.get_order_book(db=db)["bids"] == []


def test_without_a_key_that_works_nothing_is_answered(address, db):
    working = key_for(db, "ada", "bid")
    two = [*ACCEPTS.items(), *[("Authorization", f"Bearer {working}")] * 2]
    ones = [None, "Bearer", "Bearer nonsense", f"Basic {working}", "Bearer é"]
    given = [[*ACCEPTS.items()] if one is None else [*ACCEPTS.items(), ("Authorization", one.encode())] for one in ones]

    for headers in (two, *given):
        answer = httpx2.post(address, json=LIST, headers=headers)

        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="scidex"')
        assert "tools" not in answer.text


@pytest.mark.parametrize("given", [[], [""], ["Bearer"], ["Bearer "], ["Bearer \t"], ["Basic k"], ["Bearer k"] * 2])
def test_no_request_goes_on_without_a_key_of_its_own(given):
    with pytest.raises(NotAuthenticated):
        key_of(Headers(raw=[(b"authorization", one.encode()) for one in given]))


def test_a_revoked_key_is_refused_at_once(address, db):
    key = key_for(db, "ada", "bid")
    headers = {**ACCEPTS, "Authorization": f"Bearer {key}"}

    before = httpx2.post(address, json=LIST, headers=headers)
    keys.revoke_key(keys.id_of(key), db=db)
    after = httpx2.post(address, json=LIST, headers=headers)

    assert "my_bids" in before.text
    assert after.status_code == 401


def test_pages_from_elsewhere_are_not_answered_even_with_a_key(address, db):
    key = {"Authorization": f"Bearer {key_for(db, 'ada', 'bid')}"}
    foreign = [
        ({"Host": "market.example"}, 421),
        ({"Host": "127.0.0.1:1"}, 421),
        ({"Origin": "https://market.example"}, 403),
        ({"Origin": "null"}, 403),
    ]

    for headers, status in foreign:
        answer = httpx2.post(address, json=LIST, headers={**ACCEPTS, **key, **headers})

        assert answer.status_code == status
        assert "tools" not in answer.text
    assert "tools" in httpx2.post(address, json=LIST, headers={**ACCEPTS, **key}).text


def test_a_body_that_is_too_large_is_refused(address, db):
    headers = {**ACCEPTS, "Authorization": f"Bearer {key_for(db, 'ada', 'bid')}", "Content-Type": "application/json"}

    assert httpx2.post(address, content=b" " * (1024 * 1024 + 1), headers=headers).status_code == 413


def test_without_a_market_behind_it_the_door_says_so_and_not_where():
    with socket.socket() as taken:  # and nobody listens there
        taken.bind(("127.0.0.1", 0))
        nowhere = taken.getsockname()[1]
        with served_by_http(f"http://127.0.0.1:{nowhere}") as tools:
            answer = httpx2.post(tools, json=LIST, headers={**ACCEPTS, "Authorization": "Bearer k"}, timeout=60)

    assert answer.status_code == 503
    assert answer.text.startswith("The market's server did not answer")
    assert str(nowhere) not in answer.text
