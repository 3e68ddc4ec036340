"""Compressed files, decompressed as they are read."""

from __future__ import annotations

import gzip
import io
import zlib
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO

from lossctl.errors import DataError

BUFFER_BYTES = 1 << 20


class Compression(Enum):
    """The compressions that are read, by the bytes they begin with."""

    GZIP = b"\x1f\x8b"
    ZSTD = b"\x28\xb5\x2f\xfd"


def find_compression(begin: bytes) -> Compression | None:
    """Return the compression of a file that begins with these bytes."""
    return next((one for one in Compression if begin.startswith(one.value)), None)


def decompress(compression: Compression, file: BinaryIO, path: Path) -> BinaryIO:
    """Return a decompressing stream; corrupt data raise a DataError."""
    stream: Any
    match compression:
        case Compression.GZIP:
            stream = gzip.GzipFile(fileobj=file)
        case Compression.ZSTD:
            import pyarrow as pa

            stream = pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")
    return io.BufferedReader(_Decompressed(stream, file, compression, path), BUFFER_BYTES)


class _Decompressed(io.RawIOBase):
    """A decompressing stream that raises errors for users."""

    def __init__(self, stream: Any, file: BinaryIO, compression: Compression, path: Path) -> None:
        self._stream = stream
        self._file = file
        self._name = compression.name.lower()
        self._path = path

    def readable(self) -> bool:
        """Return that this is readable."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes."""
        try:
            return int(self._stream.readinto(buffer))
        except (EOFError, OSError, zlib.error) as error:
            raise DataError(
                f"{self._path}: the {self._name} compression is broken or cut off: {error}",
                "Copy or write the file again.",
            ) from error

    def close(self) -> None:
        """Close the stream and the file."""
        if not self.closed:
            self._stream.close()
            self._file.close()
        super().close()
