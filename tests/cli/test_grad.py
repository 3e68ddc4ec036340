"""lossctl grad: files in the shapes of the inputs, the summary, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lossctl
from lossctl.engine.plan import blocks
from tests.support.command_line import SAMPLE_DATA, read_json, read_table, run, save

RANDOM = np.random.default_rng(3)
TRIPLETS = [f"triplets.npz#{name}" for name in ("anchor", "positive", "negative")]
CTC = [f"ctc.npz#{n}" for n in ("log_probs", "targets", "input_lengths", "target_lengths")]


def test_writes_the_gradient_in_the_shape_of_the_input(tmp_path: Path) -> None:
    target = tmp_path / "grad.npy"
    done = run("grad", "ce", "preds.npy", "labels.npy", "-o", target, cwd=SAMPLE_DATA)
    assert done.code == 0, done.err
    logits, labels = (np.load(SAMPLE_DATA / name) for name in ("preds.npy", "labels.npy"))
    expected = lossctl.gradient("ce", logits, labels)["input"]
    np.testing.assert_array_equal(np.load(target), expected)
    table = read_table(done.out)
    assert float(table["norm"]) == pytest.approx(np.linalg.norm(expected), rel=1e-5)
    assert table["written to"] == str(target)
    assert table["loss"] == "ce"


@pytest.mark.parametrize("threads", [1, 3])
def test_writes_boxes_where_they_belong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    """Time comes first in the file and samples second; images are cut along their rows."""
    monkeypatch.setattr(blocks, "BLOCK_NUMBERS", 60)
    target = tmp_path / "grad.npy"
    done = run("grad", "ctc", *CTC, "-o", target, "-j", threads, cwd=SAMPLE_DATA)
    assert done.code == 0, done.err
    with np.load(SAMPLE_DATA / "ctc.npz") as stored:
        arrays = [stored[name.partition("#")[2]] for name in CTC]
    np.testing.assert_array_equal(np.load(target), lossctl.gradient("ctc", *arrays)["log_probs"])
    logits, labels = RANDOM.normal(size=(2, 3, 9, 7)), RANDOM.integers(0, 3, (2, 9, 7))
    files = save(tmp_path, "logits", logits), save(tmp_path, "labels", labels)
    assert run("grad", "ce", *files, "-o", target, "-j", threads, cwd=tmp_path).code == 0
    monkeypatch.undo()
    expected = lossctl.gradient("ce", logits, labels)["input"]
    np.testing.assert_allclose(np.load(target), expected, rtol=1e-13)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl", "json", "tsv.gz"])
def test_other_formats_hold_the_same(tmp_path: Path, suffix: str) -> None:
    x, y = RANDOM.normal(size=(4, 3)), RANDOM.normal(size=(4, 3))
    files = save(tmp_path, "x", x), save(tmp_path, "y", y)
    target = tmp_path / f"grad.{suffix}"
    assert run("grad", "huber", *files, "-o", target, cwd=tmp_path).code == 0
    expected = lossctl.gradient("huber", x, y)["input"]
    if suffix == "json":
        found = np.array(read_json(target.read_text())["elements"])
    else:
        found = lossctl.compute("l1", f"{target}#gradient", np.zeros(12), reduction="none")
        expected = np.abs(expected).ravel()
    np.testing.assert_array_equal(np.asarray(found), expected)
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(["x.npy", "y.npy", target.name])


def test_several_inputs_have_a_file_each(tmp_path: Path) -> None:
    template = tmp_path / "grad_{input}.npy"
    done = run("grad", "triplet_margin", *TRIPLETS, "-o", template, "-f", "json", cwd=SAMPLE_DATA)
    assert done.code == 0, done.err
    record = read_json(done.out)
    assert record["format"] == "lossctl.gradient/1"
    names = [one["input"] for one in record["gradients"]]
    assert names == ["anchor", "positive", "negative"]
    total = sum(np.load(tmp_path / f"grad_{name}.npy") for name in names)
    np.testing.assert_allclose(total, 0, atol=1e-15)  # moving all three alike changes nothing
    one_file = run("grad", "triplet_margin", *TRIPLETS, "-o", tmp_path / "g.npy", cwd=SAMPLE_DATA)
    assert one_file.code == 2
    assert "grad_{input}.npy" in one_file.err
    assert not (tmp_path / "g.npy").exists()


@pytest.mark.parametrize("words", [["ctc", *CTC], ["ce", "preds.npy", "labels.npy"]])
def test_check_is_reported(words: list[str]) -> None:
    done = run("grad", *words, "--check", cwd=SAMPLE_DATA)
    assert done.code == 0, done.err
    table = read_table(done.out)
    assert table["check"] == "agrees"
    assert table["compared"].endswith("elements with finite differences")
    declared, numerical = float(table["declared gradient"]), float(table["finite difference"])
    assert declared == pytest.approx(numerical, abs=1e-8)
    said = float(table["largest difference"].partition(" at ")[0])
    assert said == pytest.approx(abs(declared - numerical), rel=0.01, abs=1e-14)


def test_a_failed_check_exits_with_1(tmp_path: Path) -> None:
    source = tmp_path / "mine.py"
    source.write_text(
        "from lossctl import loss, real\n"
        "@loss('mine', inputs=(real('input', '*'),))\n"
        "def mine(input):\n"
        '    """Return the square."""\n'
        "    return input * input\n"
        "@mine.gradient\n"
        "def slope(input):\n"
        "    return 3 * input\n"
    )
    file = save(tmp_path, "x", np.array([1.0, 2.0]))
    done = run("grad", f"{source}:mine", file, "--check", cwd=tmp_path)
    assert done.code == 1
    assert "differs" in done.err
    assert read_table(done.out)["check"].startswith("DISAGREES")


def test_a_loss_without_a_gradient_gets_differences() -> None:
    done = run(
        "grad", "my_losses.py:wing", "regression.csv#pred_linear", "regression.csv#target",
        "-f", "json", cwd=SAMPLE_DATA,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert read_json(done.out)["numerical"] is True


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["zero_one", "preds.npy", "labels.npy"], "zero_one has no gradient"),
        (["ce", "preds.npy", "labels.npy", "-r", "none"], "gives many"),
        (["ce", "preds.npy", "labels.npy", "-f", "npy"], "add -o - (-f npy -o -)"),
        (["ce", "preds.npy", "labels.npy", "-f", "tabel"], "Did you mean table"),
        (["ce", "-", "labels.npy"], "standard input can be read only once"),
        (["ce", "preds.npy", "labels.npy", "-o", "preds.npy"], "would be overwritten"),
        (
            ["ce", "preds.npy", "labels.npy", "--sample-weight", "probs.npy", "-o", "./probs.npy"],
            "would be overwritten",
        ),
        (["triplet_margin", *TRIPLETS, "-o", "-"], "standard output takes one gradient"),
        (["cros_entropy", "preds.npy", "labels.npy"], "Did you mean cross_entropy"),
        (["ce", "preds.npy", "labels.npy", "--chek"], "Did you mean --check"),
        (["ce", "preds.npy"], "missing TARGET; expected INPUT TARGET"),
        (["ce", "preds.npy"], "-o grad.npy\n  See 'lossctl grad ce --help'."),
        (["ce", "preds.npy", "labels.npy", "-o", "grad.png"], "suffix does not say"),
        (["ce", "preds.npy", "labels.npy", "--part", "1/3"], "has no option --part"),
    ],
)
def test_refuses(words: list[str], message: str) -> None:
    done = run("grad", *words, cwd=SAMPLE_DATA)
    assert done.code == 2
    assert message in done.err
    assert not done.out


def test_broken_data_leave_no_file(tmp_path: Path) -> None:
    logits, labels = RANDOM.normal(size=(5, 3)), np.array([0, 1, 2, 7, 0])
    files = save(tmp_path, "logits", logits), save(tmp_path, "labels", labels)
    done = run("grad", "ce", *files, "-o", tmp_path / "grad.npy", cwd=tmp_path)
    assert done.code == 3
    assert not (tmp_path / "grad.npy").exists()
