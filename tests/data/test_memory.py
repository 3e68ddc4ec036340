"""Arrays in memory as sources, and whole arrays for options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lossctl.data import ArraySource, load_array, open_sources
from lossctl.errors import DataError, FileError, UsageError

NAN = float("nan")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.arange(6).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]),
        ([1, 2.5], [1, 2.5]),
        (((1, 2), (3, 4)), [[1, 2], [3, 4]]),
        (range(3), [0, 1, 2]),
        ([], []),
        (2.5, 2.5),
        (np.float32(2), 2),
        (True, 1),
        (np.ma.MaskedArray([1, 2, 3], [False, True, False]), [1, NAN, 3]),
        (np.ma.MaskedArray([1, 2, 3]), [1, 2, 3]),
        (pd.Series([1.5, None]), [1.5, NAN]),
        (pd.Series([1, None], dtype="Int64"), [1, NAN]),
        (pd.Series([True, None], dtype="boolean"), [1, NAN]),
        (pd.Series([1, 2], dtype="Int8"), [1, 2]),
        (pd.Series([1.5, None], dtype="double[pyarrow]"), [1.5, NAN]),
        (pd.Index([3, 4]), [3, 4]),
        (pd.DataFrame({"a": [1, 2], "b": [0.5, None]}), [[1, 0.5], [2, NAN]]),
        (pd.DataFrame({"a": [1, 2]}), [1, 2]),
        (pa.array([1, None]), [1, NAN]),
        (pa.array([1, 2, 3, 4]).slice(1, 2), [2, 3]),
        (pa.array([True, False, None, True]).slice(1), [0, NAN, 1]),
        (pa.array([[1, 2], [3, 4], [5, 6]]).slice(1), [[3, 4], [5, 6]]),
        (pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int8(), 2)).slice(1), [[3, 4], [5, 6]]),
        (pa.array([[1, 2], [3, 4]], pa.list_view(pa.int8())).slice(1), [[3, 4]]),
        (pa.array([[1, 2], [3, 4]], pa.large_list(pa.int8())).slice(0, 1), [[1, 2]]),
        (pa.chunked_array([[1.5], [2.5]]), [1.5, 2.5]),
        (pa.chunked_array([], pa.float32()), []),
        (pa.table({"a": [1, 2], "b": [0.5, None]}), [[1, 0.5], [2, NAN]]),
        (pa.table({"a": [[1, 2], [3, 4]]}), [[1, 2], [3, 4]]),
        (pa.record_batch({"a": [1, 2], "b": [3, 4]}), [[1, 3], [2, 4]]),
    ],
)
def test_array_likes(given: Any, expected: Any) -> None:
    (source,) = open_sources([given])
    assert isinstance(source, ArraySource)
    assert np.array_equal(source.whole(), expected, equal_nan=True)
    assert source.shape == np.shape(expected)
    assert np.array_equal(load_array(given), expected, equal_nan=True)


def test_arrays_are_not_copied() -> None:
    array = np.arange(5.0)
    (source,) = open_sources([array])
    assert isinstance(source, ArraySource)
    assert source.array is array
    assert load_array(array) is array


def test_other_libraries_speak_through_the_array_protocol() -> None:
    class Tensor:
        """What a tensor of another library looks like."""

        dtype = "torch.bfloat16"
        on_device = True

        def detach(self) -> Tensor:
            return self

        def cpu(self) -> Tensor:
            self.on_device = False
            return self

        def float(self) -> Tensor:
            self.dtype = "torch.float32"
            return self

        def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
            assert not self.on_device
            assert self.dtype == "torch.float32"
            return np.array([1.5, 2.5], np.float32)

    (source,) = open_sources([Tensor()])
    assert source.name == "Tensor"
    assert np.array_equal(source.whole(), [1.5, 2.5])


@pytest.mark.parametrize(
    ("given", "error", "what"),
    [
        ([[1, 2], [3]], DataError, "different lengths"),
        (np.array(["a", "b"]), DataError, "text"),
        (np.array([1j]), DataError, "complex"),
        ([None, 1], DataError, "Python objects"),
        (pd.Series(["a"]), DataError, "not numbers"),
        (pd.DataFrame({"p": [1], "label": ["a"]}), DataError, "'label'"),
        (pd.Series(pd.to_datetime(["2026-01-01"])), DataError, "dates"),
        (pa.array(["a"]), DataError, "string"),
        (pa.array([[1], [2, 3]]), DataError, "different lengths"),
        (pa.table({"a": [1], "b": [[1]]}), UsageError, "'b' contains lists"),
        (pd.DataFrame(), UsageError, "no columns"),
        (None, UsageError, "not an array"),
        ({"a": 1}, UsageError, "not an array"),
        (b"preds.npy", UsageError, "not an array"),
    ],
)
def test_what_is_no_array(given: Any, error: type[Exception], what: str) -> None:
    with pytest.raises(error, match=what):
        open_sources([given])


def test_files_and_arrays_keep_their_places(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(3))
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    sources = open_sources([f"{tmp_path}/x.csv#b", [7.0], tmp_path / "x.npy", f"{tmp_path}/x.csv"])
    assert [source.whole().tolist() for source in sources] == [[2], [7], [0, 1, 2], [[1, 2]]]
    for source in sources:
        source.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5,1.5", [0.5, 1.5]),
        (" 1 , 2,3 ", [1, 2, 3]),
        ("2", 2),
        ("2,", [2]),
        ("-1e-3", -1e-3),
        ("inf,nan", [np.inf, NAN]),
    ],
)
def test_lists_of_numbers(text: str, expected: Any) -> None:
    array = load_array(text)
    assert array.shape == np.shape(expected)
    assert array.dtype == np.float64
    assert np.array_equal(array, expected, equal_nan=True)


def test_load_array_reads_files(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", weight=[1.0, 2.0], other=[3.0])
    assert np.array_equal(load_array(f"{tmp_path}/x.npz#weight"), [1, 2])
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3,4\n")
    assert np.array_equal(load_array(tmp_path / "x.csv"), [[1, 2], [3, 4]])


def test_load_array_says_what_it_cannot_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'x' in '0\.5,x'"):
        load_array("0.5,x")
    with pytest.raises(FileError, match="no such file"):
        load_array(str(tmp_path / "absent.npy"))
    with pytest.raises(UsageError):
        load_array("")
