"""The promises at full size: memory that stays flat, and sums of which no bit depends on the way.

Slow: the files have hundreds of megabytes. Memory is limited in a process of its own to what its
libraries take and 600 MiB of address space more, in which none of the files would fit.
"""

from __future__ import annotations

import gzip
import json
import math
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.feather as pf
import pyarrow.parquet as pq
import pytest

import lossctl
from tests.benchmarks.processes import Process
from tests.support.command_line import command, environment
from tests.support.peak_memory import measure_peak

pytestmark = pytest.mark.slow

LIMITED = """
import json, pathlib, re, resource, sys
import numpy, pyarrow, pyarrow.csv, pyarrow.parquet, lossctl, lossctl.api.computation
def status(key):
    text = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(key + r":\\s+(\\d+)", text)[1]) * 1024
room = status("VmSize") + 600 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (room, room))
before = status("VmHWM")
result = lossctl.compute(sys.argv[1], *sys.argv[2:], threads=2)
print(json.dumps([result.value, (status("VmHWM") - before) / 2**20]))
"""


def run_limited(*words: object) -> tuple[float, float]:
    """Return the value, and the MiB that a run took beyond its libraries."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LIMITED, *map(str, words)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    value, grown = json.loads(done.stdout)
    return value, grown


def bits(value: float | None) -> str:
    """Return the bits of a value."""
    assert value is not None
    return struct.pack(">d", value).hex()


def test_four_gigabytes_twice(tmp_path: Path) -> None:
    """The files are sparse: nothing of their zeros is on the disk, but all of it is read."""
    size = 1_000_000_000
    for name, number in (("p", 1), ("y", 3)):
        mapped = np.lib.format.open_memmap(tmp_path / f"{name}.npy", "w+", np.float32, (size,))
        mapped[:: size // 10] = number
        del mapped
    value, grown = run_limited("mse", tmp_path / "p.npy", tmp_path / "y.npy")
    assert value == 40 / size
    assert grown < 200


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pa.Table]:
    """Return ten million rows of mixed magnitude, in several formats."""
    folder = tmp_path_factory.mktemp("table")
    random, rows = np.random.default_rng(5), 10_000_000
    columns = {
        name: random.normal(size=rows) * 10.0 ** random.integers(-8, 8, rows) for name in "py"
    }
    table = pa.table(columns)
    pq.write_table(table, folder / "t.parquet")
    pf.write_feather(table, str(folder / "t.arrow"), compression="uncompressed")
    pc.write_csv(table, folder / "t.csv")
    for name in "py":
        np.save(folder / f"{name}.npy", columns[name])
        for number, part in enumerate(np.split(columns[name], [1, 4_000_001, 4_000_002])):
            np.save(folder / f"{name}-{number}.npy", part)
    return folder, table


def test_ten_million_rows_have_the_same_bits_everywhere(table: tuple[Path, pa.Table]) -> None:
    folder, _ = table
    seen: dict[str, str] = {}
    for threads in (1, 2, 8):
        one = lossctl.compute("l1", folder / "p.npy", folder / "y.npy", threads=threads)
        seen[f"{threads} threads"] = bits(one.value)
    for suffix in ("parquet", "arrow", "csv"):
        words = [f"{folder}/t.{suffix}#{name}" for name in "py"]
        seen[suffix] = bits(lossctl.compute("l1", *words).value)
    shards = [f"{folder}/{name}-*.npy" for name in "py"]
    seen["shards"] = bits(lossctl.compute("l1", *shards).value)
    with (folder / "t.csv").open("rb") as stream:
        piped = subprocess.run(
            command("compute", "l1", "-#p", "-#y", "-f", "value"),
            stdin=stream, env=environment(), capture_output=True, text=True, check=True,
        )  # fmt: skip
    seen["standard input"] = bits(float(piped.stdout))
    assert set(seen.values()) == {seen["1 threads"]}, seen


@pytest.mark.parametrize("suffix", ["csv", "parquet", "arrow"])
def test_ten_million_rows_in_little_memory(table: tuple[Path, pa.Table], suffix: str) -> None:
    folder, _ = table
    value, grown = run_limited("l1", *(f"{folder}/t.{suffix}#{name}" for name in "py"))
    assert value == lossctl.compute("l1", folder / "p.npy", folder / "y.npy").value
    assert grown < 200


@pytest.mark.parametrize("suffix", ["npy", "csv", "parquet", "jsonl"])
def test_elements_of_ten_million_rows_in_little_memory(
    table: tuple[Path, pa.Table], tmp_path: Path, suffix: str
) -> None:
    folder, columns = table
    target = tmp_path / f"losses.{suffix}"
    small = tmp_path / "small.npy"
    np.save(small, np.zeros(3))
    least = peak_of("compute", "l1", small, small, "-r", "none", "-o", tmp_path / f"x.{suffix}")
    words = (folder / "p.npy", folder / "y.npy", "-r", "none", "-o", target, "-j", 8)
    assert peak_of("compute", "l1", *words) - least < 200
    if suffix == "npy":
        losses = np.load(target, mmap_mode="r")
        assert losses.shape == (columns.num_rows,)
        assert losses[-1] == abs(columns["p"][-1].as_py() - columns["y"][-1].as_py())


ALLOWED = 200 << 20
GROUPED = 250 << 20
"""The evaluator's own: the libraries that read Parquet and make slices are within it."""


@pytest.fixture(scope="module")
def start() -> int:
    """Return the memory of a process that does nothing."""
    return measure_peak("--version")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a directory of files that were written in as large pieces as can be."""
    folder = tmp_path_factory.mktemp("pieces")
    random = np.random.default_rng(11)
    rows = 8_000_000
    long = pa.table({name: random.normal(size=rows) for name in "pt"})
    for codec in ("lz4", "zstd", "uncompressed"):
        pf.write_feather(long, str(folder / f"{codec}.arrow"), codec, chunksize=rows)
        options = pa.ipc.IpcWriteOptions(compression=None if codec == "uncompressed" else codec)
        with pa.ipc.new_stream(folder / f"{codec}.arrows", long.schema, options=options) as writer:
            writer.write_table(long)
    pq.write_table(long, folder / "long.parquet", row_group_size=rows)
    text = pa.BufferOutputStream()
    pc.write_csv(long.slice(0, rows // 2), text)
    (folder / "long.csv").write_bytes(text.getvalue())
    (folder / "long.csv.gz").write_bytes(gzip.compress(text.getvalue(), 1))
    (folder / "long.csv.zst").write_bytes(pa.compress(text.getvalue(), "zstd", asbytes=True))
    lines = "".join(f'{{"p": {row / 7}, "t": {row}}}\n' for row in range(1_500_000)).encode()
    (folder / "long.jsonl").write_bytes(lines)
    (folder / "long.jsonl.gz").write_bytes(gzip.compress(lines, 1))
    (folder / "long.jsonl.zst").write_bytes(pa.compress(lines, "zstd", asbytes=True))
    rows = 300_000
    wide = pa.table({f"logit_{place}": random.normal(size=rows) for place in range(100)})
    wide = wide.append_column("label", pa.array(random.integers(0, 100, rows)))
    pq.write_table(wide, folder / "wide.parquet", row_group_size=rows)
    pf.write_feather(wide, str(folder / "wide.arrow"), "lz4", chunksize=rows)
    with pa.ipc.new_stream(folder / "wide.arrows", wide.schema) as writer:
        writer.write_table(wide)
    yield folder
    shutil.rmtree(folder)


LONG = [
    *("lz4.arrow", "zstd.arrow", "uncompressed.arrow", "lz4.arrows", "uncompressed.arrows"),
    *("long.parquet", "long.csv", "long.csv.gz", "long.csv.zst"),
    *("long.jsonl", "long.jsonl.gz", "long.jsonl.zst"),
]
WIDE = ["wide.parquet", "wide.arrow", "wide.arrows"]


@pytest.mark.parametrize("threads", [2, 8])
@pytest.mark.parametrize("piped", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("name", LONG + WIDE)
def test_pieces_that_are_larger_than_the_memory(
    folder: Path, start: int, name: str, piped: bool, threads: int
) -> None:
    path = folder / name
    shown = "-" if piped else path
    loss, first, second = ("mse", "p", "t") if name in LONG else ("ce", "logit_0:logit_99", "label")
    words = ("compute", loss, "-j", threads, "-f", "value", "--")
    stdin = path if piped else None
    peak = measure_peak(*words, f"{shown}#{first}", f"{shown}#{second}", stdin=stdin)
    assert (peak - start) >> 20 < ALLOWED >> 20


@pytest.mark.parametrize("name", ["wide.parquet", "lz4.arrow", "long.csv.zst"])
def test_elements_of_pieces_that_are_larger_than_the_memory(
    folder: Path, start: int, name: str, tmp_path: Path
) -> None:
    loss, first, second = ("mse", "p", "t") if name in LONG else ("ce", "logit_0:logit_99", "label")
    path, target = folder / name, tmp_path / "losses.npy"
    words = ("compute", loss, f"{path}#{first}", f"{path}#{second}", "-r", "none", "-j", 2)
    peak = measure_peak(*words, "-o", target)
    assert (peak - start) >> 20 < ALLOWED >> 20
    assert np.load(target, mmap_mode="r").size >= 300_000


def test_ten_thousand_groups_in_flat_memory(tmp_path: Path) -> None:
    """The launcher is small, unlike this process, so that the peak is that of the evaluation."""
    least = Process("start", tuple(command("--version")), tmp_path).turn().memory
    assert least is not None
    peaks = []
    for rows in (1_000_000, 10_000_000):
        path, random = tmp_path / f"{rows}.parquet", np.random.default_rng(rows)
        error, group = random.normal(size=rows), random.integers(10_000, size=rows)
        columns = {"p": error, "t": np.zeros(rows), "group": group}
        pq.write_table(pa.table(columns), path)
        words = ("--pred", "p", "--target", "t", "--by", "group", "--loss", "mse", "-j", 2)
        target = tmp_path / f"{rows}.csv"
        run = command("evaluate", path, *words, "-o", target)
        peak = Process("evaluate", tuple(run), tmp_path).turn().memory
        assert peak is not None
        peaks.append(peak - least)
        path.unlink()
    rows_of = pc.read_csv(target).to_pandas().query("record == 'slice'").set_index("group")
    found, counts = rows_of.sort_index(), np.bincount(group)
    assert found.rows.tolist() == counts.tolist()
    np.testing.assert_allclose(found.value, np.bincount(group, error**2) / counts, rtol=1e-12)
    assert peaks[1] >> 20 < GROUPED >> 20
    assert peaks[1] < 1.25 * peaks[0], "memory grows with the rows"


@pytest.mark.parametrize("columns", [100, 1000, 5000])
def test_columns_one_after_another(tmp_path: Path, start: int, columns: int) -> None:
    rows = 50_000_000 // columns
    path, labels = tmp_path / "x.npy", tmp_path / "labels.npy"
    array = np.lib.format.open_memmap(path, "w+", np.float64, (rows, columns), fortran_order=True)
    array[:, ::7] = 1
    del array
    np.save(labels, np.arange(rows) % columns)
    peak = measure_peak("compute", "ce", path, labels, "-j", 2, "-f", "value")
    path.unlink()
    assert (peak - start) >> 20 < ALLOWED >> 20


@pytest.mark.parametrize("piped", [False, True], ids=["file", "pipe"])
def test_one_sample_of_a_gigabyte(tmp_path: Path, start: int, piped: bool) -> None:
    path = tmp_path / "x.npy"
    np.lib.format.open_memmap(path, "w+", np.float32, (1, 32_768, 8192))[0, ::100] = 1
    first = "-" if piped else path
    words = ("compute", "mse", "-j", 2, "-f", "value", "--", first, path)
    peak = measure_peak(*words, stdin=path if piped else None)
    path.unlink()
    assert (peak - start) >> 20 < ALLOWED >> 20


def peak_of(*words: object) -> float:
    """Return the peak of a process's memory, in MiB."""
    script = (
        "import atexit, pathlib, re, sys\n"
        "def tell():\n"
        "    status = pathlib.Path('/proc/self/status').read_text()\n"
        "    print(re.search(r'VmHWM:\\s+(\\d+)', status)[1], file=sys.stderr)\n"
        "import lossctl.cli as cli\n"
        "cli._leave_at_once = lambda code: sys.exit(code)\n"
        "atexit.register(tell)\n"
        "cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, words)],
        env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stderr.split()[-1]) / 1024


def test_a_hundred_million_numbers_that_cancel() -> None:
    """Single precision gives nothing here, and a running sum in double a wrong last digit."""
    size = 100_000_000
    random = np.random.default_rng(9)
    target = (random.random(size, np.float32) * 2 - 1) * np.float32(10) ** random.integers(
        -6, 7, size
    ).astype(np.float32)
    target[1::2] = -target[::2]
    target[::20_000_000] += np.float32(1e-3)
    rate = np.full(size, -1000, np.float32)  # exp(-1000) is 0, so each loss is 1000 * target
    values = [
        lossctl.compute("poisson_nll", rate, target, threads=threads, reduction="sum").value
        for threads in (1, 2, 8)
    ]
    assert len({bits(value) for value in values}) == 1
    exact = math.fsum(1000 * target.astype(np.float64))
    assert values[0] == pytest.approx(exact, rel=1e-6)
    naive = float(np.add.reduce(np.float32(1000) * target, dtype=np.float32))
    assert abs(naive - exact) > 1e-3 * abs(exact)
