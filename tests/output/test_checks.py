"""What a check prints, in every format: reviewed texts, and records that programs read."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import numpy as np
import pytest

import lossctl
from lossctl.checks.result import Finding
from lossctl.cli.check import find_loss
from lossctl.losses.core.registry import registry
from tests.support.command_line import (
    SAMPLE_DATA,
    read_json,
    run,
    run_on_terminal,
    run_shell,
    strip_styles,
)
from tests.support.snapshots import check_snapshot

PAGES = {
    "good": ("ce", "preds.npy", "labels.npy"),
    "probabilities": ("ce", "probs.npy", "labels.npy"),
    "proposals": ("digits.parquet#logit_0:logit_9", "digits.parquet#label"),
    "regression": ("regression.csv#pred_linear", "regression.csv#target"),
    "logits": ("bce", "binary.csv#logit", "binary.csv#target"),
    "several": ("keras.categorical_crossentropy", "preds.npy", "labels.npy"),
    "ids": ("ce", "preds.npy", "labels.npy", "--id", "digits.parquet#ink_band"),
    "shapes": ("mse", "preds.npy", "labels.npy"),
    "ctc": ("ctc", *(f"ctc.npz#{one}" for one in ("log_probs", "targets", "input_lengths")),
            "ctc.npz#target_lengths"),
}  # fmt: skip
BROKEN = PAGES["several"]
FORMATS = {"table": "txt", "markdown": "md", "json": "json", "jsonl": "jsonl", "csv": "csv"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_it_was_reviewed(name: str) -> None:
    done = run_on_terminal("check", *PAGES[name], cwd=SAMPLE_DATA)
    assert (done.code, done.err) == (0, "")
    lines = [line.rstrip() for line in strip_styles(done.out).splitlines()]
    check_snapshot(f"check/{name}.txt", "\n".join(lines) + "\n")
    tables = [line for line in lines if line.startswith(("│", "╭"))]
    assert all(len(line) <= 80 for line in tables)


def test_the_help_is_as_it_was_reviewed() -> None:
    done = run("check", "--help", env={"COLUMNS": "80"})
    lines = [line.rstrip() for line in done.out.splitlines()]
    check_snapshot("check/help.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_as_it_was_reviewed(name: str) -> None:
    done = run("check", *BROKEN, "-f", name, cwd=SAMPLE_DATA)
    assert (done.code, done.err) == (0, "")
    check_snapshot(f"check/formats.{FORMATS[name]}", done.out)


def test_json_has_all_of_the_result() -> None:
    shown = read_json(run("check", *BROKEN, "-f", "json", cwd=SAMPLE_DATA).out)
    found = lossctl.check(BROKEN[0], *(SAMPLE_DATA / one for one in BROKEN[1:]))
    assert shown["format"] == "lossctl.check/1"
    assert [one["code"] for one in shown["findings"]] == [one.code for one in found.findings]
    assert set(shown["findings"][0]) == set(Finding.__slots__)
    assert shown["value"] == found.value
    assert shown["passed"] is found.passed is False
    assert len(shown["inputs"]) == 2


def test_flat_records_have_every_finding() -> None:
    full = read_json(run("check", *BROKEN, "-f", "json", cwd=SAMPLE_DATA).out)
    lines = run("check", *BROKEN, "-f", "jsonl", cwd=SAMPLE_DATA).out.splitlines()
    records = [json.loads(line) for line in lines]
    table = list(
        csv.DictReader(io.StringIO(run("check", *BROKEN, "-f", "csv", cwd=SAMPLE_DATA).out))
    )
    for rows in (records, table):
        codes = [one["code"] for one in rows if one["record"] == "finding"]
        assert codes == [one["code"] for one in full["findings"]]
        kinds = {one["record"] for one in rows}
        assert kinds == {"loss", "finding", "input", "baseline"}
    commands = [one["command"] for one in table if one["record"] == "finding"]
    assert commands[0] == " && ".join(full["findings"][0]["commands"])
    assert json.loads(table[1]["evidence"]) == full["findings"][0]["evidence"]


@pytest.mark.parametrize("suffix", ["json", "jsonl", "csv", "tsv", "md", "json.gz"])
def test_files_hold_what_is_printed(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"check.{suffix}"
    done = run("check", *BROKEN, "-o", path, cwd=SAMPLE_DATA)
    assert (done.code, done.out, done.err) == (0, "", "")
    name = {"md": "markdown"}.get(suffix, suffix.removesuffix(".gz"))
    data = path.read_bytes()
    text = (gzip.decompress(data) if suffix.endswith("gz") else data).decode()
    assert text == run("check", *BROKEN, "-f", name, cwd=SAMPLE_DATA).out


def test_nothing_is_cut_in_a_pipe() -> None:
    done = run("check", *BROKEN, cwd=SAMPLE_DATA)
    full = read_json(run("check", *BROKEN, "-f", "json", cwd=SAMPLE_DATA).out)
    for finding in full["findings"]:
        assert finding["message"] in done.out
        assert finding["repair"] in done.out
        for command in finding["commands"]:
            assert f"$ {command}\n" in done.out


def test_commands_stay_in_one_piece_on_a_terminal() -> None:
    done = run_on_terminal("check", *BROKEN, cwd=SAMPLE_DATA, columns=40)
    full = read_json(run("check", *BROKEN, "-f", "json", cwd=SAMPLE_DATA).out)
    shown = strip_styles(done.out)
    for finding in full["findings"]:
        for command in finding["commands"]:
            assert command in shown


@pytest.mark.parametrize(
    "options",
    ["-f json", "-j 2", "--threads 2 --squeeze", "--nan omit", "--id labels.npy", "--progress",
     "--no-squeeze -o /dev/stdout -f json", "--precision 3", "--class-axis 1", "--strict"],
)  # fmt: skip
def test_options_may_stand_before_the_loss(options: str) -> None:
    assert find_loss([*options.split(), "ce", "preds.npy", "labels.npy"]) is registry()["ce"]


@pytest.mark.parametrize("command", ["check", "explain"])
@pytest.mark.parametrize(("default", "shown"), [("value", "table"), ("json", "json")])
def test_a_default_that_is_no_format_of_a_command(command: str, default: str, shown: str) -> None:
    words = (command, "ce", "preds.npy", "labels.npy", *["--row=1"] * (command == "explain"))
    done = run(*words, cwd=SAMPLE_DATA, env={"LOSSCTL_FORMAT": default})
    assert (done.code, done.err) == (0, "")
    assert done.out == run(*words, "-f", shown, cwd=SAMPLE_DATA).out
    refused = run(*words, "-f", "value", cwd=SAMPLE_DATA, env={"LOSSCTL_FORMAT": default})
    assert refused.code == 2


@pytest.mark.parametrize("rows", [1, 3])
def test_a_reader_may_leave_early(rows: int) -> None:
    line = " ".join(BROKEN)
    quiet = run_shell(
        f"lossctl check {line} | head -n {rows}; echo ${{PIPESTATUS[0]}}", SAMPLE_DATA
    )
    assert quiet.out.splitlines()[-1] == "0"
    assert quiet.err == ""
    strict = run_shell(
        f"lossctl check {line} --strict | head -n {rows}; echo ${{PIPESTATUS[0]}}", SAMPLE_DATA
    )
    assert strict.out.splitlines()[-1] == "1"


def test_names_are_not_read_as_markup(tmp_path: Path) -> None:
    name = "[bold]x.npy"
    (tmp_path / name).write_bytes((SAMPLE_DATA / "preds.npy").read_bytes())
    (tmp_path / "y.npy").write_bytes((SAMPLE_DATA / "labels.npy").read_bytes())
    done = run("check", "ce", name, "y.npy", cwd=tmp_path)
    assert name in done.out


def test_a_proposal_that_needs_a_repair_first_is_no_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", 3 * np.eye(4)[np.arange(40) % 4])
    np.save("y.npy", np.arange(40) % 4)
    np.save("from_1.npy", np.arange(40) % 4 + 1)
    assert "$ lossctl compute ce x.npy y.npy\n" in run("check", "x.npy", "y.npy").out
    wrong = run("check", "x.npy", "from_1.npy").out
    assert "$ lossctl compute ce x.npy from_1-fixed.npy\n" in wrong
    assert "$ lossctl compute ce x.npy from_1.npy\n" not in wrong
