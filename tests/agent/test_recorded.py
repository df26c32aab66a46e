"""What the agents' own programs said, recorded by `make test-integrations`, is read as it was then."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from scidex.agent.meters.programs import PROGRAMS
from tests.integrations.recordings import FOLDER

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
RECORDED = sorted(file.stem for file in FOLDER.glob("*.json"))


def test_each_program_was_recorded_doing_its_work_and_being_refused():
    assert {f"{name}-{what}" for name in PROGRAMS if name != "aider" for what in ("done", "login")} == set(RECORDED)


@pytest.mark.parametrize("name", RECORDED)
def test_a_recording_is_read_as_it_was(name):
    said = json.loads((FOLDER / f"{name}.json").read_text())
    program = PROGRAMS[name.partition("-")[0]]

    ending = program.word(said["text"], said["errors"], NOW).ending
    try:
        usage = program.usage(said["text"]).usage
        read = (usage.tokens, usage.cost_usd)
    except ValueError:
        read = (None, None)

    assert ending is not None
    assert ending.reason == said["cause"]
    # Codex keeps what a turn used that was not completed in a file of its own, which is not part of the recording.
    assert read == (said["tokens"], said["cost_usd"]) or name == "codex-login"
