"""Where the bytes of an input come from: a file, a compressed file, a pipe, standard input."""

from __future__ import annotations

import io
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, BinaryIO

from lossctl.data.streams.compression import decompress, find_compression
from lossctl.data.streams.files import explain_os_error, is_regular, open_binary
from lossctl.data.streams.spool import Spool
from lossctl.errors import DataError, UsageError

SNIFFED_BYTES = 4096
COPIED_BYTES = 1 << 20
STANDARD_INPUT = "-"


class Origin:
    """The bytes of one input, decompressed, which can be opened repeatedly.

    ``path`` names it in messages, ``called`` is how a reference names it. ``streaming`` says that
    the bytes come from a pipe, which can be read only once. ``mapped`` says that they are an
    ordinary uncompressed file at ``location``, which can be mapped and read anywhere.
    """

    def __init__(self, path: Path, file: BinaryIO, called: str, streaming: bool) -> None:
        self.path = path
        self.called = called
        self.location = path
        self.streaming = streaming
        self._compression = find_compression(peek(file))
        self.mapped = not streaming and self._compression is None
        self._spool: Spool | None = None
        self._first: BinaryIO | None = self._unpack(file)

    @property
    def packed(self) -> bool:
        """Whether the bytes are decompressed on the way."""
        return self._compression is not None

    @property
    def suffix(self) -> str:
        """The suffix that names the format, in lower case."""
        name = Path(self.path.stem) if self._compression else self.path
        return name.suffix.lower()

    def open(self) -> BinaryIO:
        """Return the bytes from their beginning, with ``peek``."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if self.streaming:
            raise DataError(f"{self.path} can be read only once", "Write it to a file first.")
        return self._unpack(open_binary(self.location))

    def spool(self, file: BinaryIO, what: str) -> BinaryIO:
        """Copy the bytes to a temporary file, which is deleted when closed; return it."""
        self._spool = Spool(self.path, what)
        with file:
            self._spool.append_stream(file)
        self._spool.flush()
        self.location = self._spool.location
        self.streaming, self.mapped, self._compression = False, True, None
        return self.open()

    def close(self) -> None:
        """Close what was opened and not used, and remove the temporary file."""
        for file in (self._first, self._spool):
            if file is not None:
                file.close()
        self._first = self._spool = None

    def _unpack(self, file: BinaryIO) -> BinaryIO:
        if self._compression is None:
            return file
        return decompress(self._compression, file, self.path)


def open_file(path: Path) -> Origin:
    """Open a file by its name."""
    with ExitStack() as undo:
        file = undo.enter_context(open_binary(path))
        try:
            streaming = not is_regular(file)
            origin = Origin(path, rejoin(file) if streaming else file, str(path), streaming)
        except OSError as error:
            raise explain_os_error(path, error) from error
        undo.pop_all()
    return origin


def open_standard_input() -> Origin:
    """Open standard input."""
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        raise UsageError(
            "Standard input ('-') is a terminal: nothing is piped into it",
            "Pipe data into the command, or name a file.",
        )
    return Origin(Path("standard input"), rejoin(sys.stdin.buffer), STANDARD_INPUT, streaming=True)


def peek(file: Any) -> bytes:
    """Return the first bytes of a stream without consuming them."""
    return bytes(file.peek(SNIFFED_BYTES)[:SNIFFED_BYTES])


def rejoin(file: IO[bytes]) -> BinaryIO:
    """Return a stream whose ``peek`` reaches as far as a format needs, even on a slow pipe."""
    return io.BufferedReader(_Rejoined(file.read(SNIFFED_BYTES), file), COPIED_BYTES)


class _Rejoined(io.RawIOBase):
    """Bytes that were read from a stream, followed by the rest of the stream."""

    def __init__(self, taken: bytes, rest: IO[bytes]) -> None:
        self._taken = taken
        self._rest: Any = rest

    def readable(self) -> bool:
        """Return that this is readable."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the buffered bytes, then the rest."""
        if not self._taken:
            return int(self._rest.readinto1(buffer))
        count = min(len(self._taken), len(buffer))
        buffer[:count] = self._taken[:count]
        self._taken = self._taken[count:]
        return count

    def close(self) -> None:
        """Close the stream, unless it is the program's own."""
        if not self.closed and self._rest is not getattr(sys.stdin, "buffer", None):
            self._rest.close()
        super().close()
