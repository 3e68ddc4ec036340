"""Opening what references name in a table, as columns of one scan."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from lossctl.data.arrays.source import Source
from lossctl.data.references.parse import Reference
from lossctl.data.tables.columns import (
    choose_columns,
    find_column,
    order_by_number,
    write_columns,
)
from lossctl.data.tables.indices import (
    leave_out_indices,
    looks_like_index,
    reject_counting,
)
from lossctl.data.tables.scan import CellSource, SharedScan, Table, TableSource
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
            _choose_all(table)
            if reference.fragment is None
            else choose_columns(reference.fragment, table.names, reference.path)
        )
        _reject_lists(table, chosen[place], reference.text)
    numbers = {c for place, columns in chosen.items() if place not in cells for c in columns}
    everything = {column for columns in chosen.values() for column in columns}
    table.as_cells = frozenset(everything - numbers)
    scan = SharedScan(table, sorted(everything))
    for place, reference in references.items():
        if reference.fragment is None and place not in cells and len(chosen[place]) > 1:
            reject_counting(table, chosen[place], scan.begin().columns)
    return {
        place: CellSource(references[place].text, scan, columns[0])
        if place in cells
        else TableSource(references[place].text, scan, columns, vector=len(columns) == 1)
        for place, columns in chosen.items()
    }


def is_lone(table: Table) -> bool:
    """Return whether a table has one column, apart from an index."""
    return sum(not table.hidden(column) for column in range(len(table.names))) == 1


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


def _choose_all(table: Table) -> list[int]:
    """Return the columns of a reference without a fragment: all but indices, if they are numeric.

    Those whose names differ in a number alone are in the order of the numbers.
    """
    columns = [column for column in range(len(table.names)) if not table.hidden(column)]
    if len(columns) == 1:
        return columns
    non_numeric_columns = {
        column: why for column, why in table.non_numeric_columns().items() if column in columns
    }
    if non_numeric_columns:
        raise _reject_non_numeric(table, columns, non_numeric_columns)
    rest = leave_out_indices(table, columns)
    return order_by_number(rest, table.names, table.path)


def _reject_non_numeric(
    table: Table, columns: Sequence[int], non_numeric_columns: Mapping[int, str]
) -> UsageError:
    names = table.names
    shown = "; ".join(f"{names[column]!r} {why}" for column, why in non_numeric_columns.items())
    fitting = [
        column
        for column in columns
        if column not in non_numeric_columns and not looks_like_index(names[column])
    ]
    example = write_columns(table.called, fitting, names) if fitting else f"{table.called}#NAME"
    return UsageError(
        f"{table.path}: not all of its {len(columns)} columns are plain numbers: {shown}",
        f"Choose columns with '#', for instance {example}",
    )


def _reject_lists(table: Table, columns: Sequence[int], where: str) -> None:
    """Raise a UsageError if a list column is named together with others."""
    for column in columns if len(columns) > 1 else ():
        layout = table.layout(column)
        if layout is not None and layout[1]:
            raise UsageError(
                f"{where}: column {table.names[column]!r} contains lists, so it is a matrix "
                "already and cannot be combined with other columns",
                f"Name it alone: {table.called}#{table.names[column]}",
            )
