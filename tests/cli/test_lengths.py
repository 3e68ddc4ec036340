"""Inputs that do not hold the same samples, where a length is known only at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lossctl
from lossctl.data.formats import csv as csv_tables
from lossctl.engine.plan import blocks
from lossctl.errors import DataError

Array = NDArray[Any]

BLOCK = 50
RANDOM = np.random.default_rng(7)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_NUMBERS", BLOCK)
    monkeypatch.setattr(csv_tables, "SEGMENT_BYTES", 400)


def write(path: Path, values: Array) -> Path:
    """Write a column to a CSV of many segments."""
    path.write_text("p\n" + "".join(f"{value!r}\n" for value in values.tolist()))
    return path


@pytest.mark.parametrize("rows", [2 * BLOCK, 2 * BLOCK + 3])
@pytest.mark.parametrize("difference", [-60, -1, 1, 5, 60])
@pytest.mark.parametrize("role", ["input", "target", "sample_weight", "mask", "weight", "var"])
def test_a_stream_and_an_array_of_another_length(
    tmp_path: Path, rows: int, difference: int, role: str
) -> None:
    stream = write(tmp_path / "long.csv", RANDOM.random(rows))
    array = RANDOM.random(rows + difference)
    other: dict[str, Any] = {}
    match role:
        case "input":
            words = ("mse", array, stream)
        case "target":
            words = ("mse", stream, array)
        case "var":
            words = ("gaussian_nll", stream, stream, array)
        case _:
            words = ("bce", stream, stream)
            other = {role: array}
    with pytest.raises(DataError, match=f"{rows}"):
        lossctl.compute(*words, **other)


def test_a_longer_stream_beside_a_weight(tmp_path: Path) -> None:
    values, target = RANDOM.random(130), RANDOM.random(100)
    with pytest.raises(DataError, match="130"):
        lossctl.compute("mse", target, target, sample_weight=write(tmp_path / "weight.csv", values))


def test_two_streams_of_one_length_agree_with_arrays(tmp_path: Path) -> None:
    p, y, v, w = RANDOM.random((4, 333))
    files = [
        write(tmp_path / f"{name}.csv", one) for name, one in zip("pyvw", (p, y, v, w), strict=True)
    ]
    streamed = lossctl.compute("gaussian_nll", files[0], files[1], v, sample_weight=files[3])
    assert streamed.value == lossctl.compute("gaussian_nll", p, y, v, sample_weight=w).value
    weighted = lossctl.compute("bce", files[0], files[1], weight=w, reduction="none")
    expected = lossctl.compute("bce", p, y, weight=w, reduction="none")
    assert np.array_equal(weighted.elements, expected.elements)
