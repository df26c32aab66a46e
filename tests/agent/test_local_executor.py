"""Whatever a command does, the run ends, its output is bounded, and nothing of it is left running."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from scidex.agent.executors import CommandRun, RunResult
from scidex.agent.executors.local import LocalExecutor
from scidex.errors import InvalidArgument

QUICK = LocalExecutor(grace_seconds=0.3, kept_bytes=2_000, most_output_bytes=1_000_000)


def python(code: str, directory: Path, *, max_seconds: float = 20.0, **environment: str) -> CommandRun:
    return CommandRun((sys.executable, "-c", code), directory, max_seconds, environment)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


# A child that outlives the command writes its number to a file, so that the test can look for it.
LEAVES_A_CHILD = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session={detached})
open("child.pid", "w").write(str(child.pid))
{then}
"""


def run_that_leaves_a_child(directory: Path, *, detached: bool, then: str = "") -> tuple[RunResult, int]:
    code = LEAVES_A_CHILD.format(detached=detached, then=then)
    result = QUICK.run(python(code, directory, max_seconds=2.0))
    return result, int((directory / "child.pid").read_text())


# --- how a command ends


def test_a_command_that_succeeds_gives_its_output(tmp_path):
    result = QUICK.run(python("import sys; print('found 3'); print('careful', file=sys.stderr)", tmp_path))

    assert result.succeeded
    assert (result.ended, result.exit_code, result.reason) == ("exited", 0, "exited with 0")
    assert (result.stdout, result.stderr, result.output_bytes) == ("found 3\n", "careful\n", 16)


@pytest.mark.parametrize("code", [1, 3, 255])
def test_an_exit_code_is_kept(tmp_path, code):
    result = QUICK.run(python(f"raise SystemExit({code})", tmp_path))

    assert not result.succeeded
    assert (result.exit_code, result.reason) == (code, f"exited with {code}")


def test_a_command_ended_by_a_signal_says_so(tmp_path):
    result = QUICK.run(python("import os; os.kill(os.getpid(), 9)", tmp_path))

    assert (result.ended, result.exit_code, result.reason) == ("exited", -9, "ended by signal 9")


def test_a_command_that_does_not_exist_is_not_started(tmp_path):
    result = QUICK.run(CommandRun(("no-such-program", "--now"), tmp_path, 5.0))

    assert (result.ended, result.exit_code) == ("not_started", None)
    assert "no-such-program" in result.reason
    assert "No such file" in result.reason


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        ((), {}),
        (("",), {}),
        (("/",), {}),
        (("true", "a\0b"), {}),
        (("true", "\udcff\ud800"), {}),
        (("true",), {"A=B": "c"}),
        (("true",), {"HUGE": "x" * 10_000_000}),
    ],
)
def test_a_command_the_system_refuses_is_not_started(tmp_path, command, environment):
    result = QUICK.run(CommandRun(command, tmp_path, 5.0, environment))

    assert result.ended == "not_started"
    assert len(result.reason) < 200


def test_a_directory_that_cannot_be_made_is_a_command_not_started(tmp_path):
    (tmp_path / "taken").write_text("a file")

    result = QUICK.run(CommandRun(("true",), tmp_path / "taken", 5.0))

    assert result.ended == "not_started"
    assert "taken" in result.reason


# --- limits


def test_a_command_that_hangs_is_ended_when_its_time_is_up(tmp_path):
    result = QUICK.run(python("import time; time.sleep(600)", tmp_path, max_seconds=0.3))

    assert (result.ended, result.exit_code) == ("timed_out", -15)
    assert result.reason == "ended after 0.3 s: its time was up"


def test_a_command_that_ignores_the_polite_signal_is_killed(tmp_path):
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"

    result = QUICK.run(python(code, tmp_path, max_seconds=1.0))

    assert (result.ended, result.exit_code, result.stdout) == ("timed_out", -9, "deaf\n")


def test_a_command_may_clean_up_when_its_time_is_up(tmp_path):
    code = (
        "import signal, sys, time\n"
        "signal.signal(15, lambda *_: (open('tidy', 'w').close(), sys.exit(7)))\n"
        "time.sleep(600)"
    )
    result = LocalExecutor(grace_seconds=20.0).run(python(code, tmp_path, max_seconds=1.0))

    assert (result.ended, result.exit_code) == ("timed_out", 7)
    assert (tmp_path / "tidy").exists()


def test_a_command_that_closes_its_output_and_hangs_is_ended(tmp_path):
    result = QUICK.run(python("import os, time; os.close(1); os.close(2); time.sleep(600)", tmp_path, max_seconds=0.5))

    assert result.ended == "timed_out"


def test_long_output_keeps_its_beginning_and_its_end(tmp_path):
    result = QUICK.run(python("print('first'); print('x' * 50_000); print('last')", tmp_path))

    assert result.succeeded
    assert result.output_bytes == 50_012
    assert result.stdout.startswith("first\nxxx")
    assert result.stdout.endswith("xxx\nlast\n")
    assert "[… 48012 bytes left out …]" in result.stdout
    assert len(result.stdout) < 2_100


def test_a_command_that_floods_its_output_is_ended(tmp_path):
    code = "import os\nwhile True: os.write(1, b'y' * 65536)"

    result = QUICK.run(python(code, tmp_path))

    assert result.ended == "flooded"
    assert result.reason == "ended because it wrote more than 1000000 bytes"
    assert len(result.stdout) < 2_100
    assert result.output_bytes < 2_000_000


def test_a_flood_on_both_streams_at_once_does_not_stall(tmp_path):
    code = "import os\nwhile True: os.write(1, b'y' * 65536), os.write(2, b'n' * 65536)"

    result = QUICK.run(python(code, tmp_path))

    assert result.ended == "flooded"
    assert "n" in result.stderr
    assert "y" in result.stdout


def test_output_that_is_no_text_is_shown_all_the_same(tmp_path):
    result = QUICK.run(python("import os; os.write(1, bytes([0xff, 0xfe, 65]))", tmp_path))

    assert result.stdout == "��A"


# --- children


def test_a_child_left_behind_is_ended(tmp_path):
    result, child = run_that_leaves_a_child(tmp_path, detached=False)

    assert (result.ended, result.exit_code, result.left_behind) == ("exited", 0, 1)
    assert not is_alive(child)


def test_a_child_left_behind_in_a_session_of_its_own_is_ended(tmp_path):
    result, child = run_that_leaves_a_child(tmp_path, detached=True)

    assert (result.ended, result.left_behind) == ("exited", 1)
    assert not is_alive(child)


@pytest.mark.parametrize("detached", [False, True])
def test_the_children_of_a_hanging_command_are_ended_with_it(tmp_path, detached):
    result, child = run_that_leaves_a_child(tmp_path, detached=detached, then="import time; time.sleep(600)")

    assert (result.ended, result.left_behind) == ("timed_out", 1)
    assert not is_alive(child)


def test_a_child_that_holds_the_output_open_does_not_keep_the_run_waiting(tmp_path):
    result, _ = run_that_leaves_a_child(tmp_path, detached=False)

    assert result.ended == "exited"


def test_other_processes_are_left_alone(tmp_path):
    marks = [tmp_path / "first", tmp_path / "second"]
    with_patience = python("import time; time.sleep(1.0); print('done')", marks[0])
    patient: list[RunResult] = []
    thread = threading.Thread(target=lambda: patient.append(QUICK.run(with_patience)))
    thread.start()

    hasty = QUICK.run(python("import time; time.sleep(600)", marks[1], max_seconds=0.2))
    thread.join()

    assert hasty.ended == "timed_out"
    assert patient[0].succeeded
    assert patient[0].stdout == "done\n"


# --- stopping


def test_a_run_is_ended_when_it_is_told_to_stop(tmp_path):
    stop = threading.Event()
    timer = threading.Timer(0.3, stop.set)
    timer.start()

    result = QUICK.run(python("import time; time.sleep(600)", tmp_path), stop)
    timer.join()

    assert (result.ended, result.reason) == ("stopped", "ended because the agent stops")


# --- what a command is given


def test_a_command_works_in_its_own_directory(tmp_path):
    QUICK.run(python("open('here', 'w').close()", tmp_path / "task-1"))

    assert [path.name for path in (tmp_path / "task-1").iterdir()] == ["here"]


def test_a_command_gets_the_named_environment_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIDEX_DATABASE_URL", "postgresql://user:secret@host/market")
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("WANTED", "yes")
    executor = LocalExecutor(environment=("PATH", "LANG", "WANTED"))

    result = executor.run(CommandRun(("env",), tmp_path, 5.0, {"SCIDEX_TASK_ID": "task-1"}))

    given = dict(line.split("=", 1) for line in result.stdout.splitlines())
    assert given.keys() == {"PATH", "LANG", "WANTED", "SCIDEX_TASK_ID", "SCIDEX_RUN"}
    assert (given["WANTED"], given["SCIDEX_TASK_ID"]) == ("yes", "task-1")


def test_a_command_that_asks_for_input_gets_none(tmp_path):
    result = QUICK.run(python("import sys; print(repr(sys.stdin.read()))", tmp_path))

    assert result.stdout == "''\n"


def test_the_words_of_a_command_are_not_read_by_a_shell(tmp_path):
    result = QUICK.run(CommandRun(("echo", "$HOME", "&&", "*", "`id`"), tmp_path, 5.0))

    assert result.stdout == "$HOME && * `id`\n"


def test_no_file_stays_open_after_a_run(tmp_path):
    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    QUICK.run(CommandRun(("true",), tmp_path, 5.0))
    before = opened()
    for code in ("pass", "import time; time.sleep(600)"):
        QUICK.run(python(code, tmp_path, max_seconds=0.3))
    QUICK.run(CommandRun(("no-such-program",), tmp_path, 5.0))

    assert opened() == before


def test_a_run_tells_how_long_it_took(tmp_path):
    began = time.monotonic()
    result = QUICK.run(CommandRun(("true",), tmp_path, 5.0))

    assert 0 < result.seconds <= time.monotonic() - began


# --- the system's limits

FILLS_MEMORY = "kept = bytearray(400_000_000); kept[::4096] = b'x' * len(kept[::4096]); print('had room')"
HOLDS_MEMORY = "import time; kept = bytearray(60_000_000); kept[::4096] = b'x' * len(kept[::4096]); time.sleep(600)"


def test_a_process_gets_no_more_memory_than_its_limit(tmp_path):
    result = LocalExecutor(memory_bytes=150_000_000).run(python(FILLS_MEMORY, tmp_path))

    assert not result.succeeded
    assert "MemoryError" in result.stderr
    assert LocalExecutor().run(python(FILLS_MEMORY, tmp_path)).stdout == "had room\n"


def test_processes_that_together_hold_too_much_memory_are_ended(tmp_path):
    several = f"import subprocess, sys\nfor _ in range(4): subprocess.Popen([sys.executable, '-c', {HOLDS_MEMORY!r}])\n"
    executor = LocalExecutor(memory_bytes=150_000_000, grace_seconds=0.3)

    result = executor.run(python(several + "import time; time.sleep(600)", tmp_path))

    assert (result.ended, result.reason) == ("swollen", "ended because it held more than 150000000 bytes of memory")
    assert result.left_behind == 4


def test_a_process_gets_no_more_cpu_time_than_its_limit(tmp_path):
    result = LocalExecutor(cpu_seconds=1).run(python("while True: pass", tmp_path))

    assert (result.ended, result.reason) == ("exited", "ended after 1 s of CPU time")
    assert not result.succeeded


def test_waiting_costs_no_cpu_time(tmp_path):
    result = LocalExecutor(cpu_seconds=1).run(python("import time; time.sleep(1.5)", tmp_path))

    assert result.succeeded


def test_a_limit_that_the_system_cannot_keep_is_refused(monkeypatch):
    monkeypatch.delattr("resource.prlimit")

    with pytest.raises(InvalidArgument) as refusal:
        LocalExecutor(memory_bytes=1)

    assert refusal.value.field == "memory_bytes"
