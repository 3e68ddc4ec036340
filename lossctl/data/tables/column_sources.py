"""Opening what references name in a table, as columns of one scan."""

from __future__ import annotations

from collections.abc import Collection

from lossctl.data.arrays.source import Source
from lossctl.data.references.parse import Reference
from lossctl.data.tables.columns import choose_columns, find_column
from lossctl.data.tables.scan import (
    CellSource,
    SharedScan,
    Table,
    TableSource,
    choose_all,
    reject_lists,
)
from lossctl.errors import UsageError


def open_columns(
    table: Table, references: dict[int, Reference], cells: Collection[int]
) -> dict[int, Source]:
    """Open several references to one table as columns of one scan."""
    chosen: dict[int, list[int]] = {}
    for place, reference in references.items():
        table.check_header(reference.fragment)
        if place in cells:
            chosen[place] = [_choose_cell_column(table, reference)]
            continue
        chosen[place] = (
            choose_all(table)
            if reference.fragment is None
            else choose_columns(reference.fragment, table.names, reference.path)
        )
        reject_lists(table, chosen[place], reference.text)
    numbers = {c for place, columns in chosen.items() if place not in cells for c in columns}
    everything = {column for columns in chosen.values() for column in columns}
    table.as_cells = frozenset(everything - numbers)
    scan = SharedScan(table, sorted(everything))
    return {
        place: CellSource(references[place].text, scan, columns[0])
        if place in cells
        else TableSource(references[place].text, scan, columns, vector=len(columns) == 1)
        for place, columns in chosen.items()
    }


def _choose_cell_column(table: Table, reference: Reference) -> int:
    """Return the one column of a reference that is read as cells."""
    if reference.fragment is not None:
        return find_column(reference.fragment, table.names, reference.path)
    columns = [column for column in range(len(table.names)) if not table.hidden(column)]
    if len(columns) != 1:
        raise UsageError(
            f"{reference.path} has {len(columns)} columns, but one is needed here",
            f"Name it: {table.called}#{table.names[columns[0]] if columns else 'NAME'}",
        )
    return columns[0]
