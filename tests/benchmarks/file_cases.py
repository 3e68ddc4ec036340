"""Losses of files: the cases of the comparison of whole processes, each a command line."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.benchmarks import arrays
from tests.benchmarks.arrays import Generator
from tests.benchmarks.contestants import (
    DUCKDB,
    LOSSCTL,
    LOSSCTL_FLOAT32,
    NUMPY,
    NUMPY_MAPPED,
    PANDAS,
    PANDAS_PYARROW,
    SKLEARN,
    TORCH,
)
from tests.benchmarks.processes import read_value

Words = tuple[str, ...]


@dataclass(frozen=True)
class FileCase:
    """One question about files, and the command with which each contestant answers it.

    ``write`` makes the files of a size in a directory; ``bytes_each`` is what one of ``unit``
    takes there at most. ``read`` makes one number of what a command prints, to compare it by.
    A case that is not ``sized`` has no files, and is run once.
    """

    name: str
    title: str
    commands: dict[str, Words]
    large: int = 0
    unit: str = ""
    bytes_each: int = 0
    write: Callable[[Path, Generator, int], None] = lambda directory, rng, count: None
    read: Callable[[str], float | None] = read_value

    @property
    def sized(self) -> bool:
        """Whether the case has data."""
        return self.large > 0


def lossctl(*words: str) -> Words:
    """Return the command line of lossctl."""
    return (sys.executable, "-m", "lossctl", *words)


def python(*lines: str) -> Words:
    """Return the command line of a Python one-liner."""
    return (sys.executable, "-c", "; ".join(lines))


def write_pair(directory: Path, rng: Generator, count: int) -> None:
    """Write two vectors of float32."""
    np.save(directory / "input.npy", arrays.normal(rng, count))
    np.save(directory / "target.npy", arrays.normal(rng, count))


def write_classes(directory: Path, rng: Generator, count: int) -> None:
    """Write logits of ten classes, and class indices."""
    logits, target = arrays.classes(10)(rng, 10 * count)
    np.save(directory / "logits.npy", logits)
    np.save(directory / "target.npy", target)


def write_csv(directory: Path, rng: Generator, count: int) -> None:
    """Write the table as CSV, with every digit."""
    from pyarrow.csv import write_csv as write

    write(make_table(rng, count), directory / "eval.csv")


def write_parquet(directory: Path, rng: Generator, count: int) -> None:
    """Write the table as Parquet, as pyarrow does by default."""
    from pyarrow import parquet

    parquet.write_table(make_table(rng, count), directory / "eval.parquet")


def make_table(rng: Generator, count: int) -> object:
    """Return a table of an id, a prediction and a target."""
    import pyarrow as pa

    prediction = rng.standard_normal(count)
    return pa.table(
        {
            "id": np.arange(count),
            "prediction": prediction,
            "target": prediction + rng.standard_normal(count),
        }
    )


def write_groups(directory: Path, rng: Generator, count: int) -> None:
    """Write a prediction, a target and a group for each row, as pyarrow does by default."""
    import pyarrow as pa
    from pyarrow import parquet

    prediction, group = rng.standard_normal(count), rng.integers(GROUPS, size=count)
    noise = rng.standard_normal(count) * (1 + group / GROUPS)
    columns = {"prediction": prediction, "target": prediction + noise, "group": group}
    parquet.write_table(pa.table(columns), directory / "eval.parquet")


def read_groups(text: str) -> float | None:
    """Return a sum in which the value of each group has a weight of its own.

    >>> read_groups("group,value\\n7,0.5\\n2,0.25\\n")
    7.75
    >>> read_groups("record,group,value\\nwhole,,0.3\\nslice,2,0.25\\n")
    1.75
    """
    rows = [row for row in csv.DictReader(text.splitlines()) if row.get("group")]
    try:
        return sum((5 + int(row["group"])) * float(row["value"]) for row in rows) if rows else None
    except (KeyError, TypeError, ValueError):
        return None


def _duckdb_mse(file: str) -> Words:
    squares = "(prediction - target) * (prediction - target)"
    query = f"select avg({squares}) from '{file}'"  # noqa: S608 - a name of ours
    return python("import duckdb", f'print(duckdb.sql("{query}").fetchall()[0][0])')


def _pandas_mse(read: str) -> Words:
    return python(
        "import pandas as pd",
        f"t = pd.{read}",
        "print(((t.prediction - t.target) ** 2).mean())",
    )


GROUPS = 10_000
COLUMNS = "['prediction', 'target']"
LOAD_PAIR = "a, b = np.load('input.npy'), np.load('target.npy')"
MAP_PAIR = "a, b = np.load('input.npy', mmap_mode='r'), np.load('target.npy', mmap_mode='r')"
LOAD_CLASSES = "x, y = np.load('logits.npy'), np.load('target.npy')"
MAP_CLASSES = "x, y = np.load('logits.npy', mmap_mode='r'), np.load('target.npy')"
SUBTRACT_LARGEST = "x = x - x.max(1, keepdims=True)"
CROSS_ENTROPY = "print((np.log(np.exp(x).sum(1)) - x[np.arange(len(y)), y]).mean())"
PAIR = ("compute", "mse", "input.npy", "target.npy", "-f", "value")
CLASSES = ("compute", "ce", "logits.npy", "target.npy", "-f", "value")

_ALL = (
    FileCase(
        "start",
        "Start-up alone: `lossctl --version`, and the imports of the others",
        {
            LOSSCTL: lossctl("--version"),
            TORCH: python("import torch"),
            NUMPY: python("import numpy"),
            PANDAS: python("import pandas"),
            SKLEARN: python("import sklearn.metrics"),
            DUCKDB: python("import duckdb"),
        },
    ),
    FileCase(
        "mse-npy",
        "Mean squared error of two NPY files of float32",
        {
            LOSSCTL: lossctl(*PAIR),
            LOSSCTL_FLOAT32: lossctl(*PAIR, "--dtype", "float32"),
            TORCH: python(
                "import numpy as np, torch",
                "a, b = (torch.from_numpy(np.load(f)) for f in ('input.npy', 'target.npy'))",
                "print(torch.nn.functional.mse_loss(a, b).item())",
            ),
            NUMPY: python("import numpy as np", LOAD_PAIR, "print(((a - b) ** 2).mean())"),
            NUMPY_MAPPED: python("import numpy as np", MAP_PAIR, "print(((a - b) ** 2).mean())"),
            SKLEARN: python(
                "import numpy as np, sklearn.metrics as m",
                LOAD_PAIR,
                "print(m.mean_squared_error(b, a))",
            ),
        },
        large=100_000_000,
        unit="numbers",
        bytes_each=8,
        write=write_pair,
    ),
    FileCase(
        "ce-npy",
        "Cross entropy of ten classes, logits of float32 and class indices in NPY files",
        {
            LOSSCTL: lossctl(*CLASSES),
            LOSSCTL_FLOAT32: lossctl(*CLASSES, "--dtype", "float32"),
            TORCH: python(
                "import numpy as np, torch",
                "x, y = (torch.from_numpy(np.load(f)) for f in ('logits.npy', 'target.npy'))",
                "print(torch.nn.functional.cross_entropy(x, y).item())",
            ),
            NUMPY: python("import numpy as np", LOAD_CLASSES, SUBTRACT_LARGEST, CROSS_ENTROPY),
            NUMPY_MAPPED: python(
                "import numpy as np", MAP_CLASSES, SUBTRACT_LARGEST, CROSS_ENTROPY
            ),
            SKLEARN: python(
                "import numpy as np, scipy.special as s, sklearn.metrics as m",
                LOAD_CLASSES,
                "print(m.log_loss(y, s.softmax(x, axis=1), labels=range(10)))",
            ),
        },
        large=4_000_000,
        unit="rows",
        bytes_each=48,
        write=write_classes,
    ),
    FileCase(
        "mse-csv",
        "Mean squared error of two columns of a CSV file",
        {
            LOSSCTL: lossctl(
                "compute", "mse", "eval.csv#prediction", "eval.csv#target", "-f", "value"
            ),
            PANDAS: _pandas_mse(f"read_csv('eval.csv', usecols={COLUMNS})"),
            PANDAS_PYARROW: _pandas_mse(
                f"read_csv('eval.csv', usecols={COLUMNS}, engine='pyarrow')"
            ),
            DUCKDB: _duckdb_mse("eval.csv"),
        },
        large=10_000_000,
        unit="rows",
        bytes_each=56,
        write=write_csv,
    ),
    FileCase(
        "mse-parquet",
        "Mean squared error of two columns of a Parquet file",
        {
            LOSSCTL: lossctl(
                "compute", "mse", "eval.parquet#prediction", "eval.parquet#target", "-f", "value"
            ),
            PANDAS: _pandas_mse(f"read_parquet('eval.parquet', columns={COLUMNS})"),
            DUCKDB: _duckdb_mse("eval.parquet"),
        },
        large=10_000_000,
        unit="rows",
        bytes_each=32,
        write=write_parquet,
    ),
    FileCase(
        "mse-by-group",
        f"Mean squared error of each of {GROUPS:,} groups of a Parquet file, printed as CSV",
        {
            LOSSCTL: lossctl(
                "evaluate", "eval.parquet", "--pred", "prediction", "--target", "target",
                "--by", "group", "--loss", "mse", "-f", "csv",
            ),
            PANDAS: python(
                "import pandas as pd",
                "t = pd.read_parquet('eval.parquet')",
                "squares = (t.prediction - t.target) ** 2",
                "print(squares.groupby(t.group).mean().to_csv(header=['value']))",
            ),
            DUCKDB: python(
                "import duckdb",
                "squares = '(prediction - target) * (prediction - target)'",
                "query = f'select \"group\", avg({squares}) as value'",
                "query += \" from 'eval.parquet' group by all\"",
                "duckdb.sql(query).write_csv('/dev/stdout')",
            ),
        },
        large=10_000_000,
        unit="rows",
        bytes_each=24,
        write=write_groups,
        read=read_groups,
    ),
)  # fmt: skip

FILE_CASES = {case.name: case for case in _ALL}
