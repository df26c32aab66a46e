"""Fixtures that the tests of the agent's parts share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def state_of_nobody(tmp_path_factory) -> Iterator[None]:
    """Keep what a user's state would remember in a folder that goes away."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield
