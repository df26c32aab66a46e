"""Commands against a server do what they do on its database, and say the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from scidex import __version__
from scidex.cli.served_checks import clock_of, version_of
from scidex.clock import utc_now
from scidex.exchange import backlog, compute_auction, token_ledger
from scidex.store import Database, connect
from scidex.web.serving import running_server
from tests.cli.running import scidex
from tests.web.doors import key_for


class Served(NamedTuple):
    """A market with a settled slot and another one sold, by its database and by its server."""

    db: Database
    slot_id: str
    address: str

    def by_database(self, *words: str) -> tuple[int, str, str]:
        return scidex(*words, "--db", self.db.url)

    def by_server(self, *words: str, account: str = "system:treasury", scope: str = "admin") -> tuple[int, str, str]:
        return scidex(*words, "--url", self.address, "--key", key_for(self.db, account, scope))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    url = f"sqlite:///{tmp_path_factory.mktemp('served')}/market.db"
    with connect(url) as db:
        compute_auction.ensure_schema(db=db)
        backlog.add_quest("q1", db=db)
        token_ledger.mint("quest:q1", 1_000, db=db)
        compute_auction.offer_slots(1, db=db)
        compute_auction.place_bid("quest:q1", "t1", 40, db=db)
        slot_id = compute_auction.clear_round(db=db).clears[0].slot_id
        compute_auction.settle(slot_id, 30, db=db)
        with running_server(db) as address:
            yield Served(db, slot_id, address)


@pytest.mark.parametrize(
    "words",
    [
        ("timeline", "SLOT", "--json"),
        ("agent", "list", "--json"),
        ("agent", "logs", "SLOT", "--json"),
        ("ledger", "export"),
        ("ledger", "export", "--format", "beancount"),
        ("pool", "list", "--json"),
        ("pool", "show", "--json"),
        ("audit", "--refusals", "--json"),
    ],
)
def test_a_server_and_its_database_are_told_alike(served, words):
    given = [served.slot_id if word == "SLOT" else word for word in words]
    by_server, by_database = served.by_server(*given), served.by_database(*given)
    assert by_server == by_database
    assert by_server[0] == 0


def test_a_sweep_tells_the_same_things_of_both(served):
    by_server, by_database = served.by_server("sweep", "--json"), served.by_database("sweep", "--json")
    told, sealed = json.loads(by_server[1]), json.loads(served.by_server("audit", "--json")[1])["seals"]["entries"]

    assert (by_server[0], told.keys()) == (0, json.loads(by_database[1]).keys())
    assert 0 < told["entries_sealed"] <= sealed


def test_a_server_audits_itself(served):
    code, out, _ = served.by_server("audit", "--json")
    found = json.loads(out)
    assert (code, found["ok"], found["rounds"], found["problems"]) == (0, True, 1, [])


def test_a_report_of_a_server(served):
    code, out, _ = served.by_server("report", "--json")
    assert code == 0
    assert json.loads(out)["runs"] == json.loads(served.by_database("report", "--json")[1])["runs"]


def test_a_quest_is_entitled_and_a_pool_is_set_over_http(served):
    code, out, _ = served.by_server("quest", "entitle", "q1", "--json")
    assert (code, json.loads(out)[0]["floor_entitled"]) == (0, True)
    code, out, _ = served.by_server("pool", "set", "--set", "refill_percent=55", "--json")
    assert (code, json.loads(out)["settings"]["refill_percent"]) == (0, 55)
    assert compute_auction.get_market_settings(db=served.db).settings["refill_percent"] == 55


def test_a_setting_that_there_is_not_is_refused_by_name(served):
    code, _, err = served.by_server("pool", "set", "--set", "refill_percent=101")
    assert code == 2
    assert "refill_percent" in err


def test_a_backlog_is_imported_over_http_or_each_fault_is_told_by_its_line(served, tmp_path):
    file = tmp_path / "tasks.jsonl"
    file.write_text('{"task_id": "n1", "quest_id": "q1"}\n{"task_id": "n2", "quest_id": "q1"}\n')
    assert served.by_server("task", "import", str(file))[:2] == (0, "2 tasks added, 0 updated, 0 as they were.\n")
    file.write_text('{"task_id": "n3", "quest_id": "q1"}\n{"task_id": "n4", "quest_id": "q1", "depends_on": ["no"]}\n')
    by_server, by_database = (
        ask("task", "import", "--strict", str(file)) for ask in (served.by_server, served.by_database)
    )
    assert by_server == by_database
    assert by_server[0] == 1
    assert by_server[2].startswith("line 2, depends_on:")


def test_what_is_the_operators_is_refused_to_others(served):
    token_ledger.create_account("ada", db=served.db)
    for words in (("audit",), ("ledger", "export"), ("sweep",), ("pool", "set", "--profile", "brief")):
        code, _, err = served.by_server(*words, account="ada", scope="bid")
        assert (code, "may not" in err or "needs" in err or "key" in err) == (7, True), err


def test_the_doctor_looks_at_a_server(served):
    code, out, _ = served.by_server("doctor", "--json")
    found = {one["check"]: one for one in json.loads(out)}
    assert code == 0
    assert found["server's version"]["found"] == f"scidex {__version__}, as here"
    assert found["key"]["found"] == "acts for system:treasury; may admin"
    assert found["books"]["state"] == found["clock"]["state"] == found["database"]["state"] == "ok"
    assert found["rounds of scidex-agent"]["remedy"].startswith("start a loop")


def test_the_doctor_names_the_remedy_for_a_key_and_for_a_server_that_there_is_not(served):
    code, out, _ = scidex("doctor", "--json", "--url", served.address, "--key", "scidex_nonsense")
    assert (code, json.loads(out)[-1]["check"], json.loads(out)[-1]["state"]) == (5, "key", "fault")
    code, out, _ = scidex("doctor", "--json", "--url", "http://127.0.0.1:9")
    assert (code, json.loads(out)[-1]["remedy"]) == (5, "start it: scidex up; or give the address that it printed")
    assert scidex("doctor", "--url", "nonsense")[0] == 5


def test_versions_and_clocks_are_compared():
    assert version_of("0.0.1").state == "warning"
    assert clock_of("Mon, 01 Jan 2001 00:00:00 GMT", utc_now()).state == "fault"
    assert clock_of(None, utc_now()).state == clock_of("soon", utc_now()).state == "warning"
