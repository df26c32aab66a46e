"""A worktree for each run: runs never share a checkout, and what they leave is kept by one rule."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scidex.agent.agent import Agent, AgentWork
from scidex.agent.commands import command_of_task
from scidex.agent.evaluators.pull_requests import repositories_in
from scidex.agent.executors.local import LocalExecutor
from scidex.agent.worktrees import GitFailed, Worktrees
from scidex.exchange import backlog, cycle, token_ledger
from scidex.market.embedded import EmbeddedMarket

NAME_AND_EMAIL = ("-c", "user.name=a", "-c", "user.email=a@example.org")


def git(place: Path, *words: str) -> str:
    return subprocess.run(
        ["git", *NAME_AND_EMAIL, "-C", str(place), *words], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path) -> Path:
    place = tmp_path / "repository"
    place.mkdir()
    git(place, "init", "--quiet", "--initial-branch", "main")
    (place / "file.txt").write_text("first\n")
    git(place, "add", ".")
    git(place, "commit", "--quiet", "--message", "first")
    return place


def branches(repository: Path) -> list[str]:
    return [name for name in git(repository, "branch", "--format", "%(refname:short)").split() if name != "main"]


def commit(place: Path) -> None:
    (place / "file.txt").write_text("second\n")
    git(place, "commit", "--quiet", "--all", "--message", "second")


def test_runs_side_by_side_have_checkouts_and_branches_of_their_own(repository, tmp_path):
    trees = Worktrees(repository)
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda n: trees.add(tmp_path / f"run-{n}", "one/task: two"), range(4)))

    assert len({tree.branch for tree in made}) == 4
    assert all(tree.branch.startswith("scidex/one-task-two-") for tree in made)
    (made[0].path / "file.txt").write_text("changed\n")
    assert [(tree.path / "file.txt").read_text() for tree in made[1:]] == ["first\n"] * 3
    assert (repository / "file.txt").read_text() == "first\n"


@pytest.mark.parametrize("succeeded", [True, False])
def test_a_run_that_changed_nothing_leaves_nothing(repository, tmp_path, succeeded):
    trees = Worktrees(repository)
    tree = trees.add(tmp_path / "run", "t")

    assert trees.leave(tree, succeeded=succeeded)
    assert not tree.path.exists()
    assert branches(repository) == []


def test_commits_stay_on_their_branch_and_the_worktree_goes(repository, tmp_path):
    trees = Worktrees(repository)
    tree = trees.add(tmp_path / "run", "t")
    commit(tree.path)

    assert trees.leave(tree, succeeded=True)
    assert not tree.path.exists()
    assert branches(repository) == [tree.branch]
    assert git(repository, "show", f"{tree.branch}:file.txt") == "second"


def test_a_run_that_failed_keeps_its_worktree(repository, tmp_path):
    trees = Worktrees(repository)
    tree = trees.add(tmp_path / "run", "t")
    commit(tree.path)

    assert not trees.leave(tree, succeeded=False)
    assert (tree.path / "file.txt").read_text() == "second\n"


@pytest.mark.parametrize("succeeded", [True, False])
def test_changes_that_are_not_committed_are_never_lost(repository, tmp_path, succeeded):
    trees = Worktrees(repository)
    tree = trees.add(tmp_path / "run", "t")
    (tree.path / "new.txt").write_text("work\n")

    assert not trees.leave(tree, succeeded=succeeded)
    assert (tree.path / "new.txt").read_text() == "work\n"


def test_without_a_repository_or_a_commit_it_says_so(tmp_path):
    with pytest.raises(GitFailed):
        Worktrees(tmp_path)
    git(tmp_path, "init", "--quiet")
    with pytest.raises(GitFailed):
        Worktrees(tmp_path)


def test_an_agents_run_works_in_its_worktree_and_its_own_files_stay_out_of_it(db, repository, tmp_path, monkeypatch):
    # No round may have been held for a while in a market that is lent: that alone must not send the agent around it.
    monkeypatch.setenv("SCIDEX_FALLBACK_AFTER_CYCLES", "100000")
    quest = backlog.add_quest("docs", db=db)
    token_ledger.mint(quest.account_id, 100_000, db=db)
    token_ledger.create_account("worker:ada", kind="worker", db=db)
    line = (
        "echo second > file.txt && git add --all && git -c user.name=a -c user.email=a@example.org commit -qm work"
        ' && echo \'{"tokens": 7}\' > "$SCIDEX_USAGE_FILE" && echo "$SCIDEX_BRANCH"'
    )
    backlog.add_task("write", "docs", expected_value_usd=4.0, payload={"command": ["/bin/sh", "-c", line]}, db=db)
    work = AgentWork(
        command_of_task, tmp_path / "runs", LocalExecutor(grace_seconds=0.5), worktrees=Worktrees(repository)
    )
    agent = Agent("worker:ada", work, market=EmbeddedMarket(db))
    assert list(agent.take()) == []
    cycle.run_cycle(now=db.now(), db=db)
    [lease] = agent.take()

    report = agent.work_on(lease)

    assert report is not None
    assert (report.result.exit_code, report.usage.tokens) == (0, 7)
    [branch] = branches(repository)
    assert report.result.stdout.strip() == branch
    assert git(repository, "show", "--name-only", "--format=", branch) == "file.txt"
    assert (repository / "file.txt").read_text() == "first\n"


def test_a_worktree_is_known_by_the_address_of_its_repository(repository, tmp_path):
    git(repository, "remote", "add", "origin", "git@github.com:Ada/Tool.git")
    (tmp_path / "run").mkdir()
    Worktrees(repository).add(tmp_path / "run" / "tree", "t")

    assert repositories_in(tmp_path / "run") == {"ada/tool"}
