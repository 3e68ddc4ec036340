"""Where arrays come from: files, columns of files, and memory.

``open_sources`` opens what an evaluation reads block by block, ``load_array`` what it needs
at once. A reference is ``FILE`` or ``FILE#columns``, or something array-like.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from lossctl.data.arrays.dtypes import check_dtype, is_text
from lossctl.data.arrays.memory import to_memory_array, wrap_memory
from lossctl.data.arrays.source import Array, ArraySource, Pairing, Source
from lossctl.data.references.open import Opener, find_files, is_reference
from lossctl.data.references.overwriting import reject_overwriting
from lossctl.data.references.parse import Reference
from lossctl.errors import UsageError

if TYPE_CHECKING:
    from lossctl.data.tables.scan import Table

__all__ = [
    "ArraySource",
    "Pairing",
    "Source",
    "is_streaming",
    "load_array",
    "open_sources",
    "reject_overwriting",
]


def open_sources(
    references: Sequence[object],
    cells: Collection[int] = (),
    labels: Collection[int] = (),
    pairing: Pairing | None = None,
) -> list[Source]:
    """Open files, shards, columns (``FILE#columns``), standard input (``-``) and array-likes.

    A pattern, a directory, or a list of paths is one array in several files. Columns of the
    same files share one scan. Those at the places ``cells`` are one column each, of anything:
    they are read as cells, as Arrow holds them. So are those at the places ``labels``, if they turn
    out to be one column, or an array of strings. With a pairing, tables whose rows are in another
    order are refused.
    """
    sources: dict[int, Source] = {}
    tables: dict[tuple[str, ...], tuple[Table, dict[int, Reference]]] = {}
    opener = Opener()
    with ExitStack() as undo:
        undo.callback(opener.close)
        for place, given in enumerate(references):
            if not is_reference(given):
                sources[place] = _wrap(given, as_cells=place in cells)
                continue
            files = find_files(given)
            if files.key not in tables:
                opened = opener.open(files)
                undo.callback(opened.close)
                if isinstance(opened, Source):
                    sources[place] = _check_strings(opened, as_cells=place in {*cells, *labels})
                    continue
                tables[files.key] = (opened, {})
            tables[files.key][1][place] = files.reference
        if tables:
            from lossctl.data.tables.column_sources import OpenTable, is_lone, open_columns

            opened_tables = [OpenTable(*one) for one in tables.values()]
            lone = {
                place
                for one in opened_tables
                for place in one.references.keys() & set(labels)
                if is_lone(one.table)
            }
            for place, source in open_columns(opened_tables, {*cells, *lone}, pairing):
                undo.callback(source.close)
                sources[place] = source
        undo.pop_all()
    if () not in tables:
        opener.close()
    return [sources[place] for place in range(len(references))]


def is_streaming(reference: object) -> bool:
    """Whether a source is a pipe, which can be read only once."""
    if not is_reference(reference):
        return False
    files = find_files(reference)
    return files.standard or any(path.exists() and not path.is_file() for path in files.paths)


def load_array(reference: object) -> Array:
    """Return a whole array.

    Args:
        reference: a file or reference such as ``"eval.parquet#score"``; numbers in a string, such
            as ``"0.5,1.5"``, or one number, which has no axes; or an array.

    Returns:
        The array, in the unit and dtype of the file.

    Raises:
        UsageError: a column that does not exist.
        DataError: content that is not an array of numbers.
        FileError: a file that cannot be read.

    """
    if not isinstance(reference, str | PathLike):
        return to_memory_array(reference, type(reference).__name__)
    if isinstance(reference, str):
        numbers = _parse_numbers(reference)
        if numbers is not None:
            return numbers
    (source,) = open_sources([reference])
    try:
        return source.whole()
    finally:
        source.close()


def _wrap(given: object, *, as_cells: bool) -> Source:
    """Return something array-like as a source of numbers, or of cells."""
    if not as_cells:
        return wrap_memory(given)
    from lossctl.data.arrays.cells import wrap_cells

    return wrap_cells(given, type(given).__name__)


def _check_strings(source: Source, *, as_cells: bool) -> Source:
    """Return an array of a file; one of strings as cells, where they are wanted."""
    if not is_text(source.dtype):
        return source
    if not as_cells or len(source.shape) != 1:
        check_dtype(source.dtype, source.name)
    from lossctl.data.arrays.cells import StringSource

    return StringSource(source)


def _parse_numbers(text: str) -> Array | None:
    """Return the numbers of a comma list, or None if the text is not one."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 1 and not parts[-1]:
        parts.pop()
    numbers = [_parse_number(part) for part in parts]
    if all(number is None for number in numbers):
        return None
    for part, number in zip(parts, numbers, strict=True):
        if number is None:
            raise UsageError(f"{part!r} in {text!r} is not a number", "Give a list: 0.5,1.5")
    array = np.array(numbers, np.float64)
    return array if "," in text else array.reshape(())


def _parse_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
