"""Processes for the tests of faults, and agents that wait for the auction however slow the machine is."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.faults.fleets import PATIENT, Fleet, fleet


@pytest.fixture(autouse=True)
def no_fallback(monkeypatch):
    for variable, value in PATIENT.items():
        monkeypatch.setenv(variable, value)


@pytest.fixture
def processes(tmp_path) -> Iterator[Fleet]:
    with fleet(tmp_path) as one:
        yield one
        sys.stdout.write(one.log)  # shown where the test fails
