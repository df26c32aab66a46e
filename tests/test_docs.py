"""The documentation is true: its examples run, its links lead somewhere, and its reference is complete."""

from __future__ import annotations

import ast
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, redirect_stdout
from inspect import Parameter, isfunction, signature
from io import StringIO
from itertools import count, zip_longest
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import psycopg
import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute

from scidex import records, store
from scidex.errors import ScidexError
from scidex.exchange import (
    attempts,
    auditing,
    backlog,
    backlog_import,
    compute_auction,
    cycle,
    ev_scorer,
    keys,
    leases,
    runs,
    sealing,
    services,
    sweeper,
    token_ledger,
    workers,
)
from scidex.mechanism.lifecycle import ASK_STEPS, BID_STEPS
from scidex.senate import epistemic_health
from scidex.settings import Settings
from scidex.store import connect
from scidex.store.migrate import migrate
from scidex.web import problems
from scidex.web.app import create_app

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    text: str
    line: int


class Example(NamedTuple):
    """Python to run, and what it prints where the page shows that."""

    code: str
    line: int
    output: str | None


def blocks_of(page: str) -> list[Block]:
    return [
        Block(found["language"], found["text"], page.count("\n", 0, found.start("text")))
        for found in _FENCE.finditer(page)
    ]


def examples_of(page: str) -> Iterator[Example]:
    blocks = blocks_of(page)
    for block, following in zip_longest(blocks, blocks[1:]):
        if block.language == "python":
            shown = following.text if following and following.language == "output" else None
            yield Example(block.text, block.line, shown)


def run_examples(page: str, name: str) -> None:
    """Run a page's Python in order, in one namespace, and compare what it prints with what the page shows."""
    namespace: dict[str, object] = {"__name__": "example"}
    for example in examples_of(page):
        printed = StringIO()
        code = compile("\n" * example.line + example.code, name, "exec")
        with redirect_stdout(printed):
            exec(code, namespace)
        if example.output is not None:
            assert printed.getvalue() == example.output, f"{name}:{example.line}"


def prose_of(page: str) -> str:
    return _FENCE.sub("", page)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


# --- examples


@pytest.mark.parametrize("page", [p for p in PAGES if any(examples_of(p.read_text()))], ids=named)
def test_the_examples_of_a_page_run_and_print_what_it_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCIDEX_DATABASE_URL", url := f"sqlite:///{tmp_path}/default.db")
    try:
        run_examples(page.read_text(), named(page))
    finally:
        if url in store._default:
            store._default.pop(url).close()


def test_the_readme_has_examples():
    assert len(list(examples_of((ROOT / "README.md").read_text()))) >= 2


def test_an_example_that_prints_something_else_is_noticed():
    page = "```python\nprint(1 + 1)\n```\n\n```output\n3\n```\n"

    with pytest.raises(AssertionError, match=r"page\.md:1"):
        run_examples(page, "page.md")


# --- names of files and functions


def lost_names(page: str) -> Iterator[str]:
    """Yield names like `exchange/book/bids.py::place_bids` that name nothing in the package."""
    for file, name in re.findall(r"`(\w[\w/]*\.py)(?:::([\w.]+))?`", prose_of(page)):
        path = next((place for place in (ROOT / "scidex" / file, ROOT / file) if place.exists()), None)
        if path is None and "/" in file:
            yield file
        elif path and name and name not in definitions_of(path.read_text()):
            yield f"{file}::{name}"


def definitions_of(source: str) -> set[str]:
    names = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
            names |= {f"{node.name}.{inner.name}" for inner in ast.walk(node) if isinstance(inner, ast.FunctionDef)}
    return names


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_function_that_a_page_names_exists(page):
    assert list(lost_names(page.read_text())) == []


def test_a_name_that_nothing_has_is_noticed():
    page = (
        "`exchange/book/pools.py::lock_pools` `exchange/book/pools.py::gone` `exchange/gone.py` "
        "`store/sqlite.py::SqliteDatabase.x`"
    )

    assert list(lost_names(page)) == [
        "exchange/book/pools.py::gone",
        "exchange/gone.py",
        "store/sqlite.py::SqliteDatabase.x",
    ]


# --- links


def broken_links(page: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(page.read_text())):
        place, _, anchor = target.partition("#")
        if re.match(r"\w+:", target):
            continue
        file = page.parent / place if place else page
        if not file.exists() or (anchor and anchor not in anchors_of(file.read_text())):
            yield target


def anchors_of(page: str) -> set[str]:
    anchors: set[str] = set()
    for heading in re.findall(r"^#+ +(.+)$", prose_of(page), re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        anchors.add(next(name for n in count() if (name := f"{anchor}-{n}" if n else anchor) not in anchors))
    return anchors


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_within_the_repository_leads_somewhere(page):
    assert list(broken_links(page)) == []


def test_a_broken_link_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One thing\n[a](#one-thing) [b](#another) [c](page.md) [d](gone.md) [e](https://example.com)\n")

    assert list(broken_links(page)) == ["#another", "gone.md"]


# --- the reference is complete


def sections_of(page: str, level: int) -> dict[str, str]:
    """The text under each heading of a level, down to the next heading of that level or above."""
    parts = re.split(rf"^(#{{1,{level}}}) +(.+)$", page, flags=re.MULTILINE)[1:]
    marks, titles, texts = parts[::3], parts[1::3], parts[2::3]
    return {title.strip(): text for mark, title, text in zip(marks, titles, texts, strict=True) if len(mark) == level}


def rows_of(page: str) -> dict[str, list[str]]:
    """The rows of a page's tables by the name in their first cell."""
    rows = (re.split(r" \|(?= )", line.strip().strip("|")) for line in page.splitlines() if line.startswith("| `"))
    return {row[0].strip().strip("`"): [cell.strip() for cell in row[1:]] for row in rows}


def reference(name: str) -> str:
    return (ROOT / "docs" / "reference" / name).read_text()


def public_verbs(module: ModuleType) -> dict[str, Callable[..., object]]:
    functions = {name: one for name, one in vars(module).items() if isfunction(one) and not name.startswith("_")}
    named = getattr(module, "__all__", [name for name, one in functions.items() if one.__module__ == module.__name__])
    return {name: functions[name] for name in named if name in functions}


def call_of(name: str, verb: Callable[..., object]) -> str:
    whole = signature(verb)
    bare = [parameter.replace(annotation=Parameter.empty) for parameter in whole.parameters.values()]
    return f"{name}{whole.replace(parameters=bare, return_annotation=Parameter.empty)}"


def all_errors(kind: type[ScidexError] = ScidexError) -> Iterator[type[ScidexError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from all_errors(narrower)


ERRORS = {error.__name__: error for error in all_errors() if error.__module__ == "scidex.errors"}
VERB_MODULES = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        compute_auction,
        token_ledger,
        auditing,
        sealing,
        attempts,
        backlog,
        backlog_import,
        ev_scorer,
        services,
        leases,
        workers,
        sweeper,
        runs,
        cycle,
        keys,
        epistemic_health,
    )
}


def test_every_verb_has_its_entry_and_every_entry_its_verb():
    sections = sections_of(reference("verbs.md"), 2)

    documented = {module: set(sections_of(sections.get(module, ""), 3)) for module in VERB_MODULES}

    assert documented == {name: set(public_verbs(module)) for name, module in VERB_MODULES.items()}


@pytest.mark.parametrize("place", VERB_MODULES)
def test_what_a_module_offers_beside_its_verbs_is_named_with_it(place):
    module = VERB_MODULES[place]
    others = set(getattr(module, "__all__", ())) - public_verbs(module).keys()

    assert others - set(re.findall(r"`(\w+)", sections_of(reference("verbs.md"), 2)[place])) == set()


VERBS = [
    pytest.param(place, name, verb, id=f"{place}.{name}")
    for place, module in VERB_MODULES.items()
    for name, verb in public_verbs(module).items()
]


@pytest.mark.parametrize(("place", "name", "verb"), VERBS)
def test_a_verbs_entry_shows_how_it_is_called_and_each_error_it_speaks_of(place, name, verb):
    entry = sections_of(sections_of(reference("verbs.md"), 2)[place], 3)[name]
    spoken_of = set(re.findall(r"\w+", verb.__doc__)) & ERRORS.keys()

    assert [block.text.strip() for block in blocks_of(entry)] == [call_of(name, verb)]
    assert spoken_of - set(re.findall(r"`(\w+)`", entry)) == set()


def test_every_answer_shows_its_fields():
    shown = {
        name: set(re.findall(r"`(\w+)`", text))
        for name, text in sections_of(sections_of(reference("verbs.md"), 2)["Answers"], 3).items()
    }
    kinds = {name: kind for name, kind in vars(records).items() if getattr(kind, "__module__", "") == records.__name__}
    kinds["BidderHealth"] = epistemic_health.BidderHealth

    assert shown.keys() == kinds.keys()
    for name, kind in kinds.items():
        properties = {attribute for attribute, value in vars(kind).items() if isinstance(value, property)}
        assert {*kind._fields, *properties} - shown[name] == set(), name


def test_every_error_has_its_entry_with_its_kind_and_its_sentence():
    entries = {name: row[:2] for name, row in rows_of(reference("errors.md")).items()}

    assert entries == {
        name: [f"`{kind.__bases__[0].__name__}`", str(kind.__doc__).strip()] for name, kind in ERRORS.items()
    }


def test_every_setting_has_its_entry_with_its_default():
    entries = {name: row[0] for name, row in rows_of(reference("settings.md")).items()}

    assert entries == {f"SCIDEX_{name.upper()}": f"`{value}`" for name, value in vars(Settings()).items()}


@pytest.fixture
def app():
    with connect("sqlite:///:memory:") as db:
        yield create_app(db)


def operations_of(app: FastAPI) -> dict[str, set[str]]:
    """What each operation of the API takes: the fields of its body, and its parameters that are not in its address."""
    page = app.openapi()
    return {
        f"{method.upper()} {address}": {
            *(one["name"].lower() for one in operation.get("parameters", []) if one["in"] != "path"),
            *fields_of(operation.get("requestBody", {}), page["components"]["schemas"]),
        }
        for address, methods in page["paths"].items()
        for method, operation in methods.items()
    }


def fields_of(body: object, schemas: dict[str, dict[str, object]]) -> set[str]:
    models = re.findall(r"'#/components/schemas/(\w+)'", str(body))
    return {field for model in models for field in dict.fromkeys(schemas[model]["properties"])}


def test_every_operation_of_the_api_has_its_entry_with_what_it_takes_and_no_other_has(app):
    rows = rows_of(reference("http.md"))
    routes = {name: set(re.findall(r"`([\w-]+)`", row[0].lower())) for name, row in rows.items() if " /" in name}

    assert routes.pop(f"GET {app.openapi_url}") == set()
    assert routes == operations_of(app)


def addresses_of(routes: Iterable[BaseRoute]) -> Iterator[str]:
    for route in routes:
        if included := getattr(route, "original_router", None):
            yield from addresses_of(included.routes)
        else:
            yield route.path_format


def test_every_address_outside_the_api_is_told_of(app):
    known = {address for operation in operations_of(app) for address in [operation.partition(" ")[2]]}
    places = {f"/{address.split('/')[1]}" for address in addresses_of(app.routes) if address not in known}

    assert "/openapi.json" in places
    assert places - set(re.findall(r"`(?:GET )?(/[\w.]*)`", reference("http.md"))) == set()


def test_every_refusals_status_is_told():
    statuses = rows_of(sections_of(reference("http.md"), 2)["Refusals"])

    assert statuses == {kind.__name__: [str(status)] for kind, status in problems.STATUS.items()}


def test_every_table_and_column_has_its_entry(empty_url):
    with connect(empty_url) as db:
        migrate(db)
    page = reference("schema.md")

    documented = {
        name: set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\|([^|]+)\|", text, re.MULTILINE))))
        for name, text in sections_of(page, 3).items()
    }
    if empty_url.startswith("postgresql"):
        del documented["number_series"]

    assert documented == tables_of(empty_url)


def tables_of(url: str) -> dict[str, set[str]]:
    """The columns of every table and view of a database."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            found = connection.execute(
                "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c"
                " WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite%'"
            ).fetchall()
    else:
        with psycopg.connect(url) as connection:
            found = connection.execute(
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            ).fetchall()
    tables: dict[str, set[str]] = {}
    for table, column in found:
        tables.setdefault(table, set()).add(column)
    return tables


@pytest.mark.parametrize(("steps", "section"), [(BID_STEPS, "Bid"), (ASK_STEPS, "Ask")], ids=["bid", "ask"])
def test_every_state_has_its_word(steps, section):
    answers = sections_of(sections_of(reference("verbs.md"), 2)["Answers"], 3)
    glossary = set(re.findall(r"\w+", sections_of(reference("glossary.md"), 2)["States"]))

    assert set(steps) - set(re.findall(r"`(\w+)`", answers[section])) == set()
    assert set(steps) - glossary == set()


def test_the_glossary_has_each_word_once_in_order():
    words = re.findall(r"^\| ([^|]+?) \|", reference("glossary.md"), re.MULTILINE)[1:]

    assert words == sorted(set(words), key=str.lower)
