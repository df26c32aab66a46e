"""What runs used and wrote is kept as it was told, and reports never take what is not known for nothing."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.errors import AlreadySettled, InvalidArgument, InvalidTime, UnknownRun
from scidex.exchange import backlog, compute_auction, cycle, services, token_ledger
from scidex.exchange import runs as runs_of
from scidex.exchange.views.costs import task_cost
from scidex.exchange.work.usage import checked
from scidex.records import Usage
from tests.backlogs import agents, quest, task
from tests.market import NOON, after, bid, clear, offer, prove

ADA = "agent:ada"
URL = "https://git.example/ada/tool/pull/1"
TOKENS = Usage("codex", "reported", 900, 800, 100, 100)
BILLED = Usage("litellm", "billed", cost_usd=1.5, cost_provenance="billed")
ESTIMATED = Usage("claude", "reported", 500, 400, 0, 100, 0.5, "estimated")
UNKNOWN = Usage("file", "none", note="the usage file was not written")


@pytest.fixture
def market(db):
    """Ada, and a quest with 1,000 tokens."""
    agents(db, ADA)
    quest(db, tokens=1_000)
    return db


def begun(db, task_id: str):
    """A slot of Ada's, sold to the quest for a task and begun."""
    task(db, task_id)
    offer(db, provider_id=ADA)
    bid(db, "quest:q1", task_id, 10)
    clear(db)
    [work] = services.won_slots(ADA, db=db)
    return services.start(work, now=NOON, db=db)


def finish(db, work, usage=None, **outcome):
    return services.finish(work, **{"succeeded": True, "usage": usage, "now": after(5), "db": db, **outcome}).clear


def report(db, **span):
    return runs_of.report_costs(NOON - timedelta(hours=1), after(60), **span, db=db)


# --- what a run is settled by


@pytest.mark.parametrize(("usage", "cost"), [(TOKENS, 900), (BILLED, 1_500), (ESTIMATED, 500), (UNKNOWN, None)])
def test_a_run_is_settled_by_its_tokens_or_else_by_its_usd_at_the_operators_rate(market, usage, cost):
    work = begun(market, "a")

    assert finish(market, work, usage).actual_cost_tokens == cost
    assert runs_of.get_usage(work.assignment_id, db=market) == [usage]


def test_a_cost_that_is_not_known_gives_no_roi_and_is_not_0(market):
    work = begun(market, "a")

    settled = finish(market, work, UNKNOWN, actual_impact=7.0)

    assert (settled.status, settled.actual_cost_tokens, settled.roi, settled.actual_impact) == (
        "settled", None, None, 7.0,
    )  # fmt: skip
    assert compute_auction.list_clears(db=market)[0].actual_cost_tokens is None
    assert compute_auction.get_round(settled.round_id, db=market).clears[0].actual_cost_tokens is None
    assert compute_auction.get_recent_stats(db=market, now=after(5))["top_wins"][0]["actual_cost_tokens"] is None
    prove(market)


def test_a_cost_of_0_is_known(market):
    assert finish(market, begun(market, "a"), TOKENS._replace(tokens=0)).actual_cost_tokens == 0


def test_the_same_settlement_again_answers_the_same_and_known_is_not_unknown(market):
    work = begun(market, "a")
    first = finish(market, work, UNKNOWN)

    assert finish(market, work, UNKNOWN) == first
    assert runs_of.get_usage(work.assignment_id, db=market) == [UNKNOWN]
    with pytest.raises(AlreadySettled):
        finish(market, work, TOKENS._replace(tokens=0))


def test_impact_that_is_attested_to_a_run_of_unknown_cost_has_no_roi(market):
    token_ledger.create_account("judge", kind="evaluator", db=market)
    slot_id = finish(market, begun(market, "a"), UNKNOWN).slot_id

    attested = compute_auction.attest(slot_id, actual_impact=3.0, attested_by="judge", now=after(6), db=market)

    assert (attested.actual_impact, attested.roi, attested.actual_cost_tokens) == (3.0, None, None)


def test_what_was_run_without_a_sale_stays_charged_by_its_estimate_where_its_cost_is_not_known(market):
    backlog.add_task("a", "q1", estimated_cost_tokens=70, now=NOON, db=market)
    for name in "bc":
        backlog.add_task(name, "q1", estimated_cost_tokens=70, now=NOON, db=market)
    assert cycle.run_cycle(now=NOON, db=market).error is None
    used = []
    for usage in (UNKNOWN, TOKENS):
        late = after(10_000)
        work = services.next_task(ADA, late, db=market)
        assert work is not None
        services.finish(services.start(work, now=late, db=market), succeeded=True, usage=usage, now=late, db=market)
        from scidex.exchange import ev_scorer

        used += [one.used_tokens for one in ev_scorer.get_quest_budget_allocation(late, db=market)]

    assert used == [70, 970]
    prove(market)


# --- what is told later


def test_a_later_word_counts_and_all_are_kept(market):
    work = begun(market, "a")
    finish(market, work, ESTIMATED)

    for usage in (BILLED, BILLED, ESTIMATED):
        runs_of.record_usage(work.assignment_id, usage, now=after(7), db=market)

    assert runs_of.get_usage(work.assignment_id, db=market) == [ESTIMATED, BILLED, ESTIMATED]
    assert compute_auction.list_clears(db=market)[0].actual_cost_tokens == 500
    prove(market)


def test_what_a_run_used_that_was_given_back_is_kept(market):
    work = begun(market, "a")
    services.give_back(work, now=after(1), db=market)

    runs_of.record_usage(work.assignment_id, BILLED, now=after(2), db=market)

    assert report(market).cost_given_back_usd == 1.5


@pytest.mark.parametrize(
    "bad",
    [
        UNKNOWN._replace(tokens=0),
        UNKNOWN._replace(provenance="reported"),
        BILLED._replace(cost_provenance="none"),
        TOKENS._replace(cost_provenance="billed"),
        TOKENS._replace(tokens=-1),
        TOKENS._replace(output_tokens=1.5),
        BILLED._replace(cost_usd=float("nan")),
        BILLED._replace(cost_usd=-0.01),
        BILLED._replace(provenance="guessed"),
        BILLED._replace(meter=""),
        BILLED._replace(note="a\nb"),
    ],
)
def test_a_usage_that_contradicts_itself_is_refused(market, bad):
    work = begun(market, "a")

    for tell in (
        lambda: finish(market, work, bad),
        lambda: runs_of.record_usage(work.assignment_id, bad, db=market),
    ):
        with pytest.raises(InvalidArgument) as refusal:
            tell()
        assert refusal.value.field.startswith("usage")
    assert runs_of.get_usage(work.assignment_id, db=market) == []


@given(
    st.builds(
        Usage,
        meter=st.just("m"),
        note=st.just(""),
        model=st.just("large"),
        **{name: st.none() for name in ("input_tokens", "cached_input_tokens", "output_tokens")},
        provenance=st.sampled_from(["billed", "reported", "estimated", "none"]),
        tokens=st.none() | st.integers(0, 2**53 - 1),
        cost_usd=st.none() | st.floats(0, 1e9),
        cost_provenance=st.sampled_from(["billed", "reported", "estimated", "none"]),
    )
)
def test_a_usage_is_none_exactly_where_nothing_is_known(usage):
    try:
        assert Usage(**checked(usage)) == usage
    except InvalidArgument:
        is_unknown = usage.tokens is None and usage.cost_usd is None
        says_unknown = usage.provenance == "none"
        assert is_unknown != says_unknown or (usage.cost_usd is None) != (usage.cost_provenance == "none")
    else:
        assert (usage.cost_tokens(1_000) is None) == (usage.provenance == "none")


@given(st.floats(0, 1e9), st.integers(1, 10**6))
def test_usd_never_become_fewer_tokens_than_they_are(cost, rate):
    tokens = Usage("m", "billed", cost_usd=cost, cost_provenance="billed").cost_tokens(rate)

    assert tokens is not None
    assert type(tokens) is int
    assert tokens - 1 < Fraction(cost) * rate <= tokens


# --- what a run wrote


def test_the_last_of_what_a_run_wrote_is_kept_and_the_first_word_stands(market):
    run_id = begun(market, "a").assignment_id
    assert runs_of.get_output(run_id, db=market) is None

    long = "x" * runs_of.KEPT_CHARACTERS + "the end"
    told = {"ended": "exited", "exit_code": 3, "stderr": "half \ud800, nul \x00, <b>"}
    runs_of.record_output(run_id, stdout=long, output_bytes=99, seconds=1.5, now=NOON, db=market, **told)
    runs_of.record_output(run_id, stdout="another", now=NOON, db=market, **told)

    kept = runs_of.get_output(run_id, db=market)
    assert (kept.stdout, len(kept.stdout)) == (long[7:], runs_of.KEPT_CHARACTERS)
    assert kept.stderr == "half ?, nul \N{REPLACEMENT CHARACTER}, <b>"
    assert (kept.exit_code, kept.output_bytes, kept.seconds) == (3, 99, 1.5)
    prove(market)


def test_nothing_is_kept_of_a_run_that_never_was(market):
    for tell in (
        lambda: runs_of.record_usage("nobody", BILLED, db=market),
        lambda: runs_of.record_output("nobody", ended="exited", exit_code=0, db=market),
        lambda: runs_of.record_pull_request("nobody", URL, state="open", db=market),
        lambda: runs_of.get_output("nobody", db=market),
        lambda: runs_of.get_usage("nobody", db=market),
        lambda: runs_of.list_pull_requests("nobody", db=market),
    ):
        with pytest.raises(UnknownRun):
            tell()


# --- pull requests


def test_a_pull_request_counts_for_the_run_that_named_it_first(market):
    first, second = begun(market, "a"), begun(market, "b")
    names = [work.assignment_id for work in (first, second)]

    runs_of.record_pull_request(names[1], URL, state="open", now=after(1), db=market)
    later = runs_of.record_pull_request(names[0], URL, state="open", now=after(2), db=market)
    merged = runs_of.record_pull_request(names[1], URL, state="merged", merged_at=NOON, now=after(3), db=market)

    assert (later.counts_for, merged.counts_for) == (names[1], names[1])
    assert (merged.state, merged.merged_at, merged.seen_at) == ("merged", NOON, after(3))
    assert [one.run_id for one in runs_of.list_pull_requests(db=market)] == [names[0]]
    prove(market)


@pytest.mark.parametrize(("state", "merged_at"), [("merged", None), ("open", NOON), ("closed", NOON)])
def test_what_is_merged_has_its_time(market, state, merged_at):
    run_id = begun(market, "a").assignment_id

    with pytest.raises(InvalidTime):
        runs_of.record_pull_request(run_id, URL, state=state, merged_at=merged_at, db=market)


# --- reports


def test_a_report_adds_up_what_is_known_and_counts_the_rest(market):
    for task_id, usage in (("a", BILLED), ("b", ESTIMATED), ("c", UNKNOWN), ("d", TOKENS)):
        finish(market, begun(market, task_id), usage)

    found = report(market, charged_usd=10.0)

    assert (found.runs, found.runs_unknown, found.tasks_dispatched) == (4, 2, 4)
    assert (found.tokens, found.cost_usd) == (1_400, 2.0)
    assert (found.billed_usd, found.reported_usd, found.estimated_usd) == (1.5, 0.0, 0.5)
    assert (found.usd_per_task_dispatched, found.unattributed_usd) == (0.5, 8.0)
    assert [(one.task_id, one.cost_usd, one.tokens, one.runs_unknown) for one in found.tasks] == [
        ("a", 1.5, 0, 0), ("b", 0.5, 500, 0), ("d", 0.0, 900, 1), ("c", 0.0, 0, 1),
    ]  # fmt: skip


def test_a_merged_pull_request_has_two_costs_and_is_counted_once(market):
    urls = {"a": URL, "b": URL, "c": URL.replace("1", "2"), "d": None}
    for task_id, url in urls.items():
        work = begun(market, task_id)
        if url is not None:
            seen = {"state": "merged", "merged_at": NOON} if url == URL else {"state": "closed"}
            runs_of.record_pull_request(work.assignment_id, url, **seen, now=after(1), db=market)
        finish(market, work, BILLED)

    found = report(market)

    assert (found.pull_requests, found.pull_requests_merged) == (2, 1)
    assert (found.usd_per_merged_pull_request, found.usd_per_task_dispatched) == (6.0, 1.5)


def test_costs_that_nobody_knows_are_no_costs_of_0(market):
    work = begun(market, "a")
    runs_of.record_pull_request(work.assignment_id, URL, state="merged", merged_at=NOON, now=after(1), db=market)
    finish(market, work, UNKNOWN)

    found = report(market)

    assert (found.usd_per_merged_pull_request, found.usd_per_task_dispatched) == (None, None)
    assert (found.unattributed_usd, found.runs_unknown) == (None, 1)


def test_a_task_that_was_tried_twice_costs_both_and_is_dispatched_once(market):
    for succeeded in (False, True):
        offer(market, provider_id=ADA)
        if succeeded is False:
            task(market, "a")
        bid(market, "quest:q1", "a", 10)
        clear(market, after(1) if succeeded else NOON)
        [work] = services.won_slots(ADA, db=market)
        services.start(work, now=after(2), db=market)
        finish(market, work, BILLED, succeeded=succeeded)

    found = report(market)

    assert (found.runs, found.tasks_dispatched, found.usd_per_task_dispatched) == (2, 1, 3.0)


def test_a_done_task_is_done_whether_its_impact_was_judged_or_not(market):
    finish(market, begun(market, "a"), BILLED)
    finish(market, begun(market, "b"), BILLED, succeeded=False)
    finish(market, begun(market, "c"), BILLED, actual_impact=0.0)

    found = report(market, by="quest")

    assert (found.tasks_dispatched, found.tasks_done) == (3, 2)
    assert [(one.name, one.tasks_done) for one in found.groups] == [("q1", 2)]


def test_costs_are_grouped_by_quest_agent_model_and_day(market):
    large, small = BILLED._replace(model="large"), ESTIMATED._replace(model="small")
    for task_id, usage in (("a", large), ("b", small), ("c", small), ("d", UNKNOWN)):
        finish(market, begun(market, task_id), usage)

    def grouped(by: str) -> list[tuple[str, int, int, float]]:
        return [(one.name, one.runs, one.runs_unknown, one.cost_usd) for one in report(market, by=by).groups]

    assert grouped("model") == [("large", 1, 0, 1.5), ("small", 2, 0, 1.0), ("", 1, 1, 0.0)]
    assert grouped("day") == [(NOON.date().isoformat(), 4, 1, 2.5)]
    assert grouped("agent") == [(ADA, 4, 1, 2.5)]
    assert grouped("quest") == [("q1", 4, 1, 2.5)]
    assert report(market).groups == ()
    prove(market)


def test_a_usage_that_is_learnt_later_corrects_the_report(market):
    work = begun(market, "a")
    finish(market, work, UNKNOWN)
    runs_of.record_usage(work.assignment_id, BILLED, now=after(9), db=market)

    assert (report(market).cost_usd, report(market).runs_unknown) == (1.5, 0)


def test_a_report_is_of_the_runs_that_ended_in_its_span(market):
    finish(market, begun(market, "a"), BILLED)

    spans = [(NOON, after(5)), (after(5), after(6)), (NOON, after(4))]

    assert [runs_of.report_costs(*span, db=market).runs for span in spans] == [1, 0, 0]
    with pytest.raises(InvalidTime):
        runs_of.report_costs(after(5), after(5), db=market)


def test_a_report_looks_back_so_many_hours_by_the_time_of_the_market(market):
    finish(market, begun(market, "a"), BILLED)

    def found(hours: float) -> int:
        return runs_of.report_costs(hours=hours, now=after(65), db=market).runs

    assert (found(0.9), found(1.2)) == (0, 1)


def test_a_run_that_nobody_metered_is_counted_by_the_tokens_it_was_settled_by(market):
    finish(market, begun(market, "a"), None, actual_cost_tokens=40)

    found = report(market)

    assert (found.tokens, found.runs_unknown) == (40, 1)


@given(st.lists(st.tuples(st.none() | st.floats(0, 1e6), st.none() | st.integers(0, 10**9)), min_size=1, max_size=8))
def test_a_sum_is_never_less_than_any_known_part_and_never_counts_the_unknown(parts):
    run = {"quest_id": None, "actual_impact": None, "actual_cost_tokens": None, "provenance": "reported"}
    cost = task_cost("a", [{**run, "cost_usd": usd, "tokens": tokens} for usd, tokens in parts])

    assert cost.runs_unknown == sum(usd is None for usd, _ in parts)
    assert cost.cost_usd >= max((usd for usd, _ in parts if usd is not None), default=0.0)
    assert cost.tokens == sum(tokens for _, tokens in parts if tokens is not None)
