"""The repository keeps its own rules: no traces of a machine, SQL in .sql files, a complete wheel."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

# Written so that no pattern matches itself.
TRACES = {
    "a registry's host": r"pypi\.org|pythonhosted\.org|registry\.npmjs|npmjs\.com|deb\.debian\.org",
    "an index setting": r"(?<!no-emit-)index[-_]url",
    "a download address in a lock file": r'"resolved"\s*:\s*"https?:',
    "a path of one machine": r"(?<![\w.\])}])/(?:home|Users|roo[t]|wor[k])/\w|[A-Z]:\\Users\b",
}
SQL = re.compile(
    r"\s*(?:--[^\n]*\n\s*)*(?:SELECT\s|WITH\s+\w+\s+AS\s*\(|(?i:select\b.+\bfrom\b|insert\s+into\s|update\s+\S+\s+set\s"
    r"|delete\s+from\s|(?:create|alter|drop)\s+(?:unique\s+)?(?:table|index|view)\s))",
    re.DOTALL,
)
EXECUTORS = {"execute", "executemany", "executescript"}
PURE_ROOMS = ("mechanism", "bidding", "money")
PURE_IMPORTS = {"__future__", "collections", "scidex", "typing"}


def committed_files() -> list[Path]:
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in names.split("\0") if name and (path := ROOT / name).is_file()]


def modules(*places: str) -> list[Path]:
    return [path for path in committed_files() if path.suffix == ".py" and under(path, *places)]


def under(path: Path, *places: str) -> bool:
    return path.relative_to(ROOT).parts[0] in places


# --- the checks: each yields a line for a fault


def machine_traces(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), start=1):
        for name, pattern in TRACES.items():
            if re.search(pattern, line):
                yield f"{number}: {name}: {line.strip()[:100]}"


def sql_in_python(source: str) -> Iterator[str]:
    tree = ast.parse(source)
    prose = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if SQL.match(text) and node not in prose:
                yield f"{node.lineno}: SQL belongs in a .sql file: {text.strip()[:60]!r}"
            case ast.Call(args=[statement, *_]) if called_name(node) in EXECUTORS and is_assembled(statement):
                yield f"{node.lineno}: a statement is put together from strings: {ast.unparse(node)[:60]}"


def pinned_versions(requirements: str) -> dict[str, list[str]]:
    versions: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", requirements, re.MULTILINE):
        versions.setdefault(canonicalize_name(name), []).append(version)
    return versions


def called_name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def is_assembled(statement: ast.expr) -> bool:
    match statement:
        case ast.JoinedStr() | ast.BinOp(op=ast.Mod() | ast.Add()):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Constant(), attr="format" | "join" | "replace")):
            return True
    return False


def impure_imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=aliases):
                names = [alias.name for alias in aliases]
            case ast.ImportFrom(module=str(name)):
                names = [name]
            case _:
                continue
        for name in names:
            if name.split(".")[0] not in PURE_IMPORTS:
                yield f"{node.lineno}: the front door of a pure room imports {name}"


# --- the repository passes them


def test_no_committed_file_carries_a_machines_traces():
    faults = [
        f"{path.relative_to(ROOT)}:{fault}"
        for path in committed_files()
        for fault in machine_traces(path.read_text(errors="replace"))
    ]

    assert faults == []


def test_sql_lives_in_sql_files():
    faults = [
        f"{path.relative_to(ROOT)}:{fault}"
        for path in modules("scidex", "api.py")
        for fault in sql_in_python(path.read_text())
    ]

    assert faults == []


def test_pure_rooms_have_a_pure_front_door():
    fronts = [ROOT / "scidex" / room / "__init__.py" for room in PURE_ROOMS]
    faults = [
        f"{path.relative_to(ROOT)}:{fault}"
        for path in fronts
        if path.exists()
        for fault in impure_imports(path.read_text())
    ]

    assert faults == []


def test_the_pinned_requirements_are_in_step_with_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = map(Requirement, [*project["dependencies"], *extras["postgres"], *extras["dev"]])
    pins = pinned_versions((ROOT / "requirements" / "dev.txt").read_text())

    missing = [
        str(want)
        for want in wanted
        if want.name != project["name"]
        and not any(map(want.specifier.contains, pins.get(canonicalize_name(want.name), [])))
    ]

    assert missing == [], "run `make lock`"


def test_the_wheel_carries_all_that_an_installed_package_needs(tmp_path):
    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    packed = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        str(path.relative_to(ROOT)).replace("migrations/", "scidex/store/migrations/", 1)
        for path in committed_files()
        if under(path, "scidex", "migrations")
    }

    assert wanted - packed == set()


# --- one word for one thing

# Classes of one name in two rooms, because the two are the same thing at two places.
SAME_THING = {
    # What a mechanism is given is what a market keeps, without what a clearing need not know.
    "Ask": {"scidex.records", "scidex.mechanism.values"},
    "Bid": {"scidex.records", "scidex.mechanism.values", "scidex.mcp_server.answers"},
    # What is told to LLM agents is the market's own record, by its name and with fewer fields.
    "Book": {"scidex.mechanism.book", "scidex.mcp_server.answers"},
    "Explanation": {"scidex.records", "scidex.mcp_server.answers"},
    "Quote": {"scidex.records", "scidex.mcp_server.answers"},
    "Task": {"scidex.records", "scidex.mcp_server.answers"},
    "Wallet": {"scidex.exchange.ledger.wallets", "scidex.mcp_server.answers"},
    # A table of a fleet's file is named for what it describes.
    "Account": {"scidex.records", "scidex.fleet.schema"},
    "Agent": {"scidex.agent.agent", "scidex.fleet.schema"},
    "Pool": {"scidex.records", "scidex.fleet.schema"},
    "Quest": {"scidex.records", "scidex.fleet.schema"},
}


def homes_of_classes(sources: dict[str, str]) -> dict[str, set[str]]:
    """Return the modules in which each class that has several is defined."""
    homes: dict[str, set[str]] = {}
    for module, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, set()).add(module)
    return {name: found for name, found in homes.items() if len(found) > 1}


def test_a_class_of_one_name_is_one_thing():
    sources = {
        str(path.relative_to(ROOT).with_suffix("")).replace("/", "."): path.read_text()
        for path in (ROOT / "scidex").rglob("*.py")
    }

    assert homes_of_classes(sources) == SAME_THING


def test_a_second_class_of_a_name_is_noticed():
    assert homes_of_classes({"a": "class Run: ...", "b": "class Run: ...\nclass Bid: ..."}) == {"Run": {"a", "b"}}


# --- and each check can fail


@pytest.mark.parametrize(
    "bad",
    [
        "wheel @ https://files.python·hosted.org/packages/x.whl",
        "# see https://py·pi.org/project/x",
        "--index-·url https://example.com",
        "extra_index_·url = file:///x",
        '"resol·ved": "https://example.com/x.tgz"',
        "data = '/ho·me/ada/data'",
        "cd /Us·ers/ada",
    ],
)
def test_a_trace_is_noticed(bad):
    text = "fine\n" + bad.replace("·", "")  # the dot keeps these samples from being traces themselves

    assert [fault[:3] for fault in machine_traces(text)] == ["2: "]


@pytest.mark.parametrize("good", ["--no-emit-index-url", "/api/home/x", "/usr/lib", "a/work/b"])
def test_what_is_no_trace_is_left_alone(good):
    assert list(machine_traces(good)) == []


@pytest.mark.parametrize(
    "bad",
    [
        'x = "SELECT 1"',
        'x = "select a from b"',
        'x = "INSERT INTO t VALUES (1)"',
        'x = "\\n  UPDATE t SET a = 1"',
        'x = "DELETE FROM t"',
        'x = f"DELETE FROM {t}"',
        'x = "-- name --\\nWITH a AS (SELECT 1)"',
        'x = "CREATE TABLE t (a)"',
        'db.execute(f"{verb} now")',
        'db.execute("PRAGMA " + name)',
        'db.executemany("%s" % name, rows)',
        'db.execute("{}".format(name))',
    ],
)
def test_sql_in_python_is_noticed(bad):
    assert [fault[:3] for fault in sql_in_python(bad)] == ["1: "]


@pytest.mark.parametrize(
    "good",
    [
        '"""Select the best bids from the book."""',
        'x = "Select a pool"',
        'x = "update the book"',
        'db.execute("BEGIN IMMEDIATE")',
        "db.execute(statement, values)",
    ],
)
def test_prose_and_named_statements_are_left_alone(good):
    assert list(sql_in_python(good)) == []


def test_an_impure_front_door_is_noticed():
    faults = list(impure_imports("from collections.abc import Iterable\nimport time\nfrom os import path"))

    assert [fault.rsplit(" ", 1)[1] for fault in faults] == ["time", "os"]
