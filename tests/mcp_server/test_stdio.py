"""The tools by stdio: an agent bids for one account, by a database or by a key, and is refused in sentences."""

from __future__ import annotations

import pytest

from scidex.exchange import backlog, compute_auction, token_ledger
from scidex.store import Database
from scidex.web.serving import running_server
from tests.cli.running import scidex
from tests.databases import assert_books_are_right
from tests.mcp_server.asking import by_stdio, refusal, told
from tests.web.doors import key_for


@pytest.fixture
def market(db: Database) -> Database:
    """Ada and bob have 1,000 tokens each, and a quest has two tasks, of which one waits for the other."""
    for account in ("ada", "bob"):
        token_ledger.create_account(account, db=db)
        token_ledger.mint(account, 1_000, db=db)
    backlog.add_quest("docs", db=db)
    backlog.add_task("t1", "docs", "Write it", expected_value_usd=5, payload={"secret": "s3"}, db=db)
    backlog.add_task("t2", "docs", "Print it", depends_on=["t1"], db=db)
    return db


def test_an_agent_goes_from_tasks_to_a_won_slot(market):
    compute_auction.offer_slots(1, db=market)
    expected = compute_auction.quote(0.8, db=market)

    async def before(client):
        [task] = told(await client.call_tool("tasks", {}))["tasks"]
        quote = told(await client.call_tool("quote", {"probability": 0.8}))
        placed = told(await client.call_tool("bid", {"task_id": task["task_id"], "max_price_tokens": 90}))
        book = told(await client.call_tool("book", {}))
        return task, quote, placed, book, told(await client.call_tool("wallet", {}))

    task, quote, placed, book, wallet = by_stdio(before, "--db", market.url, "--account", "ada")

    assert task == {
        "task_id": "t1",
        "quest_id": "docs",
        "title": "Write it",
        "expected_value_usd": 5.0,
        "estimated_cost_tokens": None,
        "pool": "scidex-agent",
        "deadline_at": None,
    }
    assert quote == expected._asdict()
    assert (placed["bidder_id"], placed["status"], placed["max_price_tokens"]) == ("ada", "open", 90)
    assert [bid["bid_id"] for bid in book["bids"]] == [placed["bid_id"]]
    assert len(book["asks"]) == 1
    assert wallet == {"account_id": "ada", "balance": 1_000, "held": 90, "available": 910}

    compute_auction.clear_round(db=market)

    async def after(client):
        mine = told(await client.call_tool("my_bids", {}))
        return mine, told(await client.call_tool("explain", {"bid_id": placed["bid_id"]}))

    mine, explained = by_stdio(after, "--db", market.url, "--account", "ada", mode="legacy")

    assert mine["open_bids"] == []
    assert [slot["bid_id"] for slot in mine["won_slots"]] == [placed["bid_id"]]
    assert explained["sentence"] == compute_auction.explain(placed["bid_id"], db=market).sentence
    assert_books_are_right(market)


def test_a_bid_sent_twice_is_placed_once(market):
    bid = {"task_id": "t1", "max_price_tokens": 90, "idempotency_key": "mine"}

    async def twice(client):
        first = told(await client.call_tool("bid", bid))
        again = told(await client.call_tool("bid", bid))
        other = refusal(await client.call_tool("bid", {**bid, "max_price_tokens": 91}))
        return first, again, other

    first, again, other = by_stdio(twice, "--db", market.url, "--account", "ada")

    assert again == first
    assert other.startswith("This idempotency key was used before, with other arguments.")
    assert [one.max_price_tokens for one in compute_auction.list_open_bids("ada", db=market)] == [90]


def test_refusals_name_the_field_and_the_fact_and_write_nothing(market):
    others = compute_auction.place_bid("bob", "t1", 50, db=market)

    async def wrong(client):
        calls = [
            ("bid", {"task_id": "t1", "max_price_tokens": 1_001}),
            ("bid", {"task_id": "t1", "max_price_tokens": 0}),
            ("bid", {"task_id": "t1", "max_price_tokens": True}),
            ("bid", {"task_id": "t1"}),
            ("bid", {"task_id": "t1", "max_price_tokens": 5, "idempotence_key": "a"}),
            ("bid", {"task_id": "t1", "max_price_tokens": 5, "ttl_at": "2099-01-01T00:00:00"}),
            ("cancel", {"bid_id": others.id}),
            ("explain", {"bid_id": others.id}),
            ("book", {"pool": "nowhere"}),
            ("tasks", {"limit": 201}),
        ]
        return [refusal(await client.call_tool(name, arguments)) for name, arguments in calls]

    said = by_stdio(wrong, "--db", market.url, "--account", "ada")

    assert not any("Traceback" in one or "Error executing" in one or "pydantic" in one for one in said)
    starts = [
        "The wallet holds fewer available tokens than this needs.",
        "max_price_tokens ",
        "max_price_tokens: Input should be a valid integer; got true",
        "max_price_tokens: Field required",
        'idempotence_key is no argument of bid; got "a"',
        "ttl_at ",
        "No bid has this id.",
        "No bid has this id.",
        "No pool has this name.",
        "limit: Input should be less than or equal to 200; got 201",
    ]
    assert [one[: len(start)] for one, start in zip(said, starts, strict=True)] == starts
    assert compute_auction.list_open_bids("ada", db=market) == []
    assert compute_auction.get_bid(others.id, db=market).status == "open"


def test_cancelling_frees_what_was_set_aside_and_pages_go_on_where_they_ended(market):
    async def pages(client):
        for number, task in enumerate(("a", "b", "c")):
            await client.call_tool("bid", {"task_id": task, "max_price_tokens": 10 + number})
        first = told(await client.call_tool("my_bids", {"limit": 2}))
        second = told(await client.call_tool("my_bids", {"limit": 2, "after": first["next_after"]}))
        gone = told(await client.call_tool("cancel", {"bid_id": first["open_bids"][0]["bid_id"]}))
        return first, second, gone, told(await client.call_tool("wallet", {}))

    first, second, gone, wallet = by_stdio(pages, "--db", market.url, "--account", "ada")

    assert [bid["task_id"] for bid in first["open_bids"]] == ["c", "b"]
    assert ([bid["task_id"] for bid in second["open_bids"]], second["next_after"]) == (["a"], None)
    # Of bids of 11 and 10 tokens two slots come to no more than twice the lower.
    assert (gone["status"], wallet["held"]) == ("cancelled", 20)


def test_by_a_server_the_key_says_for_whom_and_what_it_may(market):
    others = compute_auction.place_bid("bob", "t1", 50, db=market)

    async def act(client):
        wallet = told(await client.call_tool("wallet", {}))
        bid = await client.call_tool("bid", {"task_id": "t1", "max_price_tokens": 90})
        return wallet["account_id"], bid, refusal(await client.call_tool("cancel", {"bid_id": others.id}))

    with running_server(market) as address:
        ada = by_stdio(act, "--url", address, SCIDEX_KEY=key_for(market, "ada", "bid"))
        reader = by_stdio(act, "--url", address, SCIDEX_KEY=key_for(market, "ada", "read"))

    assert (ada[0], told(ada[1])["bidder_id"]) == ("ada", "ada")
    assert ada[2].startswith("No bid has this id.")
    assert refusal(reader[1]).startswith("The key may not do this.")
    assert reader[2].startswith("The key may not do this.")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--db", "sqlite:///x.db"], 2, "--account"),
        (["--url", "http://127.0.0.1:1"], 2, "--key"),
        (["--url", "http://127.0.0.1:1", "--key", "k", "--account", "ada"], 2, "--account"),
        (["--db", "sqlite:///x.db", "--url", "http://127.0.0.1:1"], 2, "--url"),
        (["--http"], 2, "--url"),
    ],
)
def test_a_wrong_command_line_is_told_of(words, code, says):
    ended, _, err = scidex("mcp", *words, SCIDEX_KEY="", NO_COLOR="1")

    assert ended == code
    assert says in err


def test_an_account_that_is_not_there_is_told_of(market):
    code, _, err = scidex("mcp", "--db", market.url, "--account", "nobody")

    assert code == 1
    assert err == 'scidex: no account "nobody"\n'


def test_without_the_extra_the_command_says_what_to_install(tmp_path):
    (tmp_path / "mcp.py").write_text("raise ModuleNotFoundError('no mcp here', name='mcp')\n")

    code, out, err = scidex("mcp", "--account", "ada", PYTHONPATH=f"{tmp_path}:.")

    assert (code, out) == (8, "")
    assert "scidex[mcp]" in err
