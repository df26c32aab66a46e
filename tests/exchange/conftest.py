"""After every story the books are proved, whatever the story was about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scidex.store import Database
from tests.market import prove, prove_replay


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "tampers: changes tables by hand, so that the books are wrong afterwards")
    config.addinivalue_line("markers", "knows_tasks: adds tasks by hand, so that the journal alone rebuilds less")


@pytest.fixture(autouse=True)
def books_are_right_afterwards(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """Prove the books and replay the journal when the test is done."""
    db: Database | None = request.getfixturevalue("db") if "db" in request.fixturenames else None
    yield
    if db is None or "tampers" in request.keywords:
        return
    prove(db)
    if "knows_tasks" not in request.keywords:
        prove_replay(db, tmp_path)
