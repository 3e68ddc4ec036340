"""Every format of the command line, printed and in files."""

from __future__ import annotations

import csv
import gzip
import io
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lossctl
from lossctl.losses.core.registry import registry
from tests.support.command_line import (
    SAMPLE_DATA,
    compute,
    read_json,
    read_table,
    run,
    save,
)
from tests.support.small_files import ERRORS, PREDICTED, TRUE

FIRST = ("compute", "ce", "preds.npy", "labels.npy", "--ignore-index", "0")
LOSSES = sorted(registry())


class TestFormats:
    def test_value_is_the_shortest_that_reads_back(self, here: Path) -> None:
        done = compute("mse", "p.npy", "y.npy", "-f", "value")
        assert done.out == f"{float(lossctl.compute('mse', PREDICTED, TRUE))!r}\n"
        many = compute("mse", "p.npy", "y.npy", "-f", "value", "-r", "none")
        assert many.out == "".join(f"{error!r}\n" for error in ERRORS.tolist())

    def test_json(self, here: Path) -> None:
        record = read_json(compute("huber", "p.npy", "y.npy", "--delta", 0.5, "-f", "json").out)
        assert record["format"] == "lossctl.result/1"
        assert record["version"] == lossctl.__version__
        assert record["name"] == "huber(delta=0.5)"
        assert record["options"] == {"delta": 0.5}
        expected = lossctl.compute("huber", PREDICTED, TRUE, delta=0.5)
        assert record["value"] == expected.value
        assert (record["counted"], record["denominator"], record["shape"]) == (4, 4, [4])
        assert record["inputs"][1] == {"name": "target", "source": "y.npy", "shape": [4]}

    def test_json_of_elements(self, here: Path) -> None:
        record = read_json(compute("mse", "p.npy", "y.npy", "-r", "none", "-f", "json").out)
        assert record["elements"] == ERRORS.tolist()
        assert (record["reduction"], record["value"]) == ("none", None)

    def test_jsonl(self, here: Path) -> None:
        one = compute("mse", "p.npy", "y.npy", "-f", "jsonl").out
        assert one.count("\n") == 1
        assert read_json(one)["value"] == lossctl.compute("mse", PREDICTED, TRUE).value
        many = compute("mse", "p.npy", "y.npy", "-f", "jsonl", "-r", "none").out
        assert [read_json(line) for line in many.splitlines()] == [
            {"sample": sample, "loss": error} for sample, error in enumerate(ERRORS.tolist())
        ]

    @pytest.mark.parametrize(("form", "delimiter"), [("csv", ","), ("tsv", "\t")])
    def test_delimited(self, here: Path, form: str, delimiter: str) -> None:
        reduced = compute("mse", "p.npy", "y.npy", "-f", form).out
        (row,) = csv.DictReader(io.StringIO(reduced), delimiter=delimiter)
        assert float(row["value"]) == lossctl.compute("mse", PREDICTED, TRUE).value
        assert (row["name"], row["reduction"], row["counted"]) == ("mse", "mean", "4")
        many = compute("mse", "p.npy", "y.npy", "-f", form, "-r", "none").out
        rows = list(csv.DictReader(io.StringIO(many), delimiter=delimiter))
        assert [float(row["loss"]) for row in rows] == ERRORS.tolist()
        assert [row["sample"] for row in rows] == list("0123")

    def test_nan_and_infinity(self, here: Path) -> None:
        name = save(here, "odd", [math.nan, math.inf, 0.0, 0.0])
        done = compute("l1", name, "y.npy", "-r", "none", "-f", "json")
        assert read_json(done.out)["elements"][:2] == ["NaN", "Infinity"]
        done = compute("l1", name, "y.npy", "-r", "none", "-f", "value")
        assert done.out.split()[:2] == ["nan", "inf"]

    def test_table_of_elements_of_several_axes(self, here: Path) -> None:
        done = run("compute", "ce", "segmentation_logits.npy", "segmentation_labels.npy",
                   "--ignore-index", 255, "-r", "none", "--limit", 2, cwd=SAMPLE_DATA)  # fmt: skip
        assert done.code == 0
        assert re.search(r"0 +│ +0 +│ +1 +│", done.out)
        assert f"{8 * 24 * 30 - 2:,}".replace(",", "") in done.out.replace(",", "")

    def test_limit(self, here: Path) -> None:
        name = save(here, "many", np.arange(50.0))

        def rows(*options: object) -> tuple[int, str]:
            done = compute("l1", name, name, "-r", "none", *options)
            assert done.code == 0
            return len(re.findall(r"^│ +\d+ │", done.out, re.MULTILINE)), done.out

        assert rows()[0] == 20
        assert "30 more" in rows()[1]
        assert rows("--limit", 3)[0] == 3
        assert rows("--limit", 0)[0] == 50
        assert " more" not in rows("--limit", 50)[1]
        assert (
            compute("l1", name, name, "-r", "none", "--limit", 3, "-f", "csv").out.count("\n") == 51
        )

    @pytest.mark.parametrize("precision", [1, 3, 12, 17])
    def test_precision(self, here: Path, precision: int) -> None:
        done = compute("mse", "p.npy", "y.npy", "--precision", precision)
        assert read_table(done.out)["value"] == f"{ERRORS.mean():.{precision}g}"
        machine = compute("mse", "p.npy", "y.npy", "--precision", precision, "-f", "value")
        assert machine.value == lossctl.compute("mse", PREDICTED, TRUE).value

    @pytest.mark.parametrize(
        ("reduction", "expected"),
        [
            ("mean", ERRORS.mean()),
            ("sum", ERRORS.sum()),
            ("batchmean", ERRORS.sum() / 4),
            ("sum_over_batch_size", ERRORS.mean()),
            ("mean_with_sample_weight", ERRORS.mean()),
        ],
    )
    @pytest.mark.parametrize("flag", ["-r", "--reduction"])
    def test_reductions(self, here: Path, reduction: str, expected: float, flag: str) -> None:
        done = compute("mse", "p.npy", "y.npy", flag, reduction, "-f", "value")
        assert done.value == pytest.approx(expected, rel=1e-15)

    def test_table_names_the_denominator(self, here: Path) -> None:
        logits = save(here, "x", np.random.default_rng(0).normal(size=(4, 3)))
        labels = save(here, "t", [0, 1, 2, 1])
        done = compute("ce", logits, labels, "--weight", "0.5,1,2")
        assert read_table(done.out)["denominator"] == "4.5 (Σ weight[target])"
        weighted = compute(
            "mse", "p.npy", "y.npy", "--sample-weight", save(here, "w", [1, 2, 3, 4])
        )
        assert read_table(weighted.out)["denominator"] == "10 (Σ sample weight)"


class TestOutputFiles:
    def read(self, path: Path) -> Any:
        """Return the per-element losses in a file of any format."""
        name, *compression = path.name.split(".")[1:]
        if name == "npy":
            return np.load(path)
        if name == "parquet":
            return pq.read_table(path)["loss"].to_numpy()
        content = path.read_bytes()
        if compression == ["gz"]:
            content = gzip.decompress(content)
        if compression == ["zst"]:
            content = pa.CompressedInputStream(pa.BufferReader(content), "zstd").read()
        text = content.decode()
        if name == "json":
            return np.array(read_json(text)["elements"])
        if name == "jsonl":
            return np.array([read_json(line)["loss"] for line in text.splitlines()])
        rows = csv.DictReader(io.StringIO(text), delimiter="\t" if name == "tsv" else ",")
        return np.array([float(row["loss"]) for row in rows])

    @pytest.mark.parametrize(
        "suffix",
        [
            "npy",
            "csv",
            "tsv",
            "parquet",
            "json",
            "jsonl",
            "csv.gz",
            "tsv.gz",
            "json.gz",
            "jsonl.gz",
            "csv.zst",
            "json.zst",
        ],
    )
    def test_the_suffix_picks_the_format(self, here: Path, suffix: str) -> None:
        target = here / f"out.{suffix}"
        done = compute("mse", "p.npy", "y.npy", "-r", "none", "-o", target)
        assert (done.code, done.out, done.err) == (0, "", "")
        assert np.array_equal(self.read(target), ERRORS)
        target.unlink()
        done = compute("mse", "p.npy", "y.npy", "--output", target)
        assert (done.code, done.out, done.err) == (0, "", "")
        assert target.stat().st_size > 0

    def test_npy_has_the_shape_of_the_losses(self, here: Path) -> None:
        names = (SAMPLE_DATA / f"segmentation_{part}.npy" for part in ("logits", "labels"))
        options = ("--ignore-index", 255, "-r", "none", "-o", "out.npy")
        assert compute("ce", *names, *options).code == 0
        assert np.load(here / "out.npy").shape == (8, 24, 30)

    @pytest.mark.parametrize("form", ["csv", "value", "table", "json"])
    def test_a_name_without_suffix_takes_the_format(self, here: Path, form: str) -> None:
        done = compute("mse", "p.npy", "y.npy", "-f", form, "-o", "result")
        assert (done.code, done.out) == (0, "")
        assert (here / "result").read_text() == compute("mse", "p.npy", "y.npy", "-f", form).out

    def test_an_old_file_is_replaced_only_by_a_whole_one(self, here: Path) -> None:
        (here / "out.csv").write_text("old\n")
        labels = np.zeros(300_000, int)
        labels[-1] = 7
        names = save(here, "x", np.zeros((300_000, 2))), save(here, "t", labels)
        before = sorted(here.iterdir())
        done = compute("ce", *names, "-r", "none", "-o", "out.csv")
        assert done.code == 3
        assert (here / "out.csv").read_text() == "old\n"
        assert sorted(here.iterdir()) == before
        assert compute("mse", "p.npy", "y.npy", "-o", "out.csv").code == 0
        assert (here / "out.csv").read_text() != "old\n"

    def test_a_warning_comes_with_the_file(self, here: Path) -> None:
        name = save(here, "odd", [math.nan, 0.0, 0.0, 0.0])
        done = compute("l1", name, "y.npy", "-o", "out.json")
        assert (done.code, done.out) == (0, "")
        assert len(done.warnings) == 1

    def test_output_into_a_directory_that_is_read_only(self, here: Path) -> None:
        done = compute("mse", "p.npy", "y.npy", "-o", "/proc/out.json")
        assert (done.code, done.out) == (4, "")
        assert "/proc/out.json" in done.err
