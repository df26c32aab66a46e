"""On a real cluster: runs find room, outlive the deaths of workers and nodes, and end when they are told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from scidex.agent.agent import Agent, AgentWork
from scidex.agent.commands import command_of_task
from scidex.agent.executors import CommandRun
from scidex.agent.executors.cluster import connect
from scidex.agent.executors.local import LocalExecutor
from scidex.agent.executors.ray import RayExecutor
from scidex.errors import ExecutorUnavailable, InvalidArgument
from scidex.exchange import backlog, cycle, token_ledger
from scidex.market.embedded import EmbeddedMarket
from tests.agent.clusters import ENVIRONMENT

# Read by Ray when it is first loaded.
os.environ.update(ENVIRONMENT)
from tests.agent.clusters import running_cluster

LOCAL = LocalExecutor(grace_seconds=0.5)


@pytest.fixture(scope="module")
def cluster():
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def on(cluster) -> Callable[..., RayExecutor]:
    def make(name: str | None = None, **options) -> RayExecutor:
        needs = {"cpus": 1.0} | ({f"on_{name}": 1.0} if name else {})
        return RayExecutor(cluster.address, local=LOCAL, **{"needs": needs, "most_silence_seconds": 4.0, **options})

    return make


def python(code: str, directory: Path, *, max_seconds: float = 60.0, **environment: str) -> CommandRun:
    directory.mkdir(exist_ok=True)
    return CommandRun((sys.executable, "-c", code), directory, max_seconds, environment)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def until(is_so: Callable[[], object], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])


def the_worker() -> int:
    """The one Ray worker that runs something now."""

    def found() -> list[int]:
        places = [place for place in Path("/proc").iterdir() if place.name.isdigit() and is_alive(int(place.name))]
        return [int(place.name) for place in places if _title(place).startswith(b"ray::RunWorker")]

    until(lambda: len(found()) == 1)
    return found()[0]


def _title(place: Path) -> bytes:
    try:
        return (place / "cmdline").read_bytes()
    except OSError:
        return b""


# A command that hangs when it is begun for the first time, and tells its number.
HANGS_ONCE = """
import os, pathlib, time
pids = pathlib.Path("pids")
first = not pids.exists()
with pids.open("a") as file:
    file.write(f"{os.getpid()}\\n")
if first:
    time.sleep(600)
print("done")
"""


class Running:
    """A run in a thread of its own."""

    def __init__(self, executor, run: CommandRun) -> None:
        self.stop = threading.Event()
        self.results: list = []
        self._run, self._executor = run, executor
        self.thread = threading.Thread(target=self._work)
        self.thread.start()

    def _work(self) -> None:
        self.results.append(self._executor.run(self._run, self.stop))

    def pids(self) -> list[int]:
        file = self._run.directory / "pids"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def result(self):
        self.thread.join(90)
        assert not self.thread.is_alive()
        return self.results[0]


# --- the usual way


def test_a_command_runs_on_the_cluster_and_its_files_come_back(on, tmp_path):
    run = python("print(open('task.json').read()); open('usage.json', 'w').write('{}')", tmp_path / "run")
    (run.directory / "task.json").write_text("the task")

    result = on("a").run(run)

    assert (result.ended, result.exit_code, result.stdout) == ("exited", 0, "the task\n")
    assert (run.directory / "usage.json").read_text() == "{}"


def test_a_command_that_fails_says_so(on, tmp_path):
    result = on().run(python("import sys; print('oh', file=sys.stderr); sys.exit(3)", tmp_path))

    assert (result.succeeded, result.exit_code, result.stderr, result.reason) == (False, 3, "oh\n", "exited with 3")


def test_a_command_gets_the_named_environment_alone(on, tmp_path, monkeypatch):
    monkeypatch.setenv("WANTED", "yes")
    monkeypatch.setenv("SECRET", "no")

    result = on(forwarded=("WANTED",)).run(
        python("import os; print(sorted(os.environ))", tmp_path, SCIDEX_TASK_ID="task-1")
    )

    assert "'WANTED'" in result.stdout
    assert "'SCIDEX_TASK_ID'" in result.stdout
    assert "SECRET" not in result.stdout
    assert "RAY_" not in result.stdout


def test_a_directory_that_cannot_be_made_is_said(on, tmp_path):
    (tmp_path / "file").touch()

    result = on().run(CommandRun(("true",), tmp_path / "file" / "run", 5.0))

    assert (result.ended, "could not be made" in result.reason) == ("not_started", True)


def test_a_command_that_takes_too_long_is_ended(on, tmp_path):
    result = on().run(python("import time; time.sleep(600)", tmp_path, max_seconds=0.5))

    assert (result.ended, result.reason) == ("timed_out", "ended after 0.5 s: its time was up")


def test_runs_wait_for_room_and_use_all_there_is(on, tmp_path):
    code = "import time; began = time.time(); time.sleep(0.7); print(began, time.time())"
    executor = on()
    runs = [Running(executor, python(code, tmp_path / str(number))) for number in range(4)]
    spans = [tuple(map(float, run.result().stdout.split())) for run in runs]

    # Each node has one CPU: two runs at a time, and four of them in two turns.
    together = [sum(began <= moment < ended for began, ended in spans) for moment, _ in spans]
    assert max(together) == 2


def test_a_run_that_no_node_has_room_for_is_lost_and_not_failed(on, tmp_path):
    result = on(needs={"cpus": 64.0}, most_wait_seconds=0.5).run(python("pass", tmp_path))

    assert result.ended == "lost"
    assert result.reason == "no node had room for it within 0.5 s: 64 cpus"


def test_what_a_run_needs_wins_over_what_is_usual(on, tmp_path):
    run = python("pass", tmp_path)
    larger = CommandRun(run.command, run.directory, 5.0, needs={"cpus": 2.0})

    assert on("a").run(run).succeeded
    assert on("a", most_wait_seconds=0.5).run(larger).ended == "lost"


def test_agents_share_a_cluster_and_wait_for_each_other(on, cluster, tmp_path):
    """Each agent is a process of its own, and to Ray another job."""
    code = "import time; began = time.time(); time.sleep(1.0); print(began, time.time())"
    other = subprocess.Popen(
        [sys.executable, "-c", ASKS.format(address=cluster.address, needs={"cpus": 1.0, "on_a": 1.0}, code=code)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )

    own = on("a").run(python(code, tmp_path / "own"))
    printed, _ = other.communicate(timeout=60)

    first, second = sorted(tuple(map(float, said.split())) for said in (own.stdout, printed))
    assert first[1] <= second[0]


ASKS = """
import pathlib, sys
from scidex.agent.executors import CommandRun
from scidex.agent.executors.ray import RayExecutor
executor = RayExecutor({address!r}, needs={needs}, most_silence_seconds=2.0)
print(executor.run(CommandRun((sys.executable, "-c", {code!r}), pathlib.Path("run").absolute(), 60.0)).stdout)
"""


# --- deaths


def test_a_run_outlives_its_worker_and_the_first_copy_is_gone(on, tmp_path):
    running = Running(on("a"), python(HANGS_ONCE, tmp_path))
    until(running.pids)
    [first] = running.pids()
    guard = parent_of(first)

    os.kill(the_worker(), signal.SIGKILL)
    result = running.result()

    assert (result.succeeded, result.stdout) == (True, "done\n")
    assert len(running.pids()) == 2
    assert not is_alive(first)
    assert not is_alive(guard)


def test_a_run_outlives_its_node(on, cluster, tmp_path):
    blocker = Running(on("a"), python(HANGS_ONCE, tmp_path / "blocker"))
    until(blocker.pids)
    running = Running(on(), python(HANGS_ONCE, tmp_path / "run"))
    until(running.pids)
    [first] = running.pids()

    cluster.kill("b")
    blocker.stop.set()
    result = running.result()
    cluster.replace("b")

    assert blocker.result().ended == "stopped"
    assert (result.succeeded, result.stdout) == (True, "done\n")
    assert not is_alive(first)


def test_a_run_whose_workers_keep_dying_is_given_back(on, tmp_path):
    executor = on("a", most_restarts=0)
    running = Running(executor, python(HANGS_ONCE, tmp_path))
    until(running.pids)

    os.kill(the_worker(), signal.SIGKILL)
    result = running.result()

    assert result.ended == "lost"
    assert result.reason.startswith("the cluster lost it: ")


def test_a_run_whose_guard_is_killed_is_given_back(on, tmp_path):
    running = Running(on("a"), python(HANGS_ONCE, tmp_path))
    until(running.pids)
    [first] = running.pids()

    os.kill(parent_of(first), signal.SIGKILL)
    result = running.result()
    os.kill(first, signal.SIGKILL)

    assert (result.ended, result.reason) == ("lost", "the process that guarded it was ended")


def test_a_run_is_ended_with_the_agent_that_asked_for_it(cluster, tmp_path):
    """An agent is another process: killed, it can end nothing itself."""
    asks = ASKS.format(address=cluster.address, needs={"cpus": 1.0}, code=HANGS_ONCE)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    agent = subprocess.Popen([sys.executable, "-c", asks], cwd=tmp_path, env=environment)
    pids = tmp_path / "run" / "pids"
    until(lambda: pids.exists() and pids.read_text())
    [first] = map(int, pids.read_text().split())

    agent.kill()
    agent.wait()

    until(lambda: not is_alive(first))


def test_a_task_whose_worker_is_killed_is_settled_once(on, db, tmp_path, monkeypatch):
    """The lease stays the record: the market knows of one run, whatever became of its copies."""
    # No round may have been held for a while in a market that is lent: that alone must not send the agent around it.
    monkeypatch.setenv("SCIDEX_FALLBACK_AFTER_CYCLES", "100000")
    quest = backlog.add_quest("docs", db=db)
    token_ledger.mint(quest.account_id, 1_000, db=db)
    token_ledger.create_account("worker:ada", kind="worker", db=db)
    command = [sys.executable, "-c", HANGS_ONCE + "open('usage.json', 'w').write('{\"tokens\": 7}')"]
    backlog.add_task("write", "docs", expected_value_usd=1.0, payload={"command": command}, db=db)
    work = AgentWork(command_of_task, tmp_path, executor=on("a"), max_seconds=60.0)
    agent = Agent("worker:ada", work, market=EmbeddedMarket(db))
    list(agent.take())
    cycle.run_cycle(now=db.now(), db=db)
    [lease] = agent.take()
    reports: list = []
    thread = threading.Thread(target=lambda: reports.append(agent.work_on(lease)))
    thread.start()
    until(lambda: list(tmp_path.glob("*/pids")))

    os.kill(the_worker(), signal.SIGKILL)
    thread.join(90)

    [pids] = tmp_path.glob("*/pids")
    assert len(pids.read_text().split()) == 2
    assert (reports[0].finished.clear.status, reports[0].finished.clear.actual_cost_tokens) == ("settled", 7)
    assert (reports[0].finished.attempts, backlog.get_task("write", db=db).status) == (1, "done")
    assert token_ledger.verify(db).ok


def test_a_run_works_in_the_place_it_names(on, tmp_path):
    run = replace(python("import os; print(os.getcwd())", tmp_path), works_in=tmp_path / "tree")
    (tmp_path / "tree").mkdir()

    assert on().run(run).stdout == f"{tmp_path / 'tree'}\n"


# --- stopping


def test_a_run_is_ended_politely_when_it_is_told_to_stop(on, tmp_path):
    polite = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('tidied up'), sys.exit(0)))\n"
        "open('pids', 'w').write('1'); time.sleep(600)\n"
    )
    running = Running(on(), python(polite, tmp_path))
    until(running.pids)

    running.stop.set()
    result = running.result()

    assert (result.ended, result.stdout) == ("stopped", "tidied up\n")


def test_a_run_that_waits_for_room_stops_too(on, tmp_path):
    running = Running(on(needs={"cpus": 64.0}), python("pass", tmp_path))

    running.stop.set()

    assert running.result().ended == "stopped"


# --- clusters that cannot be used


@pytest.mark.parametrize("address", ["", "127.0.0.1", "127.0.0.1:", ":6379", "127.0.0.1:99999", "ray://x"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(InvalidArgument) as refusal:
        connect(address)

    assert refusal.value.field == "address"


def test_a_cluster_that_does_not_answer_is_refused():
    with pytest.raises(ExecutorUnavailable, match="no Ray cluster answers"):
        RayExecutor("127.0.0.1:1")


# --- loopback


# How the system's tables of sockets write 127.0.0.1, also as an address of the newer kind, and ::1.
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


def listening() -> dict[str, str]:
    """The address of every listening socket, by its number."""
    rows = [row.split() for table in ("tcp", "tcp6") for row in Path(f"/proc/net/{table}").read_text().splitlines()]
    return {row[9]: row[1].partition(":")[0] for row in rows if row[3] == "0A"}


def sockets_of(place: Path) -> set[str]:
    try:
        return {str(file.readlink()).removeprefix("socket:[").rstrip("]") for file in (place / "fd").iterdir()}
    except OSError:
        return set()


def test_the_cluster_of_the_tests_listens_on_this_machine_alone(cluster):
    places = [place for place in Path("/proc").iterdir() if place.name.isdigit()]
    rays = [place for place in places if b"/ray/" in _title(place) or _title(place).startswith(b"ray::")]
    sockets = {number for place in rays for number in sockets_of(place)}
    addresses = {address for number, address in listening().items() if number in sockets}

    assert addresses
    assert addresses <= LOOPBACK
