"""A proxy gives each run a key with a budget, says what was charged to it, and refuses it once the run has ended."""

from __future__ import annotations

import math

import pytest

from scidex.agent.meters.litellm import LiteLLMMeter
from scidex.agent.workplace import Workplace
from scidex.errors import InvalidArgument, MeterUnavailable
from tests.agent.proxies import ADMIN_KEY, BUDGET_EXCEEDED, running_proxy
from tests.agent.work import ASSIGNMENT, result


@pytest.fixture
def proxy():
    with running_proxy() as proxy:
        yield proxy


@pytest.fixture
def meter(proxy) -> LiteLLMMeter:
    return LiteLLMMeter(proxy.url, ADMIN_KEY, most_usd=2.0, settle_seconds=0.05)


@pytest.fixture
def place(tmp_path) -> Workplace:
    return Workplace.prepare(tmp_path, ASSIGNMENT)


def test_a_run_gets_a_key_of_its_own_with_its_budget_and_its_task(proxy, meter, place):
    with meter.watching(place, 60.0) as told:
        key = told["ANTHROPIC_API_KEY"]

    made = proxy.keys[key]
    assert told["ANTHROPIC_BASE_URL"] == proxy.url
    assert (told["OPENAI_BASE_URL"], told["OPENAI_API_KEY"]) == (f"{proxy.url}/v1", key)
    assert (made["max_budget"], made["duration"], made["tags"]) == (2.0, "660s", ["task:task-1"])
    assert made["metadata"] == {"task_id": "task-1", "run_id": "slot-1"}


def test_what_the_proxy_charged_is_billed(proxy, meter, place):
    with meter.watching(place, 60.0) as told:
        proxy.call_model(told["ANTHROPIC_API_KEY"], 0.5)
        proxy.call_model(told["ANTHROPIC_API_KEY"], 0.75)
        usage = meter.read(place, result())

    assert (usage.provenance, usage.cost_usd, usage.tokens) == ("billed", 1.25, None)
    assert usage.cost_tokens(1_000) == 1_250


def test_a_budget_is_kept_but_for_one_call(proxy, meter, place):
    with meter.watching(place, 60.0) as told:
        statuses = [proxy.call_model(told["OPENAI_API_KEY"], 1.5) for _ in range(3)]

    assert statuses == [200, 200, BUDGET_EXCEEDED]


def test_a_key_is_refused_once_its_run_was_read(proxy, meter, place):
    with meter.watching(place, 60.0) as told:
        assert proxy.call_model(told["ANTHROPIC_API_KEY"], 0.1) == 200
        meter.read(place, result())

        assert proxy.call_model(told["ANTHROPIC_API_KEY"], 0.1) == 401


def test_a_key_is_refused_once_its_run_ended_in_whatever_way(proxy, meter, place):
    with pytest.raises(RuntimeError), meter.watching(place, 60.0) as told:
        raise RuntimeError

    assert proxy.call_model(told["ANTHROPIC_API_KEY"], 0.1) == 401


def test_spend_that_is_booked_late_is_waited_for(proxy, place):
    proxy.spends_late = 2
    meter = LiteLLMMeter(proxy.url, ADMIN_KEY, most_usd=2.0, settle_seconds=20.0)

    with meter.watching(place, 60.0) as told:
        proxy.call_model(told["ANTHROPIC_API_KEY"], 0.5)

        assert meter.read(place, result()).cost_usd == 0.5


def test_runs_side_by_side_are_charged_apart(proxy, meter, tmp_path):
    first, second = Workplace.prepare(tmp_path, ASSIGNMENT), Workplace.prepare(tmp_path, ASSIGNMENT)

    with meter.watching(first, 60.0) as one, meter.watching(second, 60.0) as other:
        proxy.call_model(one["ANTHROPIC_API_KEY"], 0.25)
        proxy.call_model(other["ANTHROPIC_API_KEY"], 0.5)

        assert (meter.read(first, result()).cost_usd, meter.read(second, result()).cost_usd) == (0.25, 0.5)


def test_nothing_runs_where_there_is_no_key_for_it(proxy, meter, place):
    proxy.is_broken = True

    with pytest.raises(MeterUnavailable, match="refused /key/generate with status 401"), meter.watching(place, 60.0):
        pytest.fail("a run began unmetered")


def test_a_proxy_that_is_gone_gives_no_key(place):
    meter = LiteLLMMeter("http://127.0.0.1:1", ADMIN_KEY, most_usd=2.0)

    with pytest.raises(MeterUnavailable, match="did not answer /key/generate"), meter.watching(place, 60.0):
        pytest.fail("a run began unmetered")


def test_a_proxy_that_fails_later_leaves_the_usage_unknown(proxy, meter, place):
    with meter.watching(place, 60.0):
        proxy.is_broken = True
        usage = meter.read(place, result())

    assert (usage.provenance, usage.cost_usd) == ("none", None)
    assert usage.note == "the proxy refused /key/info with status 401"


@pytest.mark.parametrize(
    "says",
    [
        [],
        {},
        {"info": None},
        {"info": {}},
        *({"info": {"spend": x}} for x in ("1", True, -1, math.nan, math.inf, 1e300)),
    ],
)
def test_a_proxy_that_says_something_else_leaves_the_usage_unknown(proxy, meter, place, says):
    with meter.watching(place, 60.0):
        proxy.says = says
        usage = meter.read(place, result())

    assert (usage.provenance, usage.cost_usd) == ("none", None)
    assert usage.note.startswith("the proxy gives no ")


def test_a_key_stands_in_no_message(proxy, meter, place, caplog):
    with meter.watching(place, 60.0) as told:
        proxy.is_broken = True
        usage = meter.read(place, result())

    told_everywhere = usage.note + caplog.text + repr(meter)
    assert told["ANTHROPIC_API_KEY"] not in told_everywhere
    assert caplog.records


def test_a_proxy_is_an_http_address():
    with pytest.raises(InvalidArgument):
        LiteLLMMeter("localhost:4000", ADMIN_KEY, most_usd=2.0)
