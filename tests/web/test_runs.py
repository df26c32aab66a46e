"""What runs used, wrote and brought about, over HTTP and on the page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx2
import pytest

from scidex.client import Client
from scidex.errors import InvalidArgument, UnknownRun
from scidex.exchange import backlog, compute_auction, keys, runs, token_ledger
from scidex.records import SeenPullRequest, Usage
from scidex.web.serving import running_server
from scidex.web.sessions import Sessions
from tests.databases import assert_journal_tells_all
from tests.web.conftest import link
from tests.web.doors import EveryKey

SESSIONS = Sessions()
MARKUP = "<img src=x onerror=alert(1)>"
URL = "https://git.example/ada/tool/pull/1"
BILLED = Usage("litellm", "billed", cost_usd=1.5, cost_provenance="billed", note="half a cent more")


@pytest.fixture
def address(db) -> Iterator[str]:
    """A served market with a quest of 1,000 tokens and a task."""
    quest = backlog.add_quest("q", db=db)
    token_ledger.mint(quest.account_id, 1_000, db=db)
    backlog.add_task("t1", "q", expected_value_usd=1.0, db=db)
    with running_server(db, sessions=SESSIONS) as address:
        yield address
    assert_journal_tells_all(db)


@pytest.fixture
def held(address, db):
    """A client, and a lease of its worker's."""
    token_ledger.create_account("worker:ada", kind="worker", db=db)
    with Client(address, keys.create_key("worker:ada", ["work", "read"], db=db).text) as client:
        client.register_worker("w1", "worker:ada", pool="scidex-agent", seats=1, lease_seconds=30.0)
        client.keep_offers("w1", 1)
        compute_auction.place_bid("quest:q", "t1", 10, db=db)
        compute_auction.clear_round(db=db)
        yield client, client.lease_next("w1")


@pytest.fixture
def browsing(address, db) -> Iterator[httpx2.Client]:
    """A browser with an open session."""
    with httpx2.Client(base_url=address) as client:
        assert client.get(link(db, SESSIONS)).status_code == 303
        yield client


def test_a_worker_elsewhere_tells_all_that_one_here_does(held, db):
    client, lease = held
    run_id = lease.assignment.assignment_id
    output = {"ended": "exited", "exit_code": 3, "reason": "exited with 3", "stdout": MARKUP, "stderr": ""}

    client.record_output(run_id, {**output, "output_bytes": 28, "seconds": 0.5})
    merged_at = datetime(2026, 4, 27, 12, tzinfo=UTC)
    kept = client.record_pull_request(run_id, SeenPullRequest(URL, "merged", "pass", merged_at))
    finished = client.finish(lease, succeeded=True, usage=BILLED)
    client.record_usage(run_id, BILLED._replace(cost_usd=2.0))

    assert finished.clear.actual_cost_tokens == 1_500
    assert (kept.counts_for, kept.merged_at) == (run_id, merged_at)
    assert runs.list_pull_requests(run_id, db=db) == [kept]
    assert runs.get_usage(run_id, db=db) == [BILLED, BILLED._replace(cost_usd=2.0)]
    assert runs.get_output(run_id, db=db).stdout == MARKUP


def test_usage_that_is_unknown_stays_unknown_on_its_way(held):
    client, lease = held

    finished = client.finish(lease, succeeded=True, usage=Usage("file", "none", note="nothing was written"))

    assert finished.clear.actual_cost_tokens is None


def test_what_is_told_can_be_read(held, address, db):
    client, lease = held
    reader = httpx2.Client(base_url=address, auth=EveryKey(db))
    run_id = lease.assignment.assignment_id
    client.finish(lease, succeeded=True, usage=BILLED)

    [usage] = reader.get(f"/api/runs/{run_id}/usage").json()
    report = reader.get("/api/report", params={"charged_usd": 2}).json()

    assert (usage["cost_usd"], usage["tokens"], usage["provenance"]) == (1.5, None, "billed")
    assert (report["billed_usd"], report["unattributed_usd"], report["tasks"][0]["task_id"]) == (1.5, 0.5, "t1")
    assert reader.get(f"/api/runs/{run_id}/output").json() is None
    assert reader.get(f"/api/runs/{run_id}/pull-requests").json() == []
    reader.close()


def test_a_run_that_never_was_is_not_known(held):
    client, _ = held

    with pytest.raises(UnknownRun):
        client.record_usage("nobody", BILLED)


@pytest.mark.parametrize("bad", [BILLED._replace(cost_usd=-1.0), BILLED._replace(tokens=0.5), BILLED._replace(note=5)])
def test_a_usage_that_is_none_is_refused(held, bad):
    client, lease = held

    with pytest.raises(InvalidArgument):
        client.record_usage(lease.assignment.assignment_id, bad)


def test_the_page_shows_what_a_run_wrote_as_text(held, browsing):
    client, lease = held
    told = {"ended": "exited", "exit_code": 0, "stdout": f"to {MARKUP}", "stderr": "</pre><script>alert(2)</script>"}
    client.record_output(lease.assignment.assignment_id, told)

    page = browsing.get("/resources", params={"tab": "fleet"}).text

    assert "to &lt;img src=x" in page
    assert MARKUP not in page
    assert "<script>alert(2)" not in page
