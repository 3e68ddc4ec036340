"""Binary formats in pipes: NPY, Parquet, Arrow streams."""

from __future__ import annotations

import io
import os
import resource
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.feather as pf
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from lossctl.errors import FileError, UsageError
from lossctl.output.elements.write import write_elements
from lossctl.output.files.files import Pipe
from lossctl.output.results import write_reduced
from tests.output.samples import SampleStream, make_result
from tests.support.command_line import command, environment, run_on_terminal, run_shell

BINARY = ("npy", "parquet", "arrow")
Array = NDArray[Any]


def read(form: str, data: bytes) -> Array:
    """Return the losses out of the bytes that a pipe carried."""
    match form:
        case "npy":
            return np.load(io.BytesIO(data), allow_pickle=False)  # type: ignore[no-any-return]
        case "parquet":
            table = pq.read_table(pa.BufferReader(data))
        case _:
            table = pa.ipc.open_stream(data).read_all()
    assert table.column_names[-1] == "loss"
    return np.asarray(table["loss"].to_numpy())


def receive(writing: Callable[[TextIO], object]) -> bytes:
    """Return what goes through a real pipe."""
    reading, end = os.pipe()
    received: list[bytes] = []

    def collect() -> None:
        with os.fdopen(reading, "rb") as pipe:
            received.append(pipe.read())

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        with os.fdopen(end, "w") as pipe:
            writing(pipe)
    finally:
        thread.join()
    return received[0]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("form", BINARY)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (4, 3), (300_000,), (0, 3), (3, 0)])
def test_a_pipe_carries_all(shape: tuple[int, ...], form: str, known: bool) -> None:
    losses = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    block = max(5, losses.size // 7)
    stream = SampleStream(losses, block, length_known=known)
    found = read(form, receive(lambda out: write_elements(stream, form, out)))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, losses if form == "npy" else losses.reshape(-1))
    if form == "npy":
        assert found.shape == shape


def test_text_that_was_written_before_comes_before() -> None:
    def write(out: TextIO) -> None:
        out.write("head")
        write_elements(SampleStream(np.arange(3.0)), "npy", out)

    data = receive(write)
    assert data[:4] == b"head"
    assert read("npy", data[4:]).tolist() == [0, 1, 2]


@pytest.mark.parametrize("form", BINARY)
def test_reduced_results_too(form: str) -> None:
    data = receive(lambda out: write_reduced(make_result(value=0.5), form, out))
    if form == "npy":
        assert read(form, data) == 0.5
    elif form == "parquet":
        assert pq.read_table(pa.BufferReader(data))["value"].to_pylist() == [0.5]
    else:
        assert pa.ipc.open_stream(data).read_all()["value"].to_pylist() == [0.5]


def test_arrow_files(tmp_path: Path) -> None:
    losses = np.arange(12.0).reshape(4, 3)
    write_elements(SampleStream(losses), target=tmp_path / "l.arrow")
    table = pf.read_table(tmp_path / "l.arrow")
    assert table.column_names == ["sample", "d1", "loss"]
    assert table["loss"].to_pylist() == losses.reshape(-1).tolist()
    assert table["d1"].to_pylist() == [0, 1, 2] * 4
    write_reduced(make_result(value=0.25), target=tmp_path / "r.arrow")
    assert pf.read_table(tmp_path / "r.arrow")["value"].to_pylist() == [0.25]
    write_elements(SampleStream(losses), "npy", tmp_path / "without suffix")
    np.testing.assert_array_equal(np.load(tmp_path / "without suffix"), losses)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("form", BINARY)
def test_named_pipes(tmp_path: Path, form: str, known: bool) -> None:
    path = tmp_path / f"pipe.{form}"
    os.mkfifo(path)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(path.read_bytes()))
    reader.start()
    write_elements(SampleStream(np.arange(30.0), length_known=known), target=path)
    reader.join()
    assert read(form, received[0]).tolist() == list(range(30))


def test_what_fails_half_way_does_not_look_whole() -> None:
    def fail(out: TextIO) -> None:
        with pytest.raises(KeyboardInterrupt):
            write_elements(SampleStream(np.arange(30.0), fail_at=3), form, out)

    for form in ("parquet", "npy"):
        with pytest.raises((pa.ArrowInvalid, ValueError)):
            read(form, receive(fail))


class Dribble(io.RawIOBase):
    """A stream without a buffer, which takes few bytes at a time."""

    def __init__(self) -> None:
        self.taken = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        part = bytes(data[:7])
        self.taken += part
        return len(part)


def test_streams_that_take_few_bytes() -> None:
    stream = Dribble()
    pipe = Pipe(stream)  # type: ignore[arg-type]
    data = np.arange(100.0)
    assert pipe.write(b"head") == 4
    assert pipe.write(data.data) == 800
    assert pipe.write(np.empty((0, 3)).data) == 0
    assert stream.taken == b"head" + data.tobytes()
    assert pipe.tell() == 804
    pipe.abandon()
    pipe.write(b"tail")
    assert len(stream.taken) == 804


@pytest.mark.parametrize("form", BINARY)
def test_text_streams_refuse_it(form: str) -> None:
    stream = SampleStream(np.arange(3.0))
    with pytest.raises(UsageError, match=f"{form} is a binary format"):
        write_elements(stream, form, io.StringIO())
    assert not stream.ended


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_room_for_what_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    stream = SampleStream(np.arange(100_000.0), 10_000, length_known=False)

    def fail(out: TextIO) -> None:
        said = rf"a temporary file in {tmp_path} \(set TMPDIR .*cannot be written: File too large"
        with small_files(100_000), pytest.raises(FileError, match=said):
            write_elements(stream, "npy", out)

    assert receive(fail) == b""
    assert list(tmp_path.iterdir()) == []


class TestProcesses:
    """The command line in real pipes."""

    @pytest.fixture
    def data(self, tmp_path: Path) -> Path:
        rows = np.random.default_rng(2).normal(size=(300_000, 2)).round(3)
        np.save(tmp_path / "p.npy", rows[:, 0])
        np.save(tmp_path / "y.npy", rows[:, 1])
        small = "".join(f"{p},{y}\n" for p, y in rows[:3000].tolist())
        (tmp_path / "t.csv").write_text(f"p,y\n{small}")
        return tmp_path

    def compute(self, data: Path, form: str, *inputs: str) -> bytes:
        done = subprocess.run(
            command("compute", "l1", "-r", "none", "-f", form, "--", *inputs),
            cwd=data,
            env=environment(),
            input=(data / "t.csv").read_bytes(),
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert done.stderr == b""
        return done.stdout

    @pytest.mark.parametrize("form", BINARY)
    def test_arrays_and_text(self, data: Path, form: str) -> None:
        expected = np.abs(np.load(data / "p.npy") - np.load(data / "y.npy"))
        np.testing.assert_array_equal(
            read(form, self.compute(data, form, "p.npy", "y.npy")), expected
        )
        for inputs in (("t.csv#p", "t.csv#y"), ("-#p", "-#y")):
            found = read(form, self.compute(data, form, *inputs))
            np.testing.assert_array_equal(found, expected[:3000])

    @pytest.mark.parametrize("form", BINARY)
    @pytest.mark.parametrize("unbuffered", ["", "1"])
    def test_a_reader_that_leaves(self, data: Path, form: str, unbuffered: str) -> None:
        line = (
            f"export PYTHONUNBUFFERED={unbuffered};"
            f" lossctl compute l1 p.npy y.npy -r none -f {form} | head -c 100 | wc -c;"
            ' echo "${PIPESTATUS[0]}"'
        )
        done = run_shell(line, data)
        assert (done.out.split(), done.err) == (["100", "0"], "")

    @pytest.mark.parametrize("form", BINARY)
    def test_behind_other_output(self, data: Path, form: str) -> None:
        """A file that standard output stands in may have something in it already."""
        line = f"(printf head; lossctl compute l1 t.csv#p t.csv#y -r none -o - -f {form}) > out"
        assert run_shell(line, data).err == ""
        content = (data / "out").read_bytes()
        assert content.startswith(b"head")
        assert len(read(form, content[4:])) == 3000

    def test_a_terminal_is_refused(self, data: Path) -> None:
        for form in BINARY:
            done = run_on_terminal("compute", "l1", "p.npy", "y.npy", "-f", form, cwd=data)
            assert (done.code, done.out) == (2, "")
            assert f"{form} is a binary format, and standard output is a terminal" in done.err
            assert f"-o FILE.{form}" in done.err

    def test_a_chain(self, data: Path) -> None:
        """What comes out goes in again."""
        line = (
            "lossctl compute l1 p.npy y.npy -r none -f arrow"
            " | lossctl compute l1 -f value -- -#loss -#loss"
        )
        assert run_shell(line, data).out == "0.0\n"

    def test_an_unknown_format(self, data: Path) -> None:
        done = run_shell("lossctl compute l1 p.npy y.npy -f parket", data)
        assert (done.code, done.out) == (2, "")
        assert "unrecognised format 'parket'\n  Did you mean parquet" in done.err
