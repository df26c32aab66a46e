"""What a directory offers is found, and the file written of it is read again as it was chosen."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.fleet.finding import FoundAgent, FoundSource, look_around
from scidex.fleet.reading import parse
from scidex.fleet.reference import json_schema, page
from scidex.fleet.writing import Choice, written
from tests.cli.running import ROOT


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Put programs of these names and texts on a path that has git and nothing else beside them."""
    place = tmp_path / "bin"
    place.mkdir()
    git = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
    (place / "git").symlink_to(git)
    monkeypatch.setenv("PATH", str(place))

    def put(**texts: str) -> None:
        for name, text in texts.items():
            (place / name).write_text(f"#!/bin/sh\n{text}\n")
            (place / name).chmod(0o755)

    return put


@pytest.fixture
def repository(tmp_path) -> Path:
    place = tmp_path / "tool"
    place.mkdir()
    subprocess.run(["git", "-C", str(place), "init", "--quiet"], check=True)
    return place


def test_an_empty_directory_offers_nothing(tmp_path, programs):
    found = look_around(tmp_path)

    assert (found.repository, found.sources, found.agents) == (None, (), ())


def test_a_repository_its_issues_its_backlog_and_agents_are_found(repository, programs):
    origin = ("remote", "add", "origin", "git@github.com:ada/tool.git")
    subprocess.run(["git", "-C", str(repository), *origin], check=True)
    (repository / "todo.txt").write_text("one\n")
    programs(gh='test "$1 $2" = "auth status"', claude="true", aider="true")

    found = look_around(repository)

    assert found.repository == repository
    assert [(one.name, one.format, one.repo) for one in found.sources] == [
        ("todo", "todo.txt", ""),
        ("github", "gh", "ada/tool"),
    ]
    assert [one.name for one in found.agents] == ["claude", "aider"]


def test_issues_are_not_offered_to_someone_who_is_not_logged_in(repository, programs):
    origin = ("remote", "add", "origin", "https://github.com/ada/tool")
    subprocess.run(["git", "-C", str(repository), *origin], check=True)
    programs(gh="exit 1")

    assert look_around(repository).sources == ()


def test_beads_are_read_by_their_program_where_it_is_there_and_from_their_file_where_not(repository, programs):
    (repository / ".beads").mkdir()
    (repository / ".beads" / "issues.jsonl").touch()
    by_file = look_around(repository).sources
    programs(bd="true")
    by_program = look_around(repository).sources

    assert [(one.name, one.file) for one in by_file] == [("beads", ".beads/issues.jsonl")]
    assert [(one.name, one.command[0], one.write_back) for one in by_program] == [("beads", "bd", True)]


NAMES = st.text("abcXYZ012-_.:/é", min_size=1, max_size=12)
SOURCES = st.builds(FoundSource, NAMES, st.sampled_from(["gh", "beads", "jsonl"]), file=NAMES)
AGENTS = st.builds(
    FoundAgent,
    NAMES,
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1).map(tuple),
    st.just("file"),
)


@given(
    NAMES,
    st.lists(SOURCES, max_size=3, unique_by=lambda one: one.name),
    st.none() | AGENTS,
    st.integers(1, 64),
    st.booleans(),
)
def test_what_is_written_is_read_as_it_was_chosen(quest, sources, agent, seats, worktree):
    fleet = parse(written(Choice(quest, tuple(sources), agent, seats, worktree)))

    assert list(fleet.quests) == [quest]
    assert [(one.name, one.format, str(one.file), one.quest) for one in fleet.sources] == [
        (one.name, one.format, str(Path(one.file)), quest) for one in sources
    ]
    assert [(one.name, one.command, one.seats) for one in fleet.agents] == (
        [] if agent is None else [(agent.name, agent.command, seats)]
    )
    assert all((one.worktree is not None) == worktree for one in fleet.agents)


# --- the reference


def test_the_reference_page_is_the_schemas():
    kept = (ROOT / "docs" / "reference" / "fleet-file.md").read_text()

    assert kept == page(), "make reference writes it anew"


def test_the_json_schema_knows_every_section_and_nothing_else():
    schema = json.loads(json_schema())

    assert set(schema["properties"]) == {
        "database", "server", "pools", "quests", "accounts", "values", "sources", "agents",
    }  # fmt: skip
    assert schema["additionalProperties"] is False
    assert "pass" in schema["$defs"]["Agent"]["properties"]
