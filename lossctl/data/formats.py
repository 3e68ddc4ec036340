"""What kind of file it is: by its first bytes, then by its suffix."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

from lossctl.data import npy, parquet_tables
from lossctl.errors import DataError

SNIFFED_BYTES = 4096


class Format(Enum):
    """The kinds of files that are read."""

    NPY = "NPY"
    NPZ = "NPZ"
    PARQUET = "Parquet"
    CSV = "CSV"
    TSV = "TSV"


MAGIC = {
    npy.MAGIC: Format.NPY,
    b"PK\x03\x04": Format.NPZ,
    b"PK\x05\x06": Format.NPZ,
    parquet_tables.MAGIC: Format.PARQUET,
}
SUFFIXES = {
    ".npy": Format.NPY,
    ".npz": Format.NPZ,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    ".tab": Format.TSV,
}
OTHERS = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"\x1f\x8b": "compressed with gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ\x00": "compressed with xz",
    b"ARROW1": "an Arrow IPC (Feather) file",
    b"FEA1": "a Feather version 1 file",
    b"\x80\x02": "a pickle, which is never unpickled",
    b"\x80\x03": "a pickle, which is never unpickled",
    b"\x80\x04": "a pickle, which is never unpickled",
    b"\x80\x05": "a pickle, which is never unpickled",
    b"MATLAB 5.0": "a MATLAB file",
    b"CDF\x01": "a NetCDF file",
    b"SQLite format 3\x00": "an SQLite database",
}
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
READABLE = "NPY, NPZ, CSV, TSV and Parquet files are read."


def recognise(path: Path, file: Any) -> Format:
    """Return the format of an open file (which can ``peek``), or raise a DataError."""
    begin = _peek(file)
    if not begin:
        raise DataError(f"{path} is empty: it has 0 bytes.", "Write it again.")
    for magic, kind in MAGIC.items():
        if begin.startswith(magic):
            return kind
    _refuse_others(path, begin)
    suffix = SUFFIXES.get(path.suffix.lower())
    if suffix in (Format.CSV, Format.TSV):
        return suffix
    if suffix is not None:
        raise _disappointed(path, suffix, begin)
    if not _is_text(begin):
        raise DataError(f"{path}: the format is not known: it begins with {begin[:8]!r}.", READABLE)
    if path.suffix.lower() in (".json", ".jsonl", ".ndjson"):
        raise DataError(f"{path} is JSON.", f"Convert it: {READABLE}")
    return Format.CSV


def _refuse_others(path: Path, begin: bytes) -> None:
    for magic, name in OTHERS.items():
        if begin.startswith(magic):
            raise DataError(f"{path} is {name}.", f"Convert it: {READABLE}")
    if begin.startswith(UTF_16):
        raise DataError(
            f"{path} is UTF-16 text.", f"Convert it: iconv -f UTF-16 -t UTF-8 {path} > {path}.utf8"
        )


def _peek(file: Any) -> bytes:
    return bytes(file.peek(SNIFFED_BYTES)[:SNIFFED_BYTES])


def _disappointed(path: Path, expected: Format, begin: bytes) -> DataError:
    magic = next(magic for magic, kind in MAGIC.items() if kind is expected)
    return DataError(
        f"{path} is not {'an' if expected is not Format.PARQUET else 'a'} {expected.value} file: "
        f"it should begin with {magic!r}, and begins with {begin[: max(8, len(magic))]!r}.",
        "If it is text, name it .csv or .tsv." if _is_text(begin) else "Write it again.",
    )


def _is_text(begin: bytes) -> bool:
    if b"\0" in begin:
        return False
    try:
        begin.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(begin) - 4  # a character cut in two by the end of the sample
    return True
