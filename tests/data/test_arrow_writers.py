"""Arrow and Parquet files as Polars, arrow-rs and others write them, and what they hold."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

import lossctl
from lossctl.data import open_sources
from lossctl.errors import DataError
from tests.support.command_line import command, environment, run
from tests.support.small_files import DATA

FILES = Path(__file__).parent / "arrow_files"
WRITTEN = sorted(path.name for path in FILES.iterdir() if path.suffix != ".py")
POLARS = [name for name in WRITTEN if name.startswith("polars")]
MSE = (1.0 + 0.0625 + 1.0) / 3
NAMES = ["bird", "cat", "dog"]
LABELS = ["cat", "dog", "bird"]
LOGITS = np.array([[0.1, 1.0, 1.5], [0.2, 2.0, 2.5], [0.3, 0.1, 0.2]])


@pytest.mark.parametrize("name", WRITTEN)
def test_files_of_other_writers_are_read(name: str) -> None:
    path = FILES / name
    assert lossctl.compute("mse", f"{path}#p", f"{path}#t").value == MSE
    with path.open("rb") as stream:
        done = subprocess.run(
            command("compute", "mse", "-#p", "-#t", "-f", "value"), env=environment(),
            stdin=stream, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr, done.stdout) == (0, "", f"{MSE}\n")


@pytest.mark.parametrize("column", ["category", "enum", "text"])
@pytest.mark.parametrize("name", POLARS)
def test_categories_of_polars_are_labels_slices_and_ids(name: str, column: str) -> None:
    path = FILES / name
    wanted = lossctl.compute("ce", LOGITS, [1, 2, 0]).value
    found = lossctl.compute("ce", f"{path}#l0:l2", f"{path}#{column}", classes=NAMES)
    assert found.value == wanted
    done = lossctl.evaluate(
        str(path), pred="p", target="t", loss="mse", by=column, id=column, show=[column], worst=1,
        where=f"{column} != 'none'",
    )  # fmt: skip
    assert {(one.labels, one.value) for one in done.slices} == {
        (("cat",), 1.0), (("dog",), 0.0625), (("bird",), 1.0)
    }  # fmt: skip
    assert (done.worst[0].id, done.worst[0].shown) == ("cat", {column: "cat"})


@pytest.mark.parametrize("name", POLARS)
def test_integers_of_128_bits_are_named_where_they_are_asked_for(name: str) -> None:
    path = FILES / name
    for words in (
        ("compute", "mse", f"{path}#p", f"{path}#big"),
        ("check", "mse", f"{path}#p", f"{path}#big"),
        ("evaluate", path, "--pred", "p", "--target", "t", "--loss", "mse", "--by", "big"),
    ):
        done = run(*words)
        assert (done.code, done.out) == (DATA, "")
        assert f"{name}: column 'big' contains int128" in done.err
    assert "'big' contains int128" in run("compute", "mse", path, path).err


@pytest.mark.parametrize("kind", ["arrow", "arrows"])
@pytest.mark.parametrize("codec", ["zstd", "lz4", None])
def test_compressed_files_of_the_old_version_are_refused(
    kind: str, codec: str | None, tmp_path: Path
) -> None:
    path = tmp_path / f"x.{kind}"
    table = pa.table({"p": [1.0] * 200, "t": [2.0] * 200, "c": pa.array(["a"] * 200)})
    table = table.set_column(2, "c", table.column("c").dictionary_encode())
    version = pa.ipc.MetadataVersion.V4
    options = pa.ipc.IpcWriteOptions(metadata_version=version, compression=codec)
    with (pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream)(
        path, table.schema, options=options
    ) as writer:
        writer.write_table(table)
    for words in ((f"{path}#p", f"{path}#t"), (f"{path}#t", f"{path}#p")):
        done = run("compute", "mse", *words, "-f", "value")
        if codec is None:
            assert (done.code, done.out) == (0, "1.0\n")
        else:
            assert (done.code, done.out) == (DATA, "")
            assert f"version V4 of its metadata with compressed data ({codec})" in done.err


def write(path: Path, table: Any) -> Path:
    (pq.write_table if path.suffix == ".parquet" else feather.write_feather)(table, path)
    return path


@pytest.fixture(params=["x.parquet", "x.arrow"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


def test_bool8_is_true_for_all_but_zero(path: Path) -> None:
    stored = pa.array([2, 0, None, -1], pa.int8())
    column = pa.ExtensionArray.from_storage(pa.bool8(), stored)
    lists = pa.FixedSizeListArray.from_arrays(column[:2], 1)
    write(path, pa.table({"b": column, "v": [1.0] * 4}))
    (source,) = open_sources([f"{path}#b"])
    np.testing.assert_array_equal(source.whole(), [1.0, 0.0, np.nan, 1.0])
    found = lossctl.evaluate(str(path), pred="v", target="v", loss="l1", by="b")
    assert {one.labels for one in found.slices} == {("True",), ("False",), ("(missing)",)}
    write(path, pa.table({"b": lists}))
    (source,) = open_sources([f"{path}#b"])
    np.testing.assert_array_equal(source.whole(), [[True], [False]])


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(),
     pa.binary_view(), pa.binary(3), pa.dictionary(pa.uint32(), pa.string_view()),
     pa.dictionary(pa.int8(), pa.binary())],
    ids=str,
)  # fmt: skip
def test_texts_are_the_same_however_arrow_holds_them(kind: Any, tmp_path: Path) -> None:
    texts = ["dog", "cat", "dog", "owl"]
    values = texts if kind in (pa.string(), pa.large_string(), pa.string_view()) else None
    plain = pa.array(texts if values else [one.encode() for one in texts])
    if pa.types.is_dictionary(kind):
        entries = pa.array(["cat", "dog", "owl"]).cast(kind.value_type)
        column = pa.DictionaryArray.from_arrays(pa.array([1, 0, 1, 2], kind.index_type), entries)
    else:
        column = plain.cast(kind)
    path = write(tmp_path / "x.arrow", pa.table({"p": [1.0, 2.0, 3.0, 4.0], "k": column}))
    found = lossctl.evaluate(
        str(path), pred="p", target="p", loss="l1", by="k", id="k", show=["k"], worst=1
    )
    assert {one.labels for one in found.slices} == {("dog",), ("cat",), ("owl",)}
    assert (found.worst[0].id, found.worst[0].shown) == ("dog", {"k": "dog"})
    scores = 2 * np.eye(3)[[1, 0, 1, 2]]
    wanted = lossctl.compute("ce", scores, [1, 0, 1, 2]).value
    assert lossctl.compute("ce", scores, f"{path}#k", classes="cat,dog,owl").value == wanted


def test_bytes_that_are_no_text_are_told_apart(path: Path) -> None:
    column = pa.array([b"dog", b"\xff", b"\xfe"], pa.binary())
    write(path, pa.table({"p": [1.0, 2.0, 3.0], "k": column}))
    found = lossctl.evaluate(str(path), pred="p", target="p", loss="l1", by="k")
    assert {one.labels[0] for one in found.slices} == {"dog", r"b'\xff'", r"b'\xfe'"}


def test_dictionaries_that_differ_from_batch_to_batch(tmp_path: Path) -> None:
    path = tmp_path / "x.arrows"
    batches = [
        pa.record_batch(
            {
                "n": pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), numbers),
                "k": pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int8()), texts),
            }
        )
        for numbers, texts in (
            (pa.array([1.5, 2.5]), pa.array(["a", "b"])),
            (pa.array([7.5, 9.5]), pa.array(["b", "c"])),
        )
    ]
    with pa.ipc.new_stream(path, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    (source,) = open_sources([f"{path}#n"])
    np.testing.assert_array_equal(source.whole(), [1.5, 2.5, 7.5, 9.5])
    found = lossctl.evaluate(str(path), pred="n", target="n", loss="l1", by="k")
    assert {(one.labels, one.rows) for one in found.slices} == {
        (("a",), 1), (("b",), 2), (("c",), 1)
    }  # fmt: skip


def test_a_dictionary_without_the_entry_is_a_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "x.arrows"
    indices = pa.array([0, 9], pa.int8())
    column = pa.DictionaryArray.from_arrays(indices, pa.array(["a", "b"]), safe=False)
    batch = pa.record_batch({"p": [1.0, 2.0], "k": column})
    with pa.ipc.new_stream(path, batch.schema) as writer:
        writer.write_batch(batch)
    with pytest.raises(DataError, match="broken"):
        lossctl.evaluate(str(path), pred="p", target="p", loss="l1", by="k")


def test_runs_are_the_rows_that_they_stand_for(tmp_path: Path) -> None:
    path = tmp_path / "x.arrow"
    ends = pa.array([2, 3, 5], pa.int32())
    columns = {
        "k": pa.RunEndEncodedArray.from_arrays(ends, pa.array(["dog", "cat", "dog"])),
        "v": pa.RunEndEncodedArray.from_arrays(ends, pa.array([1.5, 2.5, None])),
        "p": pa.array([1.0, 2.0, 3.0, 4.0, 5.0]),
    }
    table = pa.table(columns)
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    (source,) = open_sources([f"{path}#v"])
    np.testing.assert_array_equal(source.whole(), [1.5, 1.5, 2.5, np.nan, np.nan])
    found = lossctl.evaluate(str(path), pred="p", target="p", loss="l1", by="k", id="k", worst=1)
    assert {(one.labels, one.rows) for one in found.slices} == {(("dog",), 4), (("cat",), 1)}
    assert found.worst[0].id == "dog"


def test_decimals_are_the_nearest_numbers(path: Path) -> None:
    cents = [f"{number / 100:.2f}" for number in range(-1000, 1000)]
    column = pa.array(cents).cast(pa.decimal128(10, 2))
    write(path, pa.table({"d": column}))
    (source,) = open_sources([f"{path}#d"])
    assert source.whole().tolist() == [float(one) for one in cents]


def test_tensors_have_the_axes_that_their_permutation_says(path: Path) -> None:
    kind = pa.fixed_shape_tensor(pa.float64(), [2, 3], permutation=[1, 0])
    storage = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(12.0)), 6)
    column = pa.ExtensionArray.from_storage(kind, storage)
    write(path, pa.table({"x": column}))
    (source,) = open_sources([f"{path}#x"])
    assert source.trailing == (3, 2)
    np.testing.assert_array_equal(source.whole(), column.to_numpy_ndarray())


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_floats_as_labels_have_the_digits_of_their_own_type(dtype: str, path: Path) -> None:
    column = np.array([0.5, 0.1, 0.1, 1e10 if dtype != "f2" else 1e4], dtype)
    write(path, pa.table({"p": [1.0, 2.0, 3.0, 4.0], "y": [0.0] * 4, "t": column}))
    words = ("evaluate", path, "--pred", "p", "--target", "y", "--loss", "l1", "--by", "t")
    done = run(*words, "--fail-if", "l1[t=0.1] > 100", "--worst", "2", "--show", "t", "-f", "json")
    assert done.code == 0, done.err
    found = lossctl.evaluate(
        str(path), pred="p", target="y", loss="l1", by="t", show=["t"], worst=4
    )
    last = "10000000000.0" if dtype != "f2" else "10000.0"
    assert {one.labels[0] for one in found.slices} == {"0.5", "0.1", last}
    assert [one.shown["t"] for one in found.worst] == [last, "0.1", "0.1", "0.5"]


def test_a_float_of_ml_dtypes_is_told_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros(4, "u1"))
    path.write_bytes(path.read_bytes().replace(b"'|u1'", b"'<f1'"))
    done = run("compute", "mse", path, path)
    assert (done.code, done.out) == (DATA, "")
    assert "float8_e5m2" in done.err
    assert "array.astype(np.float32)" in done.err
