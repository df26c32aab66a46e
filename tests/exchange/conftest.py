"""After every story the books are proved, whatever the story was about."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scidex.store import Database
from tests.market import prove


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "tampers: changes tables by hand, so that the books are wrong afterwards")


@pytest.fixture(autouse=True)
def books_are_right_afterwards(request: pytest.FixtureRequest) -> Iterator[None]:
    """Prove the books when the test is done."""
    db: Database | None = request.getfixturevalue("db") if "db" in request.fixturenames else None
    yield
    if db is not None and "tampers" not in request.keywords:
        prove(db)
