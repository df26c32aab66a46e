"""Tables as CSV: a row by the names of its columns, each of which may appear more than once."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from scidex.errors import shown
from scidex.exchange.quests.importers.rows import Reader

# A body may be long; Python's own limit of a cell is 131,072 characters.
_MOST_CELL_CHARACTERS = 16 * 2**20


def table_rows(
    text: str, reader: Reader, *, columns_once: bool = False, needed: tuple[str, ...] = ()
) -> Iterator[tuple[int, dict[str, list[str]]]]:
    """
    Yield the first line of each row of a CSV table, and its cells that are not empty, by column.

    Columns are separated as the first line is: by commas, semicolons or tabs. A row that has more cells than there are
    columns is reported and left out, and so is a table without the columns that are needed.
    """
    csv.field_size_limit(_MOST_CELL_CHARACTERS)
    plain = text.removeprefix("\ufeff")
    first = plain.split("\n", 1)[0]
    table = csv.reader(io.StringIO(plain, newline=""), strict=True, delimiter=max(",;\t", key=first.count))
    last = 0
    try:
        columns = [name.strip() for name in next(table, [])]
        if not _are_sound(columns, reader, columns_once=columns_once, needed=needed):
            return
        last = table.line_num
        for cells in table:
            # A quoted cell may go over several lines: a row is reported by its first.
            line, last = last + 1, table.line_num
            if len(cells) > len(columns):
                reader.fault(line, "line", f"has {len(cells)} cells for {len(columns)} columns")
            elif any(cell.strip() for cell in cells):
                yield line, _by_column(columns, cells)
    except csv.Error as error:
        reader.fault(last + 1, "line", f"is not CSV: {error}")


def _are_sound(columns: list[str], reader: Reader, *, columns_once: bool, needed: tuple[str, ...]) -> bool:
    for name in columns if columns_once else ():
        if not name or columns.count(name) > 1:
            reader.fault(1, name or "column", "must be named once")
            return False
    missing = [name for name in needed if name not in columns]
    for name in missing:
        reader.fault(1, name, f"must be a column; there are {shown(', '.join(columns))}")
    return not missing


def _by_column(columns: list[str], cells: list[str]) -> dict[str, list[str]]:
    row: dict[str, list[str]] = {}
    for name, cell in zip(columns, cells, strict=False):
        if cell.strip():
            row.setdefault(name, []).append(cell.strip())
    return row
