"""A pool keeps the values that it was configured with, for all processes and for a replay."""

from __future__ import annotations

import pytest

from scidex.errors import InvalidSetting, UnknownPool
from scidex.exchange import compute_auction
from scidex.exchange.book import market_settings
from scidex.exchange.compute_auction import configure_pool, get_market_settings
from scidex.profiles import PROFILES, profile_named, values_of
from scidex.store import connect
from scidex.store.db_writes import replay
from tests.databases import contents
from tests.market import NOON, offer


def test_a_bare_market_goes_by_the_brief(db):
    settings = get_market_settings(db=db)

    assert (settings.profile, settings.changed_at) == ("brief", None)
    assert settings.settings == values_of(PROFILES["brief"])


def test_a_configured_pool_keeps_every_value(db):
    configure_pool(alpha_start=0.4, now=NOON, db=db)

    settings = get_market_settings(db=db)
    assert (settings.profile, settings.changed_at) == ("recommended", NOON)
    assert settings.settings == values_of(profile_named("recommended", alpha_start=0.4))


def test_rules_read_the_same_values(db):
    configure_pool("scidex-agent", "generous", floor_rounds=7, db=db)

    with db.reading() as tx:
        assert market_settings.configured(tx, "scidex-agent") == profile_named("generous", floor_rounds=7)
        assert market_settings.profiles_of(tx, ["scidex-agent"])["scidex-agent"].floor_rounds == 7


def test_pools_are_configured_apart(db):
    compute_auction.create_pool("gpu", db=db)
    configure_pool("gpu", db=db)

    assert get_market_settings("gpu", db=db).profile == "recommended"
    assert get_market_settings(db=db).profile == "brief"
    with db.reading() as tx:
        assert market_settings.configured(tx, "scidex-agent") is None


def test_configuring_again_replaces_all_values(db):
    configure_pool(alpha_start=0.4, db=db)

    configure_pool(profile="brief", db=db)

    assert get_market_settings(db=db).settings == values_of(PROFILES["brief"])


def test_the_same_settings_again_change_nothing(db):
    first = configure_pool(now=NOON, db=db)
    before = contents(db)

    assert configure_pool(db=db) == first
    assert contents(db) == before


def test_a_market_that_is_in_use_stays_as_it_is_where_only_a_new_one_is_meant(db):
    offer(db, 1)
    compute_auction.clear_round(NOON, db=db)

    assert configure_pool(only_new=True, db=db).profile == "brief"
    assert get_market_settings(db=db).changed_at is None


def test_a_choice_that_was_made_stays_where_only_a_new_market_is_meant(db):
    configure_pool(profile="brief", db=db)

    assert configure_pool(only_new=True, db=db).profile == "brief"


def test_a_new_market_is_configured(db):
    assert configure_pool(only_new=True, db=db).profile == "recommended"


def test_the_tie_rule_holds_from_the_open_round_on(db):
    configure_pool(db=db)

    assert compute_auction.get_pool(db=db).tie_rule == "lottery"
    offer(db, 1)
    assert compute_auction.clear_round(NOON, db=db).tie_rule == "lottery"


@pytest.mark.parametrize(
    ("name", "value"), [("alpha_start", 7), ("strategy", "snipe"), ("floor_round", 3), ("rank_cap", 1)]
)
def test_a_value_that_is_wrong_is_refused_by_its_name_and_nothing_is_written(db, name, value):
    before = contents(db)

    with pytest.raises(InvalidSetting) as refused:
        configure_pool(db=db, **{name: value})

    assert refused.value.field == name
    assert contents(db) == before


def test_an_unknown_pool_is_refused(db):
    with pytest.raises(UnknownPool):
        configure_pool("gpu", db=db)
    with pytest.raises(UnknownPool):
        get_market_settings("gpu", db=db)


def test_a_replay_gives_the_same_settings(db, tmp_path):
    configure_pool(alpha_start=0.4, now=NOON, db=db)

    with connect(f"sqlite:///{tmp_path}/again.db") as again:
        replay(db, into=again)
        assert get_market_settings(db=again) == get_market_settings(db=db)
