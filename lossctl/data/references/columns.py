"""The names of a file's columns, without reading them."""

from __future__ import annotations

from lossctl.data.references.open import Opener, find_files
from lossctl.data.tables.scan import Table
from lossctl.errors import UsageError


def read_names(given: object) -> list[str]:
    """Return the names of a table's columns; there are none in a file of one array."""
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
        names = [name for column, name in enumerate(opened.names) if not opened.hidden(column)]
        opened.check_header(names[0] if len(names) == 1 else None)
        return names
    finally:
        opened.close()
