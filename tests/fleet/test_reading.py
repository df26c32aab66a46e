"""A fleet's file is taken as it is meant, or refused with every fault: its line, what is wrong, what was meant."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.fleet.lines import lines_of
from scidex.fleet.reading import FleetFileRefused, parse, read

WHOLE = """
database = "sqlite:///market.db"
[server]
port = 8080
[pools.scidex-agent]
cycle = "15s"
settings = { refill_percent = 50 }
[pools.gpu]
profile = "brief"
[quests.docs]
priority = 3
floor = true
[accounts."team:docs"]
owner = "docs"
[values]
P1 = 20
[[sources]]
name = "issues"
format = "gh"
file = "issues.json"
every = "2m"
[[sources]]
name = "beads"
format = "beads"
command = ["bd", "list", "--json"]
[[agents]]
name = "mine"
command = ["./work", "{task_id}"]
max_seconds = "30m"
pass = ["TOKEN"]
"""


def faults(text: str) -> list[tuple[int, str]]:
    with pytest.raises(FleetFileRefused) as refused:
        parse(text)
    return [(fault.line, str(fault)) for fault in refused.value.faults]


def test_a_whole_file_is_read():
    fleet = parse(WHOLE)

    assert fleet.pools["scidex-agent"].cycle == 15
    assert fleet.pools["gpu"].profile == "brief"
    assert (fleet.quests["docs"].priority, fleet.quests["docs"].floor) == (3, True)
    assert [source.every for source in fleet.sources] == [120, 300]
    [agent] = fleet.agents
    assert (agent.account_id, agent.max_seconds, agent.pass_on) == ("worker:mine", 1_800, ("TOKEN",))


def test_an_empty_file_is_a_market_without_work():
    fleet = parse("")

    assert fleet.database == "sqlite:///.scidex/market.db"
    assert list(fleet.pools) == ["scidex-agent"]
    assert (fleet.agents, fleet.sources) == ((), ())


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("\nservr = 1", 2, "servr is not known here; did you mean server?"),
        ("[quests.docs]\n\npriorty = 1", 3, "quests.docs.priorty is not known here; did you mean priority?"),
        ("[quests]\ndocs = { priorty = 1 }", 2, "quests.docs.priorty is not known here; did you mean priority?"),
        ("[[agents]]\nname = 'a'\ncommand = ['x']\n[[agents]]\nname = 'b'\ncomand = ['x']", 6, "did you mean command?"),
        ("[[agents]]\ncommand = ['x']", 1, "agents[0].name is missing"),
        ("[[agents]]\nname = 'a'", 1, "agents[0] give one of command, shell and task_commands"),
        ("[[agents]]\nname = 'a'\ncommand = ['x']\nseats = 0", 4, "agents[0].seats"),
        ("[[agents]]\nname = 'a'\ncommand = ['x']\npass = ['A B']", 4, "must be the name of a variable"),
        ("[[agents]]\nname = 'a'\ncommand = ['x']\npool = 'gpu'", 1, "which pools does not name"),
        ("[[agents]]\nname = 'a b'\ncommand = ['x']", 2, "must be a name without spaces"),
        ("[[agents]]\nname='a'\nshell='x'\nattester='e'", 1, "evaluator and attester go together"),
        ("[[sources]]\nname='a'\nformat='gh'\nfile='x'\ncommand=['y']", 1, "give one of file and command"),
        ("[[sources]]\nname='a'\nformat='excel'\nfile='x'", 3, "must be one of jsonl, csv, gh"),
        ("[pools.p]\ncycle = 'often'", 2, "must be a time such as 90s, 15m, 2h or 1d"),
        ("[pools.p]\nprofile = 'mine'", 1, "profile must be one of brief, recommended, generous"),
        ("[pools.p]\n[pools.p.settings]\nluck = 1", 1, "luck is no setting of a profile"),
        ("[quests.q]\nstrategy = 'snipe'", 2, "must be market, clamp"),
        ("database = 'mysql://x'", 1, "database must begin with sqlite:///"),
        ("database = 'postgresql://a:secret@host/db'", 1, "database holds a password"),
        ("x = ", 1, "is not TOML"),
        ("a = 1\n[b\n", 2, "is not TOML"),
    ],
)
def test_a_fault_is_named_by_its_line(text, line, fault):
    [(found_line, found)] = faults(text)

    assert (found_line, fault in found) == (line, True), found


def test_every_fault_is_named_at_once():
    assert len(faults("[server]\nport = 'x'\nhst = 1\n[quests.a]\npriority = -1")) == 3


def test_a_password_is_in_no_message():
    assert "secret" not in faults("database = 'postgresql://a:secret@host/db'")[0][1]


def test_a_refusal_is_one_sentence_with_the_files_name(tmp_path):
    (tmp_path / "scidex.toml").write_text("servr = 1\n")

    with pytest.raises(FleetFileRefused, match=r"scidex\.toml, line 1: servr is not known here; did you mean server\?"):
        read(tmp_path / "scidex.toml")


KEYS = st.text("abcdef-_", min_size=1, max_size=5)


@given(st.lists(st.tuples(KEYS, st.lists(KEYS, max_size=3, unique=True)), max_size=5))
def test_each_key_of_a_list_of_tables_has_its_own_line(tables):
    lines: list[str] = []
    wanted = {}
    counts: dict[str, int] = {}
    for name, keys in tables:
        number = counts.get(name, -1) + 1
        counts[name] = number
        lines += ["", f"[[{name}]]  # a comment"]
        wanted[(name, number)] = len(lines)
        for key in keys:
            lines.append(f"{key} = 'value'")
            wanted[(name, number, key)] = len(lines)
    text = "\n".join(lines)
    tomllib.loads(text)

    found = lines_of(text)

    assert {place: found[place] for place in wanted} == wanted
