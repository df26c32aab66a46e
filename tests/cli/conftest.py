"""A small market, and `scidex` called on it in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from scidex.cli import main
from scidex.exchange import backlog, compute_auction, token_ledger
from scidex.store import connect

Answer = tuple[int, str, str]


@pytest.fixture
def market_url(tmp_path) -> str:
    """The address of a market in which ada has 1,000 tokens and has bid 300 of them, and one slot is on offer."""
    url = f"sqlite:///{tmp_path}/market.db"
    with connect(url) as db:
        compute_auction.ensure_schema(db=db)
        token_ledger.create_account("agent:ada", db=db)
        token_ledger.mint("agent:ada", 1_000, db=db)
        compute_auction.offer_slots(1, db=db)
        compute_auction.place_bid("agent:ada", "task-1", 300, db=db)
        backlog.add_quest("docs", db=db)
        backlog.add_task("write", "docs", "[Write] it", expected_value_usd=3.5, db=db)
    return url


@pytest.fixture
def cli(monkeypatch, capsys, market_url) -> Callable[..., Answer]:
    """Call `scidex` on that market, and return (exit code, stdout, stderr)."""
    monkeypatch.setenv("SCIDEX_DATABASE_URL", market_url)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["scidex", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out = capsys.readouterr()
        return int(ended.value.code or 0), out.out, out.err

    return call
