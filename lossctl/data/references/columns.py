"""The names of a file's columns, without reading them."""

from __future__ import annotations

from collections.abc import Callable

from lossctl.data.references.open import Opener, find_files
from lossctl.data.tables.columns import order_by_number
from lossctl.data.tables.indices import leave_out_indices
from lossctl.data.tables.scan import Table
from lossctl.errors import UsageError

Choose = Callable[[Table, list[int]], list[int]]


def read_names(given: object) -> list[str]:
    """Return the names of a table's columns; there are none in a file of one array."""
    return _read_names(given, lambda _, columns: columns)


def read_data_names(given: object, key: str) -> list[str]:
    """Return the names of the columns of a whole table that are data, beside its key.

    Raises UsageError, and warns, as where the table is read without a key.
    """

    def choose(table: Table, columns: list[int]) -> list[int]:
        rest = [column for column in columns if table.names[column] != key]
        data = leave_out_indices(table, rest) if len(rest) > 1 else rest
        return order_by_number(data, table.names, table.path) if data else []

    return _read_names(given, choose)


def _read_names(given: object, choose: Choose) -> list[str]:
    files = find_files(given)
    if files.standard:
        raise UsageError(
            "the columns of standard input cannot be listed before it is read",
            "Write it to a file first.",
        )
    opened = Opener().open(files)
    try:
        if not isinstance(opened, Table):
            return []
        columns = [column for column in range(len(opened.names)) if not opened.hidden(column)]
        opened.check_header(opened.names[columns[0]] if len(columns) == 1 else None)
        return [opened.names[column] for column in choose(opened, columns)]
    finally:
        opened.close()
