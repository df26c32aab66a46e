"""The documentation is true: its examples run, its links lead somewhere, and its reference is complete."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import pytest

from scidex import store

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
    """Yield names like `exchange/placing.py::place_bids` that name nothing in the package."""
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
        "`exchange/book.py::lock_pools` `exchange/book.py::gone` `exchange/gone.py` `store/sqlite.py::SqliteDatabase.x`"
    )

    assert list(lost_names(page)) == ["exchange/book.py::gone", "exchange/gone.py", "store/sqlite.py::SqliteDatabase.x"]
