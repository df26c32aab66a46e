"""What runs cost, wrote and were worth, from the command line."""

from __future__ import annotations

import json

import pytest

from scidex.cli.output import printable
from scidex.exchange import compute_auction, runs, services, token_ledger
from scidex.records import Usage
from scidex.store import connect
from tests.cli.running import scidex
from tests.market import bid, clear, fund, offer


@pytest.fixture
def url(tmp_path) -> str:
    """A market in which one run was billed, with a merged pull request, and one told nothing."""
    address = f"sqlite:///{tmp_path}/market.db"
    with connect(address) as db:
        compute_auction.ensure_schema(db=db)
        fund(db, 1_000, "ada")
        fund(db, 0, "worker:bob")
        token_ledger.create_account("judge", kind="evaluator", db=db)
        for task_id, usage in (("a", Usage("litellm", "billed", None, None, None, None, 1.5, "billed")), ("b", None)):
            offer(db, provider_id="worker:bob")
            bid(db, "ada", task_id, 10)
            clear(db)
            [work] = services.won_slots("worker:bob", db=db)
            services.start(work, db=db)
            services.finish(work, succeeded=True, usage=usage or Usage("none", "none"), db=db)
            runs.record_output(
                work.assignment_id, ended="exited", exit_code=0, reason="exited with 0", stdout="a\x1b[2Jb\n", db=db
            )
    return address


def slots(url: str) -> list[str]:
    with connect(url) as db:
        return [one.slot_id for one in reversed(compute_auction.list_clears(db=db))]


def test_a_report_tells_costs_and_what_is_not_known(url):
    code, out, _ = scidex("report", "--charged-usd", "4", "--db", url)

    assert code == 0
    assert "1.50 USD: 1.50 billed, 0.00 reported, 0.00 estimated" in out
    assert "for each task dispatched: 0.75 USD" in out
    assert "for each of 0 pull requests merged (of 0): not known" in out
    assert "1 runs have no known cost in USD" in out
    assert "of 4.00 USD billed, 2.50 USD belong to no run" in out


def test_a_report_is_the_same_for_programs(url):
    code, out, _ = scidex("report", "--json", "--db", url)

    found = json.loads(out)
    assert code == 0
    assert (found["runs"], found["runs_unknown"], found["cost_usd"], found["unattributed_usd"]) == (2, 1, 1.5, None)
    assert {task["task_id"]: task["cost_usd"] for task in found["tasks"]} == {"a": 1.5, "b": 0.0}


def test_what_a_run_wrote_steers_no_terminal(url):
    [billed, _] = slots(url)
    code, out, _ = scidex("agent", "logs", billed, "--db", url)

    assert code == 0
    assert "cost 1.5000 USD (billed)" in out
    assert "a\N{REPLACEMENT CHARACTER}[2Jb" in out
    assert "\x1b" not in out


def test_what_a_run_wrote_is_whole_for_programs(url):
    [_, unknown] = slots(url)
    code, out, _ = scidex("agent", "logs", unknown, "--json", "--db", url)

    told = json.loads(out)
    assert code == 0
    assert told["output"]["stdout"] == "a\x1b[2Jb\n"
    assert [usage["provenance"] for usage in told["usage"]] == ["none"]


def test_a_run_that_never_was_has_no_logs(url):
    code, _, complaint = scidex("agent", "logs", "nobody", "--db", url)

    assert (code, "nobody" in complaint) == (1, True)


def test_impact_is_attested_later(url):
    [billed, unknown] = slots(url)
    _, out, _ = scidex("attest", billed, "--impact-usd", "3", "--as", "judge", "--db", url)
    _, unknown_out, _ = scidex("attest", unknown, "--impact-usd", "3", "--as", "judge", "--db", url)
    code, _, complaint = scidex("attest", billed, "--impact-usd", "3", "--as", "ada", "--db", url)

    assert "3.00 USD, attested by judge; ROI 2.00" in out
    assert "ROI not known" in unknown_out
    assert (code, "evaluator" in complaint) == (1, True)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--task-commands", "--", "true"], "COMMAND"),
        (["--shell", "true", "--", "true"], "COMMAND"),
        ([], "COMMAND"),
        (["--meter", "guess", "--", "true"], "--meter"),
        (["--meter", "clock:0", "--", "true"], "--meter"),
        (["--meter", "litellm:http://127.0.0.1:1", "--", "true"], "LITELLM_MASTER_KEY"),
        (["--outcome", "guess", "--", "true"], "--outcome"),
        (["--executor", "cloud", "--", "true"], "--executor"),
        (["--executor", "ray", "--", "true"], "--ray-address"),
        (["--executor", "ray", "--ray-address", "nowhere", "--", "true"], "host:port"),
        (["--executor", "ray", "--ray-address", "127.0.0.1:1", "--", "true"], "no Ray cluster answers"),
        (["--ray-address", "127.0.0.1:1", "--", "true"], "--executor ray"),
        (["--executor", "ray", "--ray-address", "127.0.0.1:1", "--need", "cpus", "--", "true"], "NAME=AMOUNT"),
        (["--evaluator", "exit-code:5", "--", "true"], "--attester"),
        (["--evaluator", "exit-code:much", "--attester", "judge", "--", "true"], "--evaluator"),
        (["--evaluator", "pull-request:1,2,3", "--attester", "judge", "--", "true"], "--evaluator"),
        (["--evaluator", "pull-request:-1", "--attester", "judge", "--", "true"], "--evaluator"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_anything_is_offered(url, options, complaint):
    code, _, said = scidex("agent", "run", "--db", url, *options, LITELLM_MASTER_KEY="")

    assert code in (1, 2)
    assert complaint in said
    with connect(url) as db:
        assert compute_auction.get_order_book(db=db)["asks"] == []


def test_a_text_of_others_keeps_its_lines():
    assert printable("a\tb\nc\r\x07") == "a\tb\nc\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"
