"""Opening references: files, shards, standard input."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from os import PathLike, fspath
from os.path import realpath
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lossctl.data.arrays.source import Source
from lossctl.data.formats.detect import NEEDS_SEEK, Format, recognise, recognise_shard
from lossctl.data.references.parse import Reference, parse_reference
from lossctl.data.references.shards import find_shards
from lossctl.data.streams.files import explain_os_error
from lossctl.data.streams.origins import (
    STANDARD_INPUT,
    Origin,
    open_file,
    open_standard_input,
    peek,
)
from lossctl.errors import DataError, UsageError

if TYPE_CHECKING:
    from lossctl.data.tables.scan import Table


@dataclass(frozen=True, slots=True)
class Files:
    """The files that one reference stands for."""

    reference: Reference
    paths: tuple[Path, ...]
    sharded: bool = False

    @property
    def standard(self) -> bool:
        """Whether it is standard input."""
        return not self.paths

    @property
    def key(self) -> tuple[str, ...]:
        """A key that is equal for all references to the same files."""
        return tuple(realpath(one) for one in self.paths)


def is_reference(given: object) -> bool:
    """Return whether something names files, and is not itself an array."""
    if isinstance(given, str | PathLike):
        return True
    several = isinstance(given, list | tuple) and bool(given)
    return several and all(isinstance(one, str | PathLike) for one in given)  # type: ignore[attr-defined]


def find_files(given: object) -> Files:
    """Return the files of a reference: a string, or a list of shards."""
    if isinstance(given, list | tuple):
        return _join_files([parse_reference(_to_text(one)) for one in given])
    reference = parse_reference(_to_text(given))
    if reference.standard:
        return Files(reference, ())
    shards = find_shards(reference.path)
    if shards is None:
        return Files(reference, (reference.path,))
    return Files(reference, tuple(shards), sharded=True)


class Opener:
    """Opens the references of one call; standard input is opened once."""

    def __init__(self) -> None:
        self._standard: Origin | None = None

    def open(self, files: Files) -> Source | Table:
        """Open a file according to its format; the returned source owns it."""
        if files.standard:
            return self._open_standard(files.reference)
        if not files.sharded:
            return open_path(files.reference, files.paths[0])
        return _open_shards(files)

    def close(self) -> None:
        """Close standard input, unless a returned source owns it."""
        if self._standard is not None:
            self._standard.close()

    def _open_standard(self, reference: Reference) -> Source | Table:
        if self._standard is None:
            self._standard = open_standard_input()
        elif self._standard.streaming:
            raise UsageError(
                "standard input ('-') is one array here, and cannot be several inputs",
                "Write it to a file first, or pipe a table with a column for each input.",
            )
        return open_origin(reference, self._standard)


def open_path(reference: Reference, path: Path, shard: int | None = None) -> Source | Table:
    """Open a file, or one of several shards, according to its format; the returned source owns it.

    Only the first shard warns about its header, and a shard may have no rows and no columns.
    """
    origin = open_file(path)
    opened = open_origin(reference, origin, shard)
    if isinstance(opened, Source):  # a table may open the file again
        origin.close()
    return opened


def open_origin(reference: Reference, origin: Origin, shard: int | None = None) -> Source | Table:
    """Open an input according to its format; the returned source owns it."""
    with ExitStack() as undo:
        undo.callback(origin.close)
        file = origin.open()
        undo.callback(file.close)
        try:
            opened = _open_format(reference, origin, file, shard)
        except OSError as error:
            raise explain_os_error(origin.path, error) from error
        undo.pop_all()
    return opened


def _open_format(
    reference: Reference, origin: Origin, file: BinaryIO, shard: int | None
) -> Source | Table:
    kind = (recognise if shard is None else recognise_shard)(origin, peek(file))
    if kind in NEEDS_SEEK and not origin.mapped:
        file = origin.spool(file, kind.value)
    match kind:
        case Format.NPY:
            return _open_npy(reference, origin, file)
        case Format.NPZ:
            from lossctl.data.formats.npz import open_member

            return open_member(origin, file, reference.text, reference.fragment)
        case Format.PARQUET:
            from lossctl.data.formats.parquet import ParquetTable

            file.close()
            return ParquetTable(origin)
        case Format.ARROW | Format.ARROW_STREAM:
            from lossctl.data.formats.arrow import ArrowTable

            return ArrowTable(origin, file, streamed=kind is Format.ARROW_STREAM)
        case Format.CSV | Format.TSV:
            from lossctl.data.formats.csv import CsvTable

            delimiter = "\t" if kind is Format.TSV else ","
            return CsvTable(origin, file, delimiter, quiet=bool(shard))
        case Format.JSON_LINES:
            from lossctl.data.formats.json_lines import JsonTable

            return JsonTable(origin, file, shard=shard is not None)


def _open_npy(reference: Reference, origin: Origin, file: BinaryIO) -> Source:
    from lossctl.data.formats.npy import StreamSource, map_array

    if reference.fragment is not None:
        raise UsageError(
            f"{origin.path} is an NPY file: it contains one array and has no columns",
            f"Leave out '#{reference.fragment}'.",
        )
    if not origin.mapped:
        reopen = None if origin.streaming else origin.open
        return StreamSource(reference.text, file, reopen, packed=origin.packed)
    with file:
        size = origin.location.stat().st_size
        return map_array(origin.location, file, reference.text, 0, size)


def _open_shards(files: Files) -> Source | Table:
    from lossctl.data.tables.sharded import ShardedSource, ShardedTable

    reference = files.reference
    fragment = f"#{reference.fragment}" if reference.fragment else ""

    def open_shard(number: int) -> Source | Table:
        path = files.paths[number]
        shard = Reference(f"{path}{fragment}", path, reference.fragment)
        return open_path(shard, path, number)

    first = open_shard(0)
    for number in range(1, len(files.paths)):
        if isinstance(first, Source) or first.names:
            break
        first.close()
        first = open_shard(number)
    if not isinstance(first, Source):
        with ExitStack() as undo:
            undo.callback(first.close)
            if not first.names:
                raise DataError(
                    f"{reference.path}: all of its {len(files.paths)} files are empty",
                    "Write them again.",
                )
            table = ShardedTable(reference.path, files.paths, open_shard, first)
            undo.pop_all()
        return table
    first.close()
    return ShardedSource(reference.text, files.paths, open_shard)


def _join_files(references: Sequence[Reference]) -> Files:
    first = references[0]
    if any(one.standard for one in references):
        raise UsageError(
            f"standard input ({STANDARD_INPUT!r}) cannot be one shard of several",
            "Write it to a file first.",
        )
    if any(one.fragment != first.fragment for one in references):
        raise UsageError("the shards of one input name different columns", "Name the same columns.")
    paths = tuple(one.path for one in references)
    if len(references) == 1:
        return Files(first, paths)
    more = f" and {len(references) - 1} more"
    reference = Reference(first.text + more, Path(f"{first.path}{more}"), first.fragment)
    return Files(reference, paths, sharded=True)


def _to_text(given: object) -> str:
    text = fspath(given)  # type: ignore[call-overload]
    if not isinstance(text, str):
        raise UsageError(f"{text!r} is not a file name", "Give it as a string.")
    return text
