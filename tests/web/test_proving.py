"""The operator's look at a market over HTTP, and what pools are set to."""

from __future__ import annotations

import threading

import httpx2
import pytest

from scidex.client import Client
from scidex.clock import utc_now
from scidex.errors import InvalidSetting, MarketRefused, ScidexError, UnknownPool
from scidex.exchange import attempts, auditing, compute_auction, sealing, token_ledger
from scidex.store.db_writes import read_journal
from scidex.web.serving import running_server
from tests.web.doors import key_for


@pytest.fixture
def operator(db):
    """A client of an operator, of each database in turn."""
    token_ledger.create_account("ada", db=db)
    token_ledger.mint("ada", 100, db=db)
    with running_server(db) as address, Client(address, key_for(db, "system:treasury", "admin")) as client:
        yield client


def test_an_operator_reads_and_proves_the_ledger(db, operator):
    assert operator.list_accounts() == token_ledger.list_accounts(db=db)
    assert operator.list_transfers(limit=1) == token_ledger.list_transfers(limit=1, db=db)
    assert operator.list_transfers(after=operator.list_transfers()[-1].transfer_id) == []
    assert operator.verify() == token_ledger.verify(db)


def test_an_operator_lists_what_was_refused(db, operator):
    refused = {"refused_at": utc_now(), "account_id": None, "key_id": None, "method": "GET", "route": "none"}
    told = {**refused, "status": 401, "error": "NotAuthenticated", "request_id": "", "place": "", "attempts": 1}
    attempts.note_refusals([told, {**told, "status": 403, "error": "NotAllowed"}], db=db)

    both = operator.list_refusals()

    assert [one.error for one in both] == ["NotAllowed", "NotAuthenticated"]
    assert both == attempts.list_refusals(db=db)
    assert operator.list_refusals(before=both[0].attempt_id) == both[1:]
    with pytest.raises(ScidexError) as wrong:
        operator.list_refusals(limit=1_001)
    assert wrong.value.field == "limit"


def test_a_pool_is_set_over_http_and_journaled_as_the_keys(db, operator):
    told = operator.configure_pool(profile="generous", refill_percent=33)
    assert told == compute_auction.get_market_settings(db=db) == operator.get_market_settings()
    last = list(read_journal(db))[-1]
    assert (last.verb, last.actor.partition(" ")[0]) == ("configure_pool", "system:treasury")


@pytest.mark.parametrize(
    "overrides",
    [
        {"refill_percent": 101},
        {"refill_percent": "many"},
        {"refill_percent": {"a": 1}},
        {"nonsense": 1},
        {"now": "later"},
        {"tie_rule": "by weight"},
    ],
)
def test_what_a_pool_cannot_be_set_to_is_refused_by_its_name(db, operator, overrides):
    before = compute_auction.get_market_settings(db=db)
    with pytest.raises(InvalidSetting, match=next(iter(overrides))):
        operator._market.act(
            "PUT", "/api/compute-auction/pools/scidex-agent/settings", {"profile": "brief", "overrides": overrides}
        )
    with pytest.raises(UnknownPool):
        operator.configure_pool("nowhere")
    assert compute_auction.get_market_settings(db=db) == before


def test_an_audit_is_told_as_it_goes_on_and_is_alone(db, operator, monkeypatch):
    going, told = threading.Event(), []
    real = auditing.audit

    def slowly(*, on_progress, **asked):
        on_progress("rounds", 1, 0)
        assert going.wait(10)
        return real(on_progress=on_progress, **asked)

    monkeypatch.setattr(auditing, "audit", slowly)

    def note(what: str, done: int, of: int) -> None:
        told.append((what, done, of))
        with pytest.raises(MarketRefused, match="audit is being done"):
            operator.audit()
        going.set()

    assert operator.audit(on_progress=note).ok
    assert told[0] == ("rounds", 1, 0)


def test_an_audit_names_the_faults_it_finds(db, operator):
    assert operator.audit() == auditing.audit(db=db)


def test_an_audit_over_http_holds_the_journal_against_a_head_that_was_kept(db, operator):
    sealing.seal_journal(db=db)
    head = operator.audit().seals.head
    entry, _, digest = head.partition(":")

    assert operator.audit(expect_seal=head).ok
    found = operator.audit(expect_seal=f"{entry}:{digest[::-1]}")
    assert "is not the one whose digest was noted" in found.problems[0]
    with pytest.raises(ScidexError) as refused:
        operator.audit(expect_seal="7")
    assert refused.value.field == "expect_seal"


def test_a_sweep_says_what_it_ended(operator):
    assert sum(operator.sweep()) == 0


def test_an_operator_seals_the_journal(db, operator):
    sealed = operator.seal_journal()

    assert (sealed > 0, operator.seal_journal()) == (True, 0)
    assert operator.audit().seals.entries == sealed == len(list(read_journal(db)))


def test_pages_of_the_ledger_say_where_they_go_on(db, operator):
    headers = {"Authorization": f"Bearer {key_for(db, 'system:treasury', 'admin')}"}
    with httpx2.Client(base_url=str(operator._market._http.base_url), headers=headers) as http:
        answer = http.get("/api/transfers?limit=1")
    assert answer.headers["link"] == f'</api/transfers?limit=1&after={answer.json()[0]["transfer_id"]}>; rel="next"'
