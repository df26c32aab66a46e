"""Full pools ask more, and idle ones less."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scidex.money.reserve import reserve_price
from scidex.profiles import profile_named

BY_UTILISATION = profile_named("recommended", reserve_by_utilisation=True)


def test_the_reserve_rises_with_what_was_sold():
    # 1,000 × e^(2 × (utilisation − 0.5))
    assert reserve_price(BY_UTILISATION, slots=10, sold=5) == 1_000
    assert reserve_price(BY_UTILISATION, slots=10, sold=10) == 2_718
    assert reserve_price(BY_UTILISATION, slots=10, sold=0) == 367


def test_a_pool_without_recent_slots_asks_the_base_reserve():
    assert reserve_price(BY_UTILISATION, slots=0, sold=0) == 1_000


def test_it_is_off_unless_asked_for():
    assert reserve_price(profile_named("recommended"), slots=10, sold=10) == 0


@given(st.integers(1, 1_000), st.data())
def test_one_more_slot_sold_never_lowers_the_reserve(slots, data):
    sold = data.draw(st.integers(0, slots - 1))

    fewer, more = (reserve_price(BY_UTILISATION, slots=slots, sold=n) for n in (sold, sold + 1))
    assert fewer <= more
