"""``lossctl explain``: every loss in every form, the texts as they were reviewed, mistakes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

import lossctl
from lossctl.errors import Exit
from lossctl.losses.core.registry import registry
from tests.support.command_line import (
    SAMPLE_DATA,
    read_json,
    run,
    run_on_terminal,
    run_process,
    run_shell,
    strip_styles,
)
from tests.support.snapshots import check_snapshot, list_snapshots

KEYS = tuple(registry())
SEGMENTS = "segmentation_logits.npy segmentation_labels.npy --ignore-index 255"
CTC = "ctc.npz#log_probs ctc.npz#targets ctc.npz#input_lengths ctc.npz#target_lengths"
PROBABILITIES = "binary.csv#probability binary.csv#target"
TERMINAL = {
    "ce": "ce preds.npy labels.npy --row 831 --label-smoothing 0.1 --weight 1,1,1,1,2,1,1,1,1,1",
    "ce_page": "ce",
    "ce_ignored": "ce preds.npy labels.npy --row 0 --ignore-index 0",
    "ce_place": f"ce {SEGMENTS} --row 2",
    "ctc": f"ctc {CTC} --row 2",
    "bce": f"bce {PROBABILITIES} --row 2 --sample-weight {PROBABILITIES.split(maxsplit=1)[0]}",
    "dice": "keras.dice probs.npy one_hot.npy --row 3",
    "ntxent": "ntxent digits_features.npy labels.npy --temperature 0.5 --row 1",
    "rmse": "rmse regression.csv#pred_forest regression.csv#target --row 7",
    "difference": f"bce {PROBABILITIES} --why-differs keras.binary_crossentropy",
    "same": f"ce {SEGMENTS} --row 1,2,3"
    " --why-differs keras.sparse_categorical_crossentropy:from_logits=true",
}
"""What is shown on a terminal of 80 columns."""

MARKDOWN = {
    "ce": "ce preds.npy labels.npy --row 831 --classes zero,one,two,three,4,5,6,7,8,9",
    "huber_page": "huber",
    "difference": f"bce {PROBABILITIES} --why-differs keras.binary_crossentropy",
    "triplet": "triplet_margin triplets.npz#anchor triplets.npz#positive triplets.npz#negative"
    " --swap --row 0",
}
PIPED = {
    "segments": f"ce {SEGMENTS} --row 2",
    "readings": "ce probs.npy labels.npy --row 0 --why-differs"
    " keras.sparse_categorical_crossentropy",
}


def explain(line: str, *more: str) -> str:
    """Run ``lossctl explain`` in the sample data, without complaint."""
    done = run("explain", *line.split(), *more, cwd=SAMPLE_DATA)
    assert (done.code, done.err) == (0, "")
    return done.out


@pytest.mark.parametrize("name", TERMINAL)
def test_on_a_terminal(name: str) -> None:
    done = run_on_terminal("explain", *TERMINAL[name].split(), cwd=SAMPLE_DATA)
    assert (done.code, done.err) == (0, "")
    text = strip_styles(done.out)
    assert max(len(line) for line in text.splitlines() if line[:1] in "╭│├╰") <= 80
    check_snapshot(f"explain/{name}_terminal.txt", text)


@pytest.mark.parametrize("name", MARKDOWN)
def test_as_markdown(name: str) -> None:
    text = explain(MARKDOWN[name], "-f", "markdown")
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
    check_snapshot(f"explain/{name}.md", text)


@pytest.mark.parametrize("name", PIPED)
def test_in_a_pipe(name: str) -> None:
    done = run("explain", *PIPED[name].split(), cwd=SAMPLE_DATA)
    found = ["899 rows are in [0, 1] and sum to 1"] if name == "readings" else []
    assert done.code == 0
    assert [text for one in done.warnings for text in found if text in one] == found
    assert len(done.err.splitlines()) == len(found)
    check_snapshot(f"explain/{name}_piped.txt", done.out)


def test_as_json() -> None:
    text = explain(
        "huber regression.csv#pred_forest regression.csv#target --delta 50 --row 3 -f json"
    )
    check_snapshot("explain/huber.json", text.replace(f'"{lossctl.__version__}"', '"VERSION"'))


def test_no_snapshot_is_left_over() -> None:
    made = {f"{name}_terminal.txt" for name in TERMINAL} | {f"{name}.md" for name in MARKDOWN}
    made |= {f"{name}_piped.txt" for name in PIPED} | {"huber.json"}
    assert list_snapshots("explain") == made


@pytest.mark.parametrize("key", KEYS)
def test_every_loss_is_explained_on_the_sample_data(key: str) -> None:
    line = f"{key} {registry()[key].example} --row 1"
    table = explain(line)
    assert "│ loss" in table
    assert "|---|---|---:|" in explain(line, "-f", "markdown")
    found = read_json(explain(line, "-f", "json"))
    assert (found["format"], found["row"]) == ("lossctl.explanation/1", 1)
    steps = {step["key"]: step["value"] for step in found["steps"]}
    losses = np.asarray(steps["loss"], dtype=float)
    if found["value"] is not None:
        assert losses == pytest.approx(found["value"], rel=1e-12, abs=1e-14)
    assert steps["result"] == found["result"]["value"]


@pytest.mark.parametrize("key", KEYS)
def test_every_loss_has_a_page(key: str) -> None:
    page = explain(key)
    loss = registry()[key]
    for part in (key, loss.summary, *loss.formula.split(";  "), "Steps", f"lossctl explain {key} "):
        assert part in page
    assert "| step | formula |" in explain(key, "-f", "markdown")
    assert read_json(explain(key, "-f", "json"))["steps"][0]["value"] is None


@pytest.mark.parametrize("key", KEYS)
def test_help_ends_with_a_command_that_runs(key: str) -> None:
    text = run("explain", key, "--help", env={"COLUMNS": "300"}).out
    example = re.search(r"For example: +lossctl (explain .*?) *$", text, re.MULTILINE)
    assert example is not None
    done = run(*example[1].split(), cwd=SAMPLE_DATA)
    assert (done.code, done.err) == (0, "")
    for flag in ("--row", "--why-differs", "--sample-weight", "--mask", "--format"):
        assert f"{flag} " in text
    for flag in ("--part", "--limit", "--save-state", "--dtype"):
        assert f"{flag} " not in text


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("cee preds.npy labels.npy --row 1", Exit.USAGE, "there is no loss named 'cee'"),
        ("ce preds.npy labels.npy --row 899", Exit.USAGE, "preds.npy has 899 rows"),
        ("ce preds.npy labels.npy --row -1", Exit.USAGE, "Rows are counted from 0"),
        ("ce preds.npy labels.npy --row x", Exit.USAGE, "'x' is not a row"),
        ("ce preds.npy labels.npy --row 3,1", Exit.USAGE, "row 3 has one loss, and no position 1"),
        (f"ce {SEGMENTS} --row 3,50,1", Exit.USAGE, "losses of shape (24, 30), and none at 50,1"),
        ("ce preds.npy labels.npy", Exit.USAGE, "missing row"),
        ("ce preds.npy --row 0", Exit.USAGE, "missing: target"),
        ("ce --row 0", Exit.USAGE, "row 0 was given without inputs"),
        ("ce --why-differs nll", Exit.USAGE, "ce and nll can only be compared on a row of"),
        ("ce nofile.npy labels.npy --row 0", Exit.FILE, "nofile.npy: there is no such file"),
        ("ce preds.npy labels.npy --rwo 3", Exit.USAGE, "Did you mean --row"),
        ("ce preds.npy labels.npy --row 3 -f csv", Exit.USAGE, "unrecognised format 'csv'"),
        ("ce preds.npy labels.npy --row 3 -o x.csv", Exit.USAGE, "Valid suffixes: .md .json"),
        ("ce preds.npy labels.npy --row 3 -r none", Exit.USAGE, "the reduction is none"),
        ("ce preds.npy labels.npy --row 3 --why-differs xx", Exit.USAGE, "no loss named 'xx'"),
        ("bce binary.csv#logit binary.csv#target --row 0", Exit.DATA, "542 values are outside"),
        (
            "ce preds.npy labels.npy x.npy --row 3",
            Exit.USAGE,
            "unexpected argument x.npy; expected [INPUT] [TARGET]",
        ),
    ],
)
def test_mistakes(line: str, code: int, message: str) -> None:
    done = run("explain", *line.split(), cwd=SAMPLE_DATA)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("error: ")
    assert message in done.err
    assert done.err.count("error") == 1


def test_output_files(tmp_path: Path) -> None:
    files = [str(SAMPLE_DATA / name) for name in ("preds.npy", "labels.npy")]
    for name in ("row.json", "row.json.gz", "row.md"):
        done = run("explain", "ce", *files, "--row", "5", "-o", str(tmp_path / name))
        assert (done.code, done.out, done.err) == (0, "", "")
    assert json.loads((tmp_path / "row.json").read_text())["row"] == 5
    assert (tmp_path / "row.md").read_text().startswith("ce, row 5")
    done = run(
        "explain", "ce", *files, "--why-differs", "perplexity", "-o", str(tmp_path / "d.json")
    )
    assert json.loads((tmp_path / "d.json").read_text())["parting"] == "result"


def test_rows_whose_means_are_the_same() -> None:
    """Each element has a loss of its own in one definition, and a row has in the other."""
    text = explain("mse preds.npy one_hot.npy --why-differs keras.mse")
    assert "no row was given, and their overall means are the same" in text
    assert "They diverge at: loss" in text
    text = explain("brier binary.csv#probability binary.csv#target --why-differs mse")
    assert "no row was given, and they do not differ on any" in text


def test_a_file_that_is_one_row_beside_one_of_many() -> None:
    text = explain(f"l1 {PROBABILITIES} --why-differs cosine_distance")
    assert "They diverge at the first input: a row of l1 has 1 number of it,\n" in text
    assert "\na row of cosine_distance has 569 numbers\n" in text


def test_a_difference_as_json() -> None:
    found = read_json(explain(f"bce {PROBABILITIES} --why-differs keras.bce", "-f", "json"))
    assert found["format"] == "lossctl.explained_difference/1"
    assert (found["parting"], found["row"], found["farthest"]) == ("clipped probability", 461, 461)
    assert found["facts"][0]["fact"] == "clipping"
    assert [step["key"] for step in found["left"]["steps"]] == [
        step["key"] for step in found["steps"] if step["left"] is not None
    ]


def test_a_nan_row(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("p,y\n1,2\nnan,1\n4,inf\n")
    done = run("explain", "mse", "t.csv#p", "t.csv#y", "--row", "1", cwd=tmp_path)
    assert done.code == 0
    assert done.warnings
    assert re.search(r"│ loss +d² +nan │", done.out)
    found = run("explain", "mse", "t.csv#p", "t.csv#y", "--row", "2", "-f", "json", cwd=tmp_path)
    steps = {step["key"]: step["value"] for step in read_json(found.out)["steps"]}
    assert (steps["difference"], steps["loss"]) == ("-Infinity", "Infinity")


def test_many_classes_are_abbreviated_in_a_table_alone(tmp_path: Path) -> None:
    logits = np.random.default_rng(0).normal(size=(2, 32_000))
    np.save(tmp_path / "p.npy", logits)
    np.save(tmp_path / "y.npy", [31_000, 5])
    words = ("explain", "ce", "p.npy", "y.npy", "--row", "1", "--label-smoothing", "0.1")
    table = run(*words, cwd=tmp_path).out
    assert "… 31997 more" in table
    assert len(table.splitlines()) < 25
    steps = read_json(run(*words, "-f", "json", cwd=tmp_path).out)["steps"]
    assert steps[0]["value"] == logits[1].tolist()


def test_standard_input_and_a_pager_that_closes() -> None:
    done = run_shell(
        "cat binary.csv | lossctl explain keras.hinge -#logit -#target --row 5", SAMPLE_DATA
    )
    assert (done.code, done.err) == (0, "")
    assert "2 y − 1, because all labels are 0 or 1" in done.out
    line = "lossctl explain ce preds.npy labels.npy --row 5 | head -n 1"
    assert run_shell(line, SAMPLE_DATA).err == ""


def test_an_encoding_without_symbols() -> None:
    words = ("explain", "ce", "preds.npy", "labels.npy", "--row", "5")
    done = run_process(*words, cwd=SAMPLE_DATA, LC_ALL="C", PYTHONIOENCODING="ascii")
    assert (done.code, done.err) == (0, "")
    assert "sum of all contributions" in done.out
    assert done.out.isascii()


def test_computing_loads_no_explanation() -> None:
    program = (
        "import sys, lossctl.api.computation;"
        "from lossctl.losses.core.registry import registry; registry();"
        "print(*(name for name in sys.modules if name.startswith('lossctl.explanation.')))"
    )
    done = run_python(program)
    assert done.split() == []


def run_python(program: str) -> str:
    import subprocess
    import sys

    from tests.support.command_line import environment

    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_snapshots_are_not_updated_unasked() -> None:
    assert os.environ.get("LOSSCTL_SNAPSHOTS") != "update" or not os.environ.get("CI")
