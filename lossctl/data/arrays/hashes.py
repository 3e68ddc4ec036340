"""Hashes of 64 bits of the values of a column, the same however a file stores them."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from lossctl.data.arrays.arrow import read_validity, read_values
from lossctl.data.arrays.cells import Cells, to_plain
from lossctl.data.arrays.source import Array

Hashes = NDArray[np.uint64]

_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_WORD = 8
_MISSING = np.uint64(0x9E3779B97F4A7C15)
_LARGEST = 2.0**63
_POWERS = 10 ** np.arange(1, 19)
WHOLE = r"^(0|-?[1-9][0-9]{0,17})(\.0*)?$"
"""A string that is the same as an integer."""


def hash_column(values: Array | Cells) -> Hashes | None:
    """Return the hash of each value; None for lists and what is no single value.

    Integers have the same hash as floats and as strings.
    """
    if not isinstance(values, Cells):
        return hash_numbers(values) if values.ndim == 1 and values.dtype.kind in "biuf" else None
    parts = [_hash_arrow(chunk) for chunk in getattr(values.arrow, "chunks", [values.arrow])]
    if any(part is None for part in parts):
        return None
    return np.concatenate([part for part in parts if part is not None] or [np.empty(0, np.uint64)])


def chain(sums: tuple[int, int], values: Array | Cells) -> tuple[int, int]:
    """Return checksums of all values up to here, of the data and of the lengths of strings.

    They do not depend on how the values are cut, and are faster than hashes.
    """
    import pyarrow as pa

    data, lengths = sums
    arrow = values.arrow if isinstance(values, Cells) else None
    for chunk in [None] if arrow is None else getattr(arrow, "chunks", [arrow]):
        if chunk is not None and pa.types.is_string(chunk.type) and len(chunk):
            offsets = _read_offsets(chunk)
            content = chunk.buffers()[2]
            if content is not None:
                data = crc32(memoryview(content)[int(offsets[0]) : int(offsets[-1])], data)
            lengths = crc32(np.diff(offsets).data, lengths)
        else:
            hashes = hash_column(values if chunk is None else Cells(chunk))
            data = data if hashes is None else crc32(hashes.data, data)
    return data, lengths


def hash_numbers(values: Array) -> Hashes:
    """Return the hash of each number."""
    if values.dtype.kind != "f":
        whole = values if values.dtype.kind == "u" else values.astype(np.int64, copy=False)
        return _mix(whole.astype(np.uint64, copy=False))
    floats = values.astype(np.float64, copy=False)
    is_whole = (floats == np.floor(floats)) & (np.abs(floats) < _LARGEST)
    if is_whole.all():
        return _mix(floats.astype(np.int64).view(np.uint64))
    whole = np.where(is_whole, floats, 0).astype(np.int64).view(np.uint64)
    return _mix(np.where(is_whole, whole, floats.view(np.uint64)))


def _hash_arrow(array: Any) -> Hashes | None:
    import pyarrow as pa

    types = pa.types
    kind = array.type
    if types.is_null(kind):
        return np.full(len(array), _MISSING)
    if not (types.is_integer(kind) or types.is_floating(kind) or types.is_string(kind)):
        try:
            plain = to_plain(pa.chunked_array([array])).combine_chunks()
            array = plain if types.is_string(plain.type) else plain.cast(pa.string())
        except (pa.ArrowException, ValueError, TypeError):
            return None
    hashes = _hash_strings(array) if types.is_string(array.type) else hash_numbers(_read(array))
    return np.where(read_validity(array), hashes, _MISSING) if array.null_count else hashes


def _read(array: Any) -> Array:
    return read_values(array) if len(array) else np.empty(0, np.int64)


def _hash_strings(strings: Any) -> Hashes:
    """Return the hash of each string; of one that is an integer, that of the integer."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(strings):
        return np.empty(0, np.uint64)
    numbers = _read_whole(strings)
    if numbers is not None:
        return hash_numbers(numbers)
    if not _may_be_whole(strings):
        return _hash_bytes(strings)
    whole = pc.match_substring_regex(strings, WHOLE).fill_null(False)
    digits = pc.replace_substring_regex(strings, r"\.0*$", "")
    if pc.all(whole).as_py():
        return hash_numbers(_read(digits.cast(pa.int64())))
    hashes = _hash_bytes(strings)
    if pc.any(whole).as_py():
        places = np.flatnonzero(np.asarray(read_values(whole)))
        hashes[places] = hash_numbers(_read(digits.filter(whole).cast(pa.int64())))
    return hashes


def _read_whole(strings: Any) -> Array | None:
    """Return strings as integers, if each is written as its integer is."""
    import pyarrow as pa

    if strings.null_count:
        return None
    try:
        numbers = _read(strings.cast(pa.int64()))
    except pa.ArrowInvalid:
        return None
    digits = np.searchsorted(_POWERS, np.abs(numbers), side="right") + 1 + (numbers < 0)
    return numbers if np.array_equal(np.diff(_read_offsets(strings)), digits) else None


def _may_be_whole(strings: Any) -> bool:
    """Whether any string begins as an integer does."""
    offsets, content = _read_offsets(strings), strings.buffers()[2]
    if content is None:
        return False
    starts = offsets[:-1][np.diff(offsets) > 0]
    first = np.frombuffer(content, np.uint8)[starts]
    return bool((((first >= ord("0")) & (first <= ord("9"))) | (first == ord("-"))).any())


def _read_offsets(strings: Any) -> Array:
    places = strings.buffers()[1]
    return np.frombuffer(places, np.int32, strings.offset + len(strings) + 1)[strings.offset :]


def _hash_bytes(strings: Any) -> Hashes:
    """Return the hash of the bytes of each string, eight of which are taken at a time."""
    offsets, content = _read_offsets(strings), strings.buffers()[2]
    first, last = int(offsets[0]), int(offsets[-1])
    padded = np.zeros(last - first + _WORD, np.uint8)
    if last > first:
        padded[:-_WORD] = np.frombuffer(content, np.uint8, last - first, first)
    words = np.ndarray((len(padded) - _WORD + 1,), "<u8", padded, strides=(1,))
    starts = (offsets[:-1] - first).astype(np.int64)
    lengths = np.diff(offsets).astype(np.int64)
    hashes = _mix(lengths.astype(np.uint64) + _MISSING)
    for start in range(0, int(lengths.max(initial=0)), _WORD):
        rows: Any = slice(None) if start == 0 else np.flatnonzero(lengths > start)
        spare = np.clip(_WORD - (lengths[rows] - start), 0, _WORD).astype(np.uint64) * np.uint64(8)
        taken = words[np.minimum(starts[rows] + start, len(words) - 1)]
        # A shift by all 64 bits is not defined: it is made in two steps.
        half = spare // np.uint64(2)
        taken = taken << half << (spare - half)
        hashes[rows] = _mix(hashes[rows] ^ taken)
    return hashes


def _mix(words: Hashes) -> Hashes:
    """Return words whose bits depend on all bits of each (Steele et al. 2014, SplitMix64)."""
    mixed = words ^ (words >> _SHIFTS[0])
    mixed *= _FACTORS[0]
    mixed ^= mixed >> _SHIFTS[1]
    mixed *= _FACTORS[1]
    mixed ^= mixed >> _SHIFTS[2]
    return mixed
