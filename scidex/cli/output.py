"""What commands print: tables for people, lines with tabs for pipes, JSON for programs."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import UTC, datetime
from typing import Any

_GAP = "  "
# Texts that people wrote: where a line is too long these may be cut short, ids and numbers never.
_PROSE = frozenset({"title", "reason", "note", "label", "event", "scopes", "error", "found", "value", "sentence"})
_LEAST_PROSE = 12


def print_json(value: Any) -> None:
    """Print a value as JSON: records by their fields, instants in ISO 8601."""
    print(json.dumps(plain(value), indent=2, default=str))


def json_line(value: Any) -> str:
    """Return a value as JSON on one line."""
    return json.dumps(plain(value), default=str)


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if is_dataclass(value):
        return plain(vars(value))
    if isinstance(value, frozenset):
        return sorted(plain(one) for one in value)
    return [plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def as_row(record: Any) -> Mapping[str, Any]:
    """Return a record as a mapping."""
    row: Mapping[str, Any] = record._asdict() if hasattr(record, "_asdict") else record
    return row


def printable(text: str) -> str:
    """Return a text of others without what would steer a terminal; line ends and tabs stay."""
    return "".join(one if one.isprintable() or one in "\n\t" else "\N{REPLACEMENT CHARACTER}" for one in text)


def print_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool = False, empty: str = ""
) -> None:
    """
    Print rows as JSON with all their fields, or the named columns, those that matter most first.

    A row is a line. On a terminal what does not fit is left out from the right, and said so; in a pipe values are plain
    and separated by tabs.
    """
    if as_json:
        print_json(rows)
    elif not sys.stdout.isatty():
        print("\t".join(columns))
        for row in rows:
            print("\t".join(_one_line(_bare(row[name])) for name in columns))
    elif rows:
        _print_for_people(rows, columns, shutil.get_terminal_size().columns)
    if empty and not rows and not as_json:
        print(empty, file=sys.stderr)


def _print_for_people(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], width: int) -> None:
    cells = {name: [name.replace("_", " "), *(_one_line(_worded(row[name], name)) for row in rows)] for name in columns}
    widths = {name: max(map(_width, texts)) for name, texts in cells.items()}
    shown = _that_fit(widths, width)
    numeric = {name for name in shown if all(_is_number(row[name]) for row in rows)}
    for texts in zip(*(cells[name] for name in shown), strict=True):
        fitted = (_fitted(text, widths[name], name in numeric) for name, text in zip(shown, texts, strict=True))
        print(_GAP.join(fitted).rstrip())
    if hidden := [name.replace("_", " ") for name in columns if name not in shown]:
        print(f"(not shown at this width: {', '.join(hidden)}; --json shows all)", file=sys.stderr)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _that_fit(widths: dict[str, int], width: int) -> list[str]:
    """Return the columns that fit into a line, the first always; in `widths` prose is made narrower before one goes."""
    shown = list(widths)
    while len(shown) > 1:
        over = sum(widths[name] for name in shown) + len(_GAP) * (len(shown) - 1) - width
        spare = {name: widths[name] - _LEAST_PROSE for name in shown if name in _PROSE and widths[name] > _LEAST_PROSE}
        if over <= sum(spare.values()):
            for name, most in spare.items():
                cut = min(most, max(0, over))
                widths[name], over = widths[name] - cut, over - cut
            return shown
        shown.pop()
    return shown


def _fitted(text: str, width: int, is_number: bool) -> str:
    if _width(text) > width:
        text = "".join(_beginning(text, width - 1)) + "…"
    padding = " " * (width - _width(text))
    return padding + text if is_number else text + padding


def _beginning(text: str, width: int) -> Iterator[str]:
    for character in text:
        width -= _width(character)
        if width < 0:
            return
        yield character


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _one_line(text: str) -> str:
    return printable(" ".join(text.split("\n")).replace("\t", " ").replace("\r", " "))


def _worded(value: Any, name: str) -> str:
    """Return a value as people read it; an id as it is given back to a command."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
    if isinstance(value, (int, float)) and name != "id" and not name.endswith("_id"):
        return f"{value:,}"
    return _bare(value)


def _bare(value: Any) -> str:
    """Return a value as programs read it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple, frozenset)):
        return " ".join(sorted(map(str, value)) if isinstance(value, frozenset) else map(str, value))
    return value.isoformat() if isinstance(value, datetime) else str(value)
