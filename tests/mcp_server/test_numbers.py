"""A number that a model writes as text is that number, where it is one; null is nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client
from mcp_types import CallToolResult
from pydantic import TypeAdapter, ValidationError

from scidex.errors import InvalidAmount
from scidex.mcp_server.numbers import Amount, Whole
from scidex.mcp_server.tools import Bidder, server_of
from tests.mcp_server.asking import refusal


class Asked:
    """A market that answers every bid with what it was asked."""

    def __init__(self) -> None:
        self.words: tuple[Any, ...] = ()
        self.options: dict[str, Any] = {}

    def place_bid(self, *words: Any, **options: Any) -> Any:
        self.words, self.options = words, options
        raise InvalidAmount(field="max_price_tokens", fact="was heard")


def heard(arguments: dict[str, Any]) -> tuple[Asked, str]:
    """Bid by the tool; return what the market was asked, and what the tool said."""
    market = Asked()

    async def asked() -> CallToolResult:
        async with Client(server_of(lambda _: Bidder("ada", market))) as client:
            return await client.call_tool("bid", arguments)

    return market, refusal(asyncio.run(asked()))


@pytest.mark.parametrize("price", [500, "500", " 500 ", "+500", "500.0", 500.0])
def test_a_whole_number_as_text_is_that_number(price):
    assert heard({"task_id": "fix", "max_price_tokens": price})[0].words == ("ada", "fix", 500)


@pytest.mark.parametrize("price", ["500.5", "5e2", "1_000", "٥٠٠", "0x1f4", "five", "", True, 500.5, [500], "9" * 30])
def test_what_is_no_whole_number_is_refused_by_name(price):
    market, sentence = heard({"task_id": "fix", "max_price_tokens": price})

    assert sentence.startswith("max_price_tokens: ")
    assert market.words == ()


@pytest.mark.parametrize("value", ["4.5", 4.5])
def test_an_amount_as_text_is_that_amount(value):
    market, _ = heard({"task_id": "fix", "max_price_tokens": 1, "expected_value_usd": value})

    assert market.options["expected_value_usd"] == 4.5


@pytest.mark.parametrize("value", ["much", "nan", "inf", True, [4.5], "1_0"])
def test_what_is_no_amount_is_refused_by_name(value):
    said = heard({"task_id": "fix", "max_price_tokens": 1, "expected_value_usd": value})[1]

    assert said.startswith("expected_value_usd: ")


def test_null_is_left_out():
    nothing = {"pool": None, "expected_value_usd": None, "ttl_at": None}
    market, _ = heard({"task_id": "fix", "max_price_tokens": 5, **nothing})

    assert (market.options["pool"], market.options["expected_value_usd"]) == ("scidex-agent", 0.0)
    assert heard({"task_id": "fix", "max_price_tokens": None})[1] == "max_price_tokens: Field required"


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_every_whole_number_is_read_as_it_is_written(number):
    assert TypeAdapter(Whole).validate_python(str(number)) == number


@given(st.text() | st.floats() | st.booleans())
def test_no_other_text_becomes_a_number(found):
    for kind in (Whole, Amount):
        try:
            number = TypeAdapter(kind).validate_python(found)
        except ValidationError:
            continue
        assert float(number) == float(found) or isinstance(found, float)
        assert not isinstance(found, bool)
