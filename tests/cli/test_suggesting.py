"""An id that is not known is answered with one like it, from a database and from a server."""

from __future__ import annotations

import pytest

from scidex.cli.exits import Exit
from scidex.exchange import backlog, token_ledger
from scidex.store import connect
from scidex.web.serving import running_server
from tests.web.doors import key_for


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("wallet", "agent:adda"), 'no account "agent:adda"; did you mean "agent:ada"?'),
        (("wallet", "ada"), 'no account "ada"; did you mean "agent:ada"?'),
        (("wallet", "zzzzzz"), 'no account "zzzzzz"'),
        (("task", "add", "t", "dogs"), 'no quest "dogs"; did you mean "docs"?'),
        (("quest", "set", "doc", "--priority", "2"), 'no quest "doc"; did you mean "docs"?'),
        (("book", "--pool", "scidex-agents"), 'no pool "scidex-agents"; did you mean "scidex-agent"?'),
        (("bid", "t", "5", "--as", "agent:eda"), 'no account "agent:eda"; did you mean "agent:ada"?'),
        (("wallet", "\u202eada"), None),
    ],
)
def test_an_unknown_id_is_answered_with_one_like_it(cli, words, sentence):
    code, out, error = cli(*words)

    assert (code, out) == (Exit.REFUSED if sentence else Exit.USAGE, "")
    assert error.isascii()
    assert sentence is None or error == f"scidex: {sentence}\n"


def test_a_server_is_asked_for_what_is_like_it(cli, market_url):
    with connect(market_url) as db, running_server(db) as address:
        backlog.add_quest("q1", db=db)
        at = ("--url", address, "--key")
        operator = cli("task", "add", "t", "q7", *at, key_for(db, "system:treasury", "admin"))
        token_ledger.create_account("agent:eve", db=db)
        stranger = cli("wallet", "agent:adda", *at, key_for(db, "agent:eve", "bid"))

    assert operator[2] == 'scidex: no quest "q7"; did you mean "q1"?\n'
    assert stranger[0] == Exit.REFUSED
    assert 'agent:ada"' not in stranger[2]  # a key does not learn of wallets that it may not read


def test_the_one_like_it_may_stand_behind_the_first_page(cli, market_url):
    with connect(market_url) as db:
        tasks = [{"task_id": f"a{n}", "quest_id": "docs"} for n in range(1_001)]
        backlog.put_tasks([*tasks, {"task_id": "zebra", "quest_id": "docs"}], db=db)
    code, _, error = cli("task", "add", "t", "docs", "--depends-on", "zebr")

    assert (code, error) == (Exit.REFUSED, 'scidex: no task "zebr"; did you mean "zebra"?\n')
