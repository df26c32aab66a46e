"""What an agent is told when something fails: the fact of a refusal, and of a failure nothing that is in the log."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client

from scidex.errors import DatabaseBusy, InsufficientTokens, InvalidAmount
from scidex.mcp_server.tools import server_of
from tests.mcp_server.asking import refusal

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20)
ANYTHING = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | TEXTS


def said(error: Exception, tool: str = "wallet", arguments: dict[str, Any] | None = None) -> str:
    """Return what a tool says where its market raises an error."""

    def failing(_: Any) -> Any:
        raise error

    async def asked() -> str:
        async with Client(server_of(failing)) as client:
            return refusal(await client.call_tool(tool, arguments or {}))

    return asyncio.run(asked())


@pytest.mark.parametrize(
    "refused",
    [
        InsufficientTokens(field="max_price_tokens", account_id="ada", needed=5, available=3),
        InvalidAmount(field="max_price_tokens", value=-1, fact="must be at least 1"),
    ],
)
def test_a_refusal_is_told_by_its_sentence(refused):
    assert said(refused) == str(refused)


def test_of_the_database_no_more_is_told_than_what_is_true(caplog):
    busy = DatabaseBusy(fact="disk I/O error in /srv/secret.db")

    assert said(busy) == "The database was busy with other writers for longer than the deadline."
    assert "secret.db" in caplog.text


def test_a_failure_is_told_without_its_words(caplog):
    assert said(RuntimeError("password=hunter2")) == "Error executing tool wallet"
    assert "hunter2" in caplog.text


@given(st.dictionaries(TEXTS | st.sampled_from(["task_id", "max_price_tokens", "pool", "ttl_at"]), ANYTHING))
def test_whatever_a_bid_is_given_it_is_refused_in_sentences(arguments):
    unplaced = InvalidAmount(field="max_price_tokens", value=0, fact="must be at least 1")

    sentence = said(unplaced, "bid", arguments)

    assert "Traceback" not in sentence
    assert "Error executing" not in sentence
    complete = {"task_id", "max_price_tokens"} <= arguments.keys()
    assert complete or sentence != str(unplaced)
