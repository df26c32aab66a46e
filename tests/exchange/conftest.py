"""After every story the books are proved, whatever the story was about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scidex.store import Database
from tests.market import prove, prove_replay


@pytest.fixture(autouse=True)
def books_are_right_afterwards(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """Prove the books and replay the journal when the test is done, unless it tampers with tables by hand."""
    db: Database | None = request.getfixturevalue("db") if "db" in request.fixturenames else None
    yield
    if db is not None and "tampers" not in request.keywords:
        prove(db)
        if "knows_tasks" not in request.keywords:
            prove_replay(db, tmp_path)
