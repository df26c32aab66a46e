"""A proxy gives each run a key with a budget, says what was charged to it, and refuses it once the run has ended."""

from __future__ import annotations

import math

import pytest

from scidex.agent.meters import gateway
from scidex.agent.meters.gateway import GatewayMeter
from scidex.agent.meters.litellm import LiteLLM
from scidex.agent.workplace import Workplace
from scidex.errors import InvalidArgument, MeterUnavailable
from tests.agent.proxies import ADMIN_KEY, BUDGET_EXCEEDED, running_proxy
from tests.agent.work import ASSIGNMENT, result


@pytest.fixture
def proxy():
    with running_proxy() as proxy:
        yield proxy


@pytest.fixture
def meter(proxy) -> GatewayMeter:
    return metered(proxy.url)


def metered(url: str, books_within_seconds: float = 0.0, settle_seconds: float = 5.0) -> GatewayMeter:
    proxy = LiteLLM(url, ADMIN_KEY, books_within_seconds)
    return GatewayMeter(proxy, most_usd=2.0, settle_seconds=settle_seconds, look_seconds=0.01)


@pytest.fixture
def place(tmp_path) -> Workplace:
    return Workplace.prepare(tmp_path, ASSIGNMENT)


def test_a_run_gets_a_key_of_its_own_with_its_budget_and_its_task(proxy, meter, place):
    with meter.watching(place, 60.0) as told:
        key = told["ANTHROPIC_API_KEY"]

    made = proxy.keys[key]
    assert told["ANTHROPIC_BASE_URL"] == proxy.url
    assert (told["OPENAI_BASE_URL"], told["OPENAI_API_KEY"]) == (f"{proxy.url}/v1", key)
    assert (made["max_budget"], made["duration"]) == (2.0, "660s")
    assert "tags" not in made  # a proxy without a licence refuses them
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
    """Nothing booked yet, and booked in part, look like a bill; only time tells them from it."""
    meter = metered(proxy.url, books_within_seconds=0.4)
    with meter.watching(place, 60.0) as told:
        proxy.call_model(told["ANTHROPIC_API_KEY"], 0.5)
        proxy.books_after_seconds = 0.2
        proxy.call_model(told["ANTHROPIC_API_KEY"], 0.25)

        assert meter.read(place, result()).cost_usd == 0.75


def test_spend_that_goes_on_changing_is_unknown(proxy, place):
    proxy.books_more_by = 0.01
    meter = metered(proxy.url, settle_seconds=0.1)
    with meter.watching(place, 60.0) as told:
        proxy.call_model(told["ANTHROPIC_API_KEY"], 0.5)
        usage = meter.read(place, result())

    assert (usage.provenance, usage.note) == ("none", "what litellm books still changes")


def test_a_key_that_was_not_used_says_nothing(proxy, meter, place):
    """The run may have called around the proxy, by a key of its own."""
    with meter.watching(place, 60.0):
        usage = meter.read(place, result())

    assert (usage.provenance, usage.note) == ("none", "nothing is booked on the run's key")


def test_what_is_booked_later_corrects_what_was_read(proxy, meter, place, monkeypatch):
    monkeypatch.setattr(gateway, "_LATER_SECONDS", (0.0, 0.0, 3_600.0))
    with meter.watching(place, 60.0) as told:
        proxy.call_model(told["ANTHROPIC_API_KEY"], 0.5)
        assert meter.read(place, result()).cost_usd == 0.5
    assert meter.corrections() == []

    proxy.keys[told["ANTHROPIC_API_KEY"]]["spend"] = 0.75
    [(run_id, usage)] = meter.corrections()

    assert (run_id, usage.cost_usd, usage.provenance) == ("slot-1", 0.75, "billed")
    assert meter.corrections() == []


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
    meter = metered("http://127.0.0.1:1")

    with pytest.raises(MeterUnavailable, match="did not answer /key/generate"), meter.watching(place, 60.0):
        pytest.fail("a run began unmetered")


def test_a_proxy_that_fails_later_leaves_the_usage_unknown(proxy, meter, place):
    with meter.watching(place, 60.0):
        proxy.is_broken = True
        usage = meter.read(place, result())

    assert (usage.provenance, usage.cost_usd) == ("none", None)
    assert usage.note == "litellm refused /key/info with status 401"


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
    assert usage.note.startswith("litellm gives no ")


def test_a_key_stands_in_no_message(proxy, meter, place, caplog):
    with meter.watching(place, 60.0) as told:
        proxy.is_broken = True
        usage = meter.read(place, result())

    told_everywhere = usage.note + caplog.text + repr(meter)
    assert told["ANTHROPIC_API_KEY"] not in told_everywhere
    assert caplog.records


def test_a_proxy_is_an_http_address():
    with pytest.raises(InvalidArgument):
        metered("localhost:4000")
