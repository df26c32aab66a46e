"""What a market may be set to: named profiles of every value that bidding, money and the floor depend on."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, field, fields, replace
from importlib import resources
from math import isfinite
from types import MappingProxyType
from typing import Any

from scidex.errors import InvalidSetting

_MOST = 2**53 - 1


def _one_of(*words: str) -> Any:
    return field(metadata={"words": words})


def _between(least: float, most: float) -> Any:
    return field(metadata={"least": least, "most": most})


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Every value that a market may be set to; `profiles.toml` says what each is for, in which unit, and why."""

    strategy: str = _one_of("clamp", "paced", "truthful", "fixed")
    share_bid: float = _between(0, 1)
    rank_cap: bool
    alpha_start: float = _between(0.001, 1)
    alpha_most: float = _between(0.001, 1)
    pacing_gain: float = _between(0, 10)
    pacing_down_most: float = _between(0, 10)
    pacing_up_most: float = _between(0, 10)
    pacing_horizon_days: float = _between(0, 366)

    calibrate: bool
    newcomer_log_discount: float = _between(-10, 0)
    fast_tasks: float = _between(1, 10_000)
    slow_tasks: float = _between(1, 10_000)
    slope_prior_tasks: float = _between(0.001, 10_000)
    level_prior_tasks: float = _between(0.001, 10_000)
    claims: str = _one_of("amounts", "order")
    order_claims: int = _between(10, 10_000)
    listing_days: float = _between(0.01, 366)
    listing_least: int = _between(1, 1_000_000)
    listing_growth: float = _between(0, 1_000)
    haste: float = _between(0, 3)
    haste_hours: float = _between(0.01, 8_784)
    attest_within_hours: float = _between(0, 8_784)

    income: str = _one_of("fixed", "indexed")
    daily_bucket_tokens: int = _between(0, _MOST)
    income_index: float = _between(0, 1_000)
    price_level_start: int = _between(1, _MOST)
    price_level_weight: float = _between(0.0001, 1)
    base_percent: int = _between(0, 100)
    impact_percent: int = _between(0, 100)
    base_per_owner: bool
    refill_percent: int = _between(0, 100)
    wallet_cap_days: float = _between(0, 3_660)
    arrears_percent: int = _between(0, 100)

    floor: bool
    floor_rounds: int = _between(1, 1_000_000)
    floor_most_percent: int = _between(0, 100)

    reserve_by_utilisation: bool
    reserve_base_tokens: int = _between(0, _MOST)
    reserve_steepness: float = _between(0, 100)
    reserve_neutral_percent: int = _between(0, 100)

    tie_rule: str = _one_of("arrival", "lottery")

    overrun_policy: str = _one_of("log", "charge", "stop")
    stop_at_times: float = _between(1, 1_000)
    declared_allowance: bool
    overrun_rate: float = _between(0, 1_000)
    unused_rate: float = _between(0, 1_000)


_FIELDS: Mapping[str, Field[Any]] = {one.name: one for one in fields(Profile)}


def profile_named(name: str, **overrides: Any) -> Profile:
    """
    Return a profile, with some of its values replaced.

    Raises InvalidSetting, which names the field, for a profile or a field that there is not, and for a value that is
    not of the field's kind, not within its bounds, or does not go with the others.
    """
    if type(name) is not str or name not in PROFILES:
        raise InvalidSetting(field="profile", value=name, fact=f"must be one of {', '.join(PROFILES)}")
    checked = {one: _value(one, value) for one, value in overrides.items()}
    return _consistent(replace(PROFILES[name], **checked))


def values_of(profile: Profile) -> dict[str, Any]:
    """Return every value of a profile by its name, as it is stored."""
    return asdict(profile)


def _value(name: str, value: Any) -> Any:
    if name not in _FIELDS:
        raise InvalidSetting(field=name, value=value, fact="is no setting of a profile")
    kind, bounds = _FIELDS[name].type, _FIELDS[name].metadata
    if kind == "bool":
        return _true_or_false(name, value)
    if kind == "str":
        return _word(name, value, bounds["words"])
    return _number(name, value, kind == "int", bounds["least"], bounds["most"])


def _true_or_false(name: str, value: Any) -> bool:
    if type(value) is not bool:
        raise InvalidSetting(field=name, value=value, fact="must be true or false")
    return value


def _word(name: str, value: Any, words: tuple[str, ...]) -> str:
    if type(value) is not str or value not in words:
        raise InvalidSetting(field=name, value=value, fact=f"must be one of {', '.join(words)}")
    return value


def _number(name: str, value: Any, is_whole: bool, least: float, most: float) -> float:
    if type(value) is not int and (is_whole or type(value) is not float):
        raise InvalidSetting(field=name, value=value, fact="must be a whole number" if is_whole else "must be a number")
    # Compared before it is converted: an int of a thousand digits has no float.
    if not least <= value <= most or not isfinite(value):
        raise InvalidSetting(field=name, value=value, fact=f"must lie between {least:g} and {most:g}")
    return value if is_whole else float(value) + 0.0  # -0.0 becomes 0.0


def _consistent(profile: Profile) -> Profile:
    if profile.base_percent + profile.impact_percent != 100:
        raise InvalidSetting(
            field="impact_percent", value=profile.impact_percent, fact="must make 100 with base_percent"
        )
    if profile.alpha_start > profile.alpha_most:
        raise InvalidSetting(field="alpha_start", value=profile.alpha_start, fact="must not exceed alpha_most")
    if profile.claims == "order" and not profile.calibrate:
        raise InvalidSetting(field="calibrate", value=False, fact="must be true where claims are an order")
    if profile.fast_tasks > profile.slow_tasks:
        raise InvalidSetting(field="fast_tasks", value=profile.fast_tasks, fact="must not exceed slow_tasks")
    return profile


def _read() -> Mapping[str, Profile]:
    """Return the profiles of the file, each with the values of the one that it is based on where it names no other."""
    file = tomllib.loads(resources.files("scidex").joinpath("profiles.toml").read_text(encoding="utf-8"))
    values: dict[str, dict[str, Any]] = {}
    for name, section in file.items():
        based_on = section.pop("based_on", None)
        values[name] = {**values.get(based_on, {}), **{one: _value(one, value) for one, value in section.items()}}
    return MappingProxyType({name: _consistent(Profile(**given)) for name, given in values.items()})


PROFILES: Mapping[str, Profile] = _read()
