"""A task's command is made of whole words, and a task brings its own only where the operator chose that."""

from __future__ import annotations

import pytest

from scidex.agent.commands import command_of_task, same_command
from tests.agent.work import ASSIGNMENT


def test_the_same_command_names_each_task():
    command = same_command("work", "--on={task_id}", "{quest_id}/{title}", "{other}")

    assert command(ASSIGNMENT) == ("work", "--on=task-1", "docs/Write the tutorial", "{other}")


def test_what_a_task_says_of_itself_stays_one_word_and_is_not_read_again():
    hostile = ASSIGNMENT._replace(title="a b; rm {task_id} $HOME", quest_id=None)

    assert same_command("echo", "{title}", "{quest_id}")(hostile) == ("echo", "a b; rm {task_id} $HOME", "")


def test_a_task_may_bring_its_command():
    bringing = ASSIGNMENT._replace(payload={"command": ["sleep", 5]})

    assert command_of_task(bringing) == ("sleep", "5")


@pytest.mark.parametrize("payload", [{}, {"command": "rm -rf ."}, {"command": None}, {"command": {"a": 1}}])
def test_a_task_without_a_list_of_words_has_no_command(payload):
    assert command_of_task(ASSIGNMENT._replace(payload=payload)) == ()
