"""Profiles are complete, documented and bounded; what is not so is refused by the name of the field."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from scidex import profiles
from scidex.errors import InvalidSetting
from scidex.profiles import PROFILES, Profile, profile_named, values_of

FILE = Path(profiles.__file__).with_name("profiles.toml")
NAMES = [one.name for one in fields(Profile)]


def test_there_are_three_profiles():
    assert list(PROFILES) == ["brief", "recommended", "generous"]


def test_the_brief_is_the_brief_to_the_letter():
    brief = PROFILES["brief"]

    assert (brief.strategy, brief.share_bid, brief.rank_cap, brief.calibrate) == ("clamp", 0.6, False, False)
    assert (brief.income, brief.base_percent, brief.refill_percent, brief.wallet_cap_days) == ("fixed", 100, 70, 0)
    assert (brief.floor, brief.reserve_by_utilisation, brief.tie_rule) == (False, False, "arrival")
    assert (brief.overrun_policy, brief.declared_allowance) == ("log", False)


def test_recommended_differs_from_the_brief_where_it_says_so_and_nowhere_else():
    brief, recommended = values_of(PROFILES["brief"]), values_of(PROFILES["recommended"])
    said = tomllib.loads(FILE.read_text())["recommended"].keys() - {"based_on"}

    assert {name for name in NAMES if brief[name] != recommended[name]} == said


def test_generous_has_more_money_and_is_else_as_recommended():
    assert PROFILES["generous"] == profile_named("recommended", income_index=2.0, wallet_cap_days=14.0)


def test_every_value_of_the_brief_has_a_comment_that_says_what_it_is_for():
    section = FILE.read_text().split("[brief]")[1].split("[recommended]")[0]
    explained = set()
    for block in re.split(r"\n(?=#)", section):
        if block.lstrip().startswith("#") and not block.startswith("# ---"):
            explained.update(re.findall(r"^(\w+) =", block, re.MULTILINE))

    assert explained == set(NAMES)


def test_a_profile_may_be_taken_with_values_of_ones_own():
    mine = profile_named("recommended", alpha_start=0.3, floor_rounds=10)

    assert (mine.alpha_start, mine.floor_rounds, mine.strategy) == (0.3, 10, "paced")
    assert PROFILES["recommended"].alpha_start == 0.6


def test_a_profile_is_rebuilt_from_its_values():
    for name, profile in PROFILES.items():
        assert profile_named(name, **json.loads(json.dumps(values_of(profile)))) == profile


def test_a_profile_is_never_changed_in_place():
    with pytest.raises(FrozenInstanceError):
        PROFILES["brief"].share_bid = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("name", ["mine", "", None, 3, []])
def test_a_profile_that_there_is_not_is_refused(name):
    with pytest.raises(InvalidSetting, match="profile must be one of brief, recommended, generous"):
        profile_named(name)


WRONG = {
    "strategy": ["snipe", None, 1],
    "share_bid": [-0.1, 1.1, float("nan"), "0.6", True, None],
    "rank_cap": [1, "yes", None],
    "newcomer_log_discount": [0.1, float("-inf")],
    "daily_bucket_tokens": [-1, 1.5, 2**53, 10**400],
    "alpha_start": [0, float("inf"), 10**400],
    "tie_rule": ["first"],
    "slow_tasks": [0],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_value_of_another_kind_or_out_of_bounds_is_refused(name, value):
    with pytest.raises(InvalidSetting) as refused:
        profile_named("brief", **{name: value})
    assert refused.value.field == name


def test_a_setting_that_there_is_not_is_refused():
    with pytest.raises(InvalidSetting, match="sharebid is no setting of a profile"):
        profile_named("brief", sharebid=0.5)


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ({"base_percent": 50}, "impact_percent"),
        ({"alpha_most": 0.5}, "alpha_start"),
        ({"slow_tasks": 5}, "fast_tasks"),
        ({"claims": "order"}, "calibrate"),
    ],
)
def test_values_that_do_not_go_together_are_refused(overrides, name):
    with pytest.raises(InvalidSetting) as refused:
        profile_named("brief", **overrides)
    assert refused.value.field == name


def test_a_whole_number_does_for_any_number():
    assert profile_named("brief", pacing_gain=1).pacing_gain == 1.0
    assert type(profile_named("brief", pacing_gain=1).pacing_gain) is float


def test_the_reference_has_every_value_of_every_profile():
    page = (FILE.parents[1] / "docs" / "reference" / "profiles.md").read_text().split("## Strategies")[0]
    rows = {row[0].strip("`"): row[1:4] for row in (line.strip("| ").split(" | ") for line in page.splitlines()) if row}
    told = {name: rows[name] for name in NAMES}

    assert told == {
        name: [str(value).lower() if isinstance(value, bool) else str(value) for value in values]
        for name, *values in zip(NAMES, *(values_of(profile).values() for profile in PROFILES.values()), strict=True)
    }
