"""Opening what references name in a table, as columns of one scan."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lossctl.data.arrays.source import Pairing, Source
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

if TYPE_CHECKING:
    from lossctl.data.tables.pairing import Watches


@dataclass(frozen=True, slots=True)
class OpenTable:
    """A table, and the references to it by their places among all references of a call."""

    table: Table
    references: dict[int, Reference]


def open_columns(
    opened: Sequence[OpenTable], cells: Collection[int], pairing: Pairing | None = None
) -> Iterator[tuple[int, Source]]:
    """Yield the sources of all references to tables; those to one table share a scan.

    With a pairing, rows of tables are refused that a column of both has in another order.
    """
    chosen = [_choose(one, cells) for one in opened]
    pairs = None if pairing is None else _watch(opened, chosen, pairing)
    watches = {} if pairs is None else pairs.list_watches()
    scans = []
    for number, one in enumerate(opened):
        watch = watches.get(number)
        everything = {column for columns in chosen[number].values() for column in columns}
        numbers = {c for place, cs in chosen[number].items() if place not in cells for c in cs}
        watched = set() if watch is None else set(watch.digests)
        one.table.as_cells = frozenset((everything | watched) - numbers)
        scan = SharedScan(one.table, sorted(everything), watch)
        for place, reference in one.references.items():
            columns = chosen[number][place]
            if reference.fragment is None and place not in cells and len(columns) > 1:
                reject_counting(one.table, columns, scan.begin().columns)
            if place in cells:
                yield place, CellSource(reference.text, scan, columns[0])
            else:
                yield place, TableSource(reference.text, scan, columns, vector=len(columns) == 1)
        if watch is not None:
            scans.append(scan)
    for scan in scans:
        scan.begin()  # small tables are compared before anything is computed
    if pairs is not None:
        pairs.look_at_heads()


def _choose(opened: OpenTable, cells: Collection[int]) -> dict[int, list[int]]:
    """Return the columns of each reference to a table."""
    table = opened.table
    chosen: dict[int, list[int]] = {}
    for place, reference in opened.references.items():
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
    return chosen


def _watch(
    opened: Sequence[OpenTable], chosen: Sequence[Mapping[int, list[int]]], pairing: Pairing
) -> Watches | None:
    if len(opened) < 2:
        return None
    from lossctl.data.tables.pairing import Watches

    places, remedy = pairing
    tables = []
    for one, columns in zip(opened, chosen, strict=True):
        inputs = places & one.references.keys()
        whole = {place for place in inputs if one.references[place].fragment is None}
        named, as_whole = (
            {c for place in some for c in columns[place]} for some in (inputs, whole)
        )
        tables.append((one.table, named, as_whole))
    return Watches(remedy, tables)


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
