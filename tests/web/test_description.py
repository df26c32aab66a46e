"""The description of the API is true: whatever it allows is answered as it says, and what it does not is refused."""

from __future__ import annotations

from contextlib import ExitStack

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from scidex.exchange import backlog, compute_auction, token_ledger
from scidex.store import connect
from scidex.web.serving import running_server
from tests.databases import assert_books_are_right
from tests.web.doors import key_for

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
)
# Streams without end, and waits, have tests of their own.
SLOW = {"/api/events", "/api/compute-auction/pools/{pool}/next-round"}
ADA = {("POST", "/api/compute-auction/bids"), ("DELETE", "/api/compute-auction/bids/{bid_id}")}


def test_the_description_is_true_of_every_operation(tmp_path):
    with ExitStack() as stack:
        db = stack.enter_context(connect(f"sqlite:///{tmp_path}/market.db"))
        compute_auction.ensure_schema(db=db)
        token_ledger.create_account("ada", db=db)
        token_ledger.create_account("judge", kind="evaluator", db=db)
        token_ledger.mint("ada", 10_000, db=db)
        backlog.add_quest("q", db=db)
        backlog.add_task("t", "q", db=db)
        compute_auction.offer_slots(2, db=db)
        compute_auction.place_bid("ada", "t", 5, db=db)
        compute_auction.clear_round(db=db)
        keys = {"operator": key_for(db, "system:treasury", "admin"), "ada": key_for(db, "ada", "bid", "work")}
        judge = key_for(db, "judge", "attest")
        address = stack.enter_context(running_server(db))
        schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
        tried = set()
        for found in schema.get_all_operations():
            operation = found.ok()
            name = (operation.method.upper(), operation.path)
            if operation.path in SLOW:
                continue
            key = keys["ada"] if name in ADA else judge if operation.path.endswith("/attest") else keys["operator"]
            _try(operation, {"Authorization": f"Bearer {key}"})
            tried.add(name)

        assert len(tried) > 60
        assert_books_are_right(db)


def _try(operation, headers):
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy())
    def call(case):
        case.headers = {**(case.headers or {}), **headers}
        case.call_and_validate(checks=list(CHECKS))

    call()
