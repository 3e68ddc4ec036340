"""NPZ: a zip archive of NPY members."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from lossctl.data.arrays.source import Source
from lossctl.data.formats.npy import StreamSource, map_array
from lossctl.data.streams.origins import Origin
from lossctl.data.tables.columns import find_column
from lossctl.errors import DataError, UsageError

LOCAL_HEADER = struct.Struct("<26xHH")
ENCRYPTED = 0x1
CHUNK_BYTES = 1 << 20
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,  # a seek to an invalid position
    ValueError,  # names in an unknown encoding
    NotImplementedError,  # an unknown compression
)


def open_member(origin: Origin, file: IO[bytes], where: str, member: str | None) -> Source:
    """Return one array of the archive: a stored one mapped, a deflated one as a stream."""
    try:
        archive = zipfile.ZipFile(file)
        info = _choose_member(archive, origin, member)
        if info.flag_bits & ENCRYPTED:
            raise DataError(f"{where}: the archive member is encrypted")
        if info.compress_type == zipfile.ZIP_STORED:
            _check(archive, info)
            start = _find_data(file, info)
            with file:
                return map_array(origin.location, file, where, start, info.file_size)
        return MemberSource(where, archive, info, file)
    except BROKEN as error:
        raise broken(where, error) from error


def _check(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Read a member once to verify its checksum."""
    with archive.open(info) as member:
        while member.read(CHUNK_BYTES):
            pass


def broken(where: str, error: Exception) -> DataError:
    """Return the error for an archive that cannot be read."""
    return DataError(
        f"{where}: the NPZ archive is broken or cut off: {error}", "Copy or save the file again."
    )


class MemberSource(StreamSource):
    """A compressed member of an archive, decompressed as its rows are read."""

    def __init__(
        self, name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: IO[bytes]
    ) -> None:
        super().__init__(name, archive.open(info), lambda: archive.open(info))
        self._archive_file = file

    def close(self) -> None:
        """Close the member and the archive."""
        super().close()
        self._archive_file.close()

    def _take(self, size: int, before: int) -> bytes:
        try:
            return super()._take(size, before)
        except BROKEN as error:
            raise broken(self.name, error) from error


def _choose_member(archive: zipfile.ZipFile, origin: Origin, member: str | None) -> zipfile.ZipInfo:
    path = origin.path
    infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    _reject_lookalikes(archive.namelist(), path)
    if not infos:
        raise DataError(f"{path}: the archive is empty")
    names = list(infos)
    if member is None:
        if len(names) > 1:
            raise UsageError(
                f"{path} contains {len(names)} arrays: {', '.join(names[:20])}"
                f"{', …' if len(names) > 20 else ''}",
                f"Choose one with '#': {origin.called}#{names[0]}",
            )
        return infos[names[0]]
    name = member if member in infos else member.removesuffix(".npy")
    if name not in infos and all(part in infos for part in member.split(",")):
        raise UsageError(f"{path}#{member} names several arrays", "Choose one.")
    try:
        find_column(name, names, path)
    except UsageError as error:
        raise UsageError(f"{path} has no array {member!r}", *error.remedies) from None
    return infos[name]


def _reject_lookalikes(names: Sequence[str], path: Path) -> None:
    if any(name.endswith("/data.pkl") or name == "data.pkl" for name in names):
        raise DataError(
            f"{path} is a PyTorch file, which contains pickled objects: it is refused (pickle"
            " can run code)",
            "Save the tensor as NPY: numpy.save(file, tensor.detach().cpu().numpy()).",
        )
    if "[Content_Types].xml" in names:
        raise DataError(
            f"{path} is an office document, not an NPZ archive", "Export the sheet as CSV."
        )


def _find_data(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    file.seek(info.header_offset)
    name_length, extra_length = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
    return int(info.header_offset + LOCAL_HEADER.size + name_length + extra_length)
