"""Where arrays come from: files, columns of files, and memory.

``open_sources`` opens what an evaluation reads block by block, ``load_array`` what it needs
at once. A reference is ``FILE`` or ``FILE#columns``, or something array-like.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from os import PathLike, fspath, path
from typing import IO

import numpy as np

from lossctl.data.files import explain_refusal, is_regular, open_binary
from lossctl.data.formats import Format, recognise
from lossctl.data.memory import to_memory_array, wrap_memory
from lossctl.data.references import Reference, choose_columns, parse_reference
from lossctl.data.source import Array, ArraySource, Source
from lossctl.data.tables import SharedScan, Table, TableSource, choose_all, refuse_lists
from lossctl.errors import FileError, UsageError

__all__ = ["ArraySource", "Source", "load_array", "open_sources"]


def open_sources(references: Sequence[object]) -> list[Source]:
    """Open files, columns (``FILE#columns``) and array-likes; columns of a file share one scan."""
    sources: dict[int, Source] = {}
    tables: dict[str, tuple[Table, dict[int, Reference]]] = {}
    with ExitStack() as undo:
        for place, given in enumerate(references):
            if not isinstance(given, str | PathLike):
                sources[place] = wrap_memory(given)
                continue
            reference = parse_reference(_to_text(given))
            key = path.realpath(reference.path)
            if key not in tables:
                opened = _open(reference)
                undo.callback(opened.close)
                if isinstance(opened, Source):
                    sources[place] = opened
                    continue
                tables[key] = (opened, {})
            tables[key][1][place] = reference
        for table, columns in tables.values():
            sources.update(_open_columns(table, columns))
        undo.pop_all()
    return [sources[place] for place in range(len(references))]


def load_array(reference: object) -> Array:
    """Return a whole array: a file's, that of a list such as "0.5,1.5" or of one number.

    One number without a comma has no axes.
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


def _to_text(given: str | PathLike[str]) -> str:
    text = fspath(given)
    if not isinstance(text, str):
        raise UsageError(f"{text!r} is not a file name.", "Give it as text.")
    return text


def _open(reference: Reference) -> Source | Table:
    """Open a file by what it is; it stays open in what is returned."""
    file = open_binary(reference.path)
    with ExitStack() as undo:
        undo.callback(file.close)
        opened = _open_format(reference, file)
        undo.pop_all()
    return opened


def _open_format(reference: Reference, file: IO[bytes]) -> Source | Table:
    try:
        kind = recognise(reference.path, file)
        if kind in (Format.NPZ, Format.PARQUET) and not is_regular(file):
            raise FileError(
                f"{reference.path} is a pipe, and {kind.value} cannot be read from one.",
                "Write it to a file first.",
            )
        match kind:
            case Format.NPY:
                return _open_npy(reference, file)
            case Format.NPZ:
                from lossctl.data.npz import open_member

                return open_member(reference.path, file, reference.text, reference.fragment)
            case Format.PARQUET:
                from lossctl.data.parquet_tables import ParquetTable

                file.close()
                return ParquetTable(reference.path)
            case Format.CSV | Format.TSV:
                from lossctl.data.csv_tables import CsvTable

                return CsvTable(reference.path, file, "\t" if kind is Format.TSV else ",")
    except OSError as error:
        raise explain_refusal(reference.path, error) from error


def _open_npy(reference: Reference, file: IO[bytes]) -> Source:
    from lossctl.data.npy import StreamSource, map_array

    if reference.fragment is not None:
        raise UsageError(
            f"{reference.path} is an NPY file: it holds one array and has no columns.",
            f"Leave out '#{reference.fragment}'.",
        )
    if not is_regular(file):
        return StreamSource(reference.text, file)
    size = reference.path.stat().st_size
    with file:
        return map_array(reference.path, file, reference.text, 0, size)


def _open_columns(table: Table, references: dict[int, Reference]) -> dict[int, Source]:
    """Open what several references name in one table, as columns of one scan."""
    chosen: dict[int, list[int]] = {}
    for place, reference in references.items():
        table.check_header(reference.fragment)
        chosen[place] = (
            choose_all(table)
            if reference.fragment is None
            else choose_columns(reference.fragment, table.names, reference.path)
        )
        refuse_lists(table, chosen[place], reference.text)
    scan = SharedScan(table, sorted({column for columns in chosen.values() for column in columns}))
    return {
        place: TableSource(references[place].text, scan, columns, vector=len(columns) == 1)
        for place, columns in chosen.items()
    }


def _parse_numbers(text: str) -> Array | None:
    """Return the numbers of a comma list, or None where the text is no such list."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 1 and not parts[-1]:
        parts.pop()
    numbers = [_parse_number(part) for part in parts]
    if all(number is None for number in numbers):
        return None
    for part, number in zip(parts, numbers, strict=True):
        if number is None:
            raise UsageError(f"{part!r} in {text!r} is not a number.", "Give a list: 0.5,1.5")
    array = np.array(numbers, np.float64)
    return array if "," in text else array.reshape(())


def _parse_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
