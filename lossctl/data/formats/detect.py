"""The format of a file: by its first bytes, then by its suffix."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path

from lossctl.data.formats import npy_header
from lossctl.data.streams.origins import STANDARD_INPUT, Origin
from lossctl.errors import DataError


class Format(Enum):
    """The file formats that are read."""

    NPY = "NPY"
    NPZ = "NPZ"
    PARQUET = "Parquet"
    ARROW = "Arrow"
    ARROW_STREAM = "Arrow stream"
    CSV = "CSV"
    TSV = "TSV"
    JSON_LINES = "JSON Lines"


MAGIC = {
    npy_header.MAGIC: Format.NPY,
    b"PK\x03\x04": Format.NPZ,
    b"PK\x05\x06": Format.NPZ,
    b"PAR1": Format.PARQUET,
    b"ARROW1": Format.ARROW,
    b"\xff\xff\xff\xff": Format.ARROW_STREAM,
}
NEEDS_SEEK = (Format.NPZ, Format.PARQUET, Format.ARROW)
"""The formats whose end is read before their beginning."""

SUFFIXES = {
    ".npy": Format.NPY,
    ".npz": Format.NPZ,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
    ".arrow": Format.ARROW,
    ".feather": Format.ARROW,
    ".ipc": Format.ARROW,
    ".arrows": Format.ARROW_STREAM,
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    ".tab": Format.TSV,
    ".jsonl": Format.JSON_LINES,
    ".ndjson": Format.JSON_LINES,
}
TEXTS = (Format.CSV, Format.TSV, Format.JSON_LINES)
COMPRESSED_SUFFIXES = (".gz", ".zst")
OTHERS = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ\x00": "compressed with xz",
    b"FEA1": "a Feather version 1 file",
    b"\x80\x02": "a pickle, which is refused (pickle can run code)",
    b"\x80\x03": "a pickle, which is refused (pickle can run code)",
    b"\x80\x04": "a pickle, which is refused (pickle can run code)",
    b"\x80\x05": "a pickle, which is refused (pickle can run code)",
    b"MATLAB 5.0": "a MATLAB file",
    b"CDF\x01": "a NetCDF file",
    b"SQLite format 3\x00": "an SQLite database",
}
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
READABLE = (
    "Convert it to NPY, NPZ, CSV, TSV, JSON Lines, Parquet or Arrow (Feather); "
    "text formats may be compressed with gzip or zstd."
)
OBJECT = re.compile(rb'(\xef\xbb\xbf)?\s*\{\s*["}]')
LIST = re.compile(rb"(\xef\xbb\xbf)?\s*\[")


def recognise_shard(origin: Origin, begin: bytes) -> Format:
    """Return the format of one file of several; a JSON Lines file without rows is empty."""
    if not begin and SUFFIXES.get(origin.suffix) is Format.JSON_LINES:
        return Format.JSON_LINES
    return recognise(origin, begin)


def recognise(origin: Origin, begin: bytes) -> Format:
    """Return the format of a file that begins with these bytes, or raise a DataError."""
    path = origin.path
    if not begin:
        read = "" if origin.called != STANDARD_INPUT else ", or was read before"
        raise DataError(f"{path} is empty: it has 0 bytes{read}", "Write it again.")
    for magic, kind in MAGIC.items():
        if begin.startswith(magic):
            return kind
    _reject_others(origin, begin)
    expected = SUFFIXES.get(origin.suffix)
    if OBJECT.match(begin):
        return Format.JSON_LINES
    if LIST.match(begin) and (expected is Format.JSON_LINES or origin.suffix == ".json"):
        raise DataError(
            f"{path} is one JSON list", "Write one object per line: jq -c '.[]' does so."
        )
    if expected in TEXTS:
        return expected
    if expected is not None:
        raise _format_mismatch(origin, expected, begin)
    if not _is_text(begin):
        raise DataError(f"{path}: unrecognised format: it begins with {begin[:8]!r}", READABLE)
    if origin.suffix == ".json":
        raise DataError(f"{path} is JSON", READABLE)
    header = begin.split(b"\n", 1)[0]
    tabs = origin.called == STANDARD_INPUT and b"\t" in header and b"," not in header
    return Format.TSV if tabs else Format.CSV


def expect(name: str) -> Format | None:
    """Return the format that a file's name suggests."""
    lower = name.lower()
    for suffix in COMPRESSED_SUFFIXES:
        lower = lower.removesuffix(suffix)
    return SUFFIXES.get(Path(lower).suffix)


def _reject_others(origin: Origin, begin: bytes) -> None:
    path = origin.path
    for magic, name in OTHERS.items():
        if begin.startswith(magic):
            raise DataError(f"{path} is {name}", READABLE)
    if begin.startswith(UTF_16):
        raise DataError(
            f"{path} is UTF-16 text", f"Convert it: iconv -f UTF-16 -t UTF-8 {path} > {path}.utf8"
        )


def _format_mismatch(origin: Origin, expected: Format, begin: bytes) -> DataError:
    magic = next(magic for magic, kind in MAGIC.items() if kind is expected)
    article = "a" if expected is Format.PARQUET else "an"
    return DataError(
        f"{origin.path} is not {article} {expected.value} file: "
        f"it should begin with {magic!r}, but begins with {begin[: max(8, len(magic))]!r}",
        "If it is text, name it .csv, .tsv or .jsonl." if _is_text(begin) else "Write it again.",
    )


def _is_text(begin: bytes) -> bool:
    if b"\0" in begin:
        return False
    try:
        begin.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(begin) - 4  # a character split by the end of the sample
    return True
