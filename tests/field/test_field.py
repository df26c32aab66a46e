"""A fleet lives for half a day on a clock of its own: every promise holds after every hour, and all was seen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.field.clock import START
from tests.field.field import Field
from tests.field.promises import PROMISES, Promises
from tests.field.worlds import lively

HOURS = 12
SEED = 1

WANTED = {
    "a cancelled bid",
    "a cycle without slots",
    "a lease that ran out",
    "a loop that stopped",
    "a quest that pauses",
    "a refused bid",
    "a round on trial",
    "a run by auction",
    "a run by fallback",
    "a run by unsold",
    "a run given back or lost",
    "a run that exited",
    "a run that timed_out",
    "a slot by the floor",
    "a worker that was lost",
    "an agent that died at work",
    "an agent that left",
    "an agent that was cut off from its market",
    "an attestation that came late",
    "an hour without work",
    "an import that changed tasks",
}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Field, Promises]]:
    """The market of a seed, lived through."""
    folder: Path = tmp_path_factory.mktemp("field")
    url = f"sqlite:///{folder}/market.db"
    if request.param == "postgres":
        markets = request.getfixturevalue("postgres_markets")
        with markets.lend() as dsn:
            yield _lived(dsn, folder)
    else:
        yield _lived(url, folder)


def _lived(url: str, folder: Path) -> tuple[Field, Promises]:
    field = Field(lively(SEED, HOURS / 24), url, folder / "runs")
    with field.open():
        promises = Promises(field)
        for hour in range(1, HOURS + 1):
            field.clock.run_until(START + timedelta(hours=hour))
            promises.ask_all()
        promises.ask_at_the_end()
    return field, promises


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_holds_after_every_hour(story, promise):
    _, promises = story

    assert [broken for broken in promises.broken if broken.promise == promise] == []


def test_everything_was_seen_that_the_field_is_there_for(story):
    field, _ = story

    assert WANTED - field.seen.keys() == set()
