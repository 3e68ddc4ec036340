"""Every finding: the defect planted in good data is named, and its commands repair it."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.checks.findings.catalogue import FINDING_TYPES, list_finding_types
from tests.checks.defects import (
    BITS,
    BOXES,
    CLASSES,
    DEFECTS,
    FOUND,
    GOOD,
    IMAGE_LOGS,
    IMAGES,
    LABELS,
    LOG_PROBS,
    LOGITS,
    MAPS,
    PREDICTED,
    PROBS,
    SAMPLES,
    SCORES,
    SHARES,
    SIGNS,
    TRUE,
    Defect,
)
from tests.losses.cases.case import Array
from tests.support.command_line import read_json, run, run_process, run_shell

PYTHON = "python -c "


def check(*words: str) -> dict[str, Any]:
    """Return what a check says."""
    done = run("check", *words, "-f", "json")
    assert done.code == 0, done.err
    found: dict[str, Any] = read_json(done.out)
    return found


def find(found: dict[str, Any], code: str) -> dict[str, Any]:
    """Return the first finding of a code."""
    return next(one for one in found["findings"] if one["code"] == code)


def codes(found: dict[str, Any]) -> list[str]:
    """Return the codes of all findings."""
    return [one["code"] for one in found["findings"]]


@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_wrong_with_good_data(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words, files = GOOD[name]
    Defect("", "", words, files).save(tmp_path)
    assert codes(check(*words)) == []


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda one: f"{one.code}-{one.label}")
def test_a_planted_defect_is_named_and_mended(
    defect: Defect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    defect.save(tmp_path)
    found = check(*defect.words)
    assert defect.code in codes(found)
    if found["value"] is None and found["samples"]:  # what cannot be computed is an error
        assert "error" in [one["severity"] for one in found["findings"]]
    finding = find(found, defect.code)
    assert finding["severity"] == defect.severity
    assert finding["message"]
    assert "\n" not in finding["message"]
    assert bool(finding["commands"]) is defect.repaired
    for command in finding["commands"]:
        repaired = follow(command)
    if defect.repaired:
        assert defect.code not in codes(repaired), find(repaired, defect.code)["message"]


def follow(command: str) -> dict[str, Any]:
    """Do what a command says; of a computation, check what it computes."""
    words = shlex.split(command)
    if command.startswith(PYTHON):
        with contextlib.suppress(SystemExit):
            exec(words[2], {})  # noqa: S102 - the line of the finding itself
        return {}
    assert words[:2] == ["lossctl", "compute"]
    done = run("compute", *words[2:])
    assert done.code == 0, (command, done.err)
    return check(*words[2:])


UNNAMED = [
    ("labels_start_at_1", "ce", LOGITS, LABELS + 1),
    ("label_out_of_range", "ce", LOGITS, np.where(np.arange(SAMPLES) == 3, 9, LABELS)),
    ("one_hot_labels", "ce", LOGITS, np.eye(CLASSES, dtype=np.uint8)[LABELS]),
    ("trailing_axis", "l1", PREDICTED[:, np.newaxis], TRUE),
    ("class_axis", "ce", IMAGES, MAPS),
    ("shifted_rows", "l1", np.roll(PREDICTED, 1), TRUE),
    ("integer_wrap", "ce", LOGITS, np.where(LABELS == 0, 255, LABELS).astype(np.uint8)),
]
"""Defects that are found without a loss, with the loss that is proposed."""


@pytest.mark.parametrize(("code", "loss", "x", "y"), UNNAMED, ids=[one[0] for one in UNNAMED])
def test_a_defect_is_found_without_a_loss(
    code: str, loss: str, x: Array, y: Array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Defect("", "", (), {"x.npy": x, "y.npy": y}).save(tmp_path)
    done = run_process("check", "x.npy", "y.npy", "-f", "json")
    found = read_json(done.out)
    assert (done.code, done.err, found["loss"]) == (0, "", loss)
    for command in find(found, code)["commands"]:
        repaired = follow(command)
    assert code not in codes(repaired)


FITTING = {
    "keras.categorical_crossentropy": (PROBS, np.eye(CLASSES, dtype=np.uint8)[LABELS]),
    "keras.sparse_categorical_crossentropy": (np.exp(IMAGE_LOGS), MAPS),
    "nll": (LOG_PROBS, LABELS),
    "bce": (SHARES, BITS),
    "bce_with_logits": (SCORES, BITS),
    "ce": (LOGITS, LABELS),
    "l1": (PREDICTED, TRUE),
    "giou": (FOUND, BOXES),
    "ctc": tuple(GOOD["ctc"][1].values()),
}


@pytest.mark.parametrize("key", FITTING)
def test_the_loss_that_fits_is_proposed_first(key: str) -> None:
    found = lossctl.check(None, *FITTING[key])
    assert found.loss == found.proposals[0].loss == key
    assert not found.count("error")


@pytest.mark.parametrize("defect", ["mse - y.npy", "bce_with_logits - b.npy", "ce -#a:b -#label"])
def test_repairs_of_standard_input_take_it_again(defect: str, tmp_path: Path) -> None:
    table = "a,b,label\n" + "".join(f"{-x!r},{x!r},{1 + (x > 0)}\n" for x in SCORES.tolist())
    Defect("", "", (), {
        "mse": np.roll(PREDICTED, 1), "y.npy": TRUE, "bce_with_logits": SHARES, "b.npy": BITS,
        "ce": table,
    }).save(tmp_path)  # fmt: skip
    loss = defect.split(maxsplit=1)[0]
    given = tmp_path / (loss if loss == "ce" else f"{loss}.npy")
    line = f"lossctl check {defect} -f json < {given}"
    found = json.loads(run_shell(line, tmp_path).out)
    assert not found["passed"]
    for command in found["findings"][0]["commands"]:
        again = run_shell(f"{command.replace('python', sys.executable)} < {given}", tmp_path)
        assert again.err == ""
    words = shlex.split(command)[2:]
    repaired = json.loads(run_shell(f"lossctl check {shlex.join(words)} -f json < {given}",
                                  tmp_path).out)  # fmt: skip
    assert repaired["passed"]


def test_defects_upon_each_other_are_mended_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one_hot = np.eye(CLASSES, dtype=np.int64)[LABELS][:, np.newaxis]
    Defect("", "", (), {"x.npy": LOGITS, "y.npy": one_hot}).save(tmp_path)
    found = check("nll", "x.npy", "y.npy")
    assert codes(found) == ["trailing_axis", "one_hot_labels", "positive_log_probability"]
    for finding in found["findings"]:
        for command in finding["commands"]:
            if command.startswith(PYTHON):
                follow(command)
    repaired = follow(found["findings"][-1]["commands"][-1])
    assert (repaired["loss"], codes(repaired)) == ("ce", [])


def test_every_finding_is_planted() -> None:
    list_finding_types()
    assert {one.code for one in DEFECTS} == set(FINDING_TYPES)


def test_every_finding_says_what_it_is() -> None:
    for one in list_finding_types():
        assert one.summary.strip(), one.code
        assert one.summary[0].islower() or one.summary.startswith(("(", "NaN"))
        assert not one.summary.endswith(".")
        assert set(one.hides) <= set(FINDING_TYPES), one.code


@pytest.mark.parametrize(
    ("loss", "x", "y"),
    [
        ("ce", LOGITS[:, [1, 2, 3, 4, 0]], LABELS),
        ("bce", 1 - SHARES, BITS),
        ("bce_with_logits", -SCORES, BITS),
    ],
)
def test_exchanged_classes_are_not_out_of_step(loss: str, x: Array, y: Array) -> None:
    found = lossctl.check(loss, x, y)
    assert [one.code for one in found.findings] == ["permuted_classes"]


def test_a_repair_may_try_losses_that_ask_for_all_of_an_input() -> None:
    found = lossctl.check("keras.kl_divergence", -PROBS, PROBS)
    assert found.findings[0].code == "logits_as_probabilities"


def test_forecasts_of_a_series_may_follow_its_last_value() -> None:
    rng = np.random.default_rng(3)
    series = np.zeros(1000)
    for place, step in enumerate(rng.normal(size=999), 1):
        series[place] = 0.9 * series[place - 1] + step
    (found,) = lossctl.check("mse", 0.9 * series[:-1], series[1:]).findings
    assert (found.code, found.severity) == ("shifted_rows", "warning")
    assert "repeat the last value" in found.message
    ahead = series + rng.normal(size=1000) / 4
    (found,) = lossctl.check("mse", ahead[1:], series[:-1]).findings
    assert (found.code, found.severity) == ("shifted_rows", "error")


@pytest.mark.parametrize(("value", "severity"), [(np.inf, "error"), (-np.inf, "warning")])
def test_infinities_that_make_the_loss_nan_are_errors(value: float, severity: str) -> None:
    logits = LOGITS.copy()
    logits[3, (LABELS[3] + 1) % CLASSES] = value
    (found,) = lossctl.check("ce", logits, LABELS).findings
    assert (found.code, found.severity) == ("infinite", severity)
    assert found.message.endswith("the loss is NaN") is (severity == "error")
    halves = lossctl.check("ce", logits.astype(np.float16), LABELS)
    assert [one.code for one in halves.findings] == ["half_overflow"]
    assert halves.findings[0].severity == severity


def test_bytes_of_images_and_masks_have_not_wrapped() -> None:
    rng = np.random.default_rng(4)
    image = rng.integers(0, 256, (50, 8, 8), dtype=np.uint8)
    noisy = np.clip(image + rng.normal(size=image.shape), 0, 255).astype(np.uint8)
    for x, y in ((noisy, image), (image // 128 * 255, noisy // 128 * 255)):
        found = [one.code for one in lossctl.check("l1", x, y).findings]
        assert found == ["unsigned_difference"]
    (found,) = lossctl.check("bce", SHARES, BITS.astype(np.uint8) * 255).findings
    assert (found.code, found.repair) == ("not_a_soft_label", "scale them to [0, 1]")


def test_wrapped_signs_are_read_as_what_they_were() -> None:
    (found,) = lossctl.check("soft_margin", SCORES, SIGNS.astype(np.uint8)).findings
    assert (found.code, found.severity) == ("integer_wrap", "error")
    assert found.repair == "read it as int8"


def test_texts_are_not_told_of_as_indices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = ["2.5,0.1,cat", "0.2,3,dog", "1,.5,Cat", "0.1,2,", "4,1,cat"]
    Path("t.csv").write_text("\n".join(["cat,dog,label", *lines]), encoding="utf-8")
    found = check("ce", "t.csv#cat,dog", "t.csv#label")
    assert codes(found) == ["text_labels", "unknown_labels"]
    assert found["findings"][0]["commands"] == []  # three labels are not the names of two classes
    found = check("ce", "t.csv#cat,dog", "t.csv#label", "--classes", "cat,dog")
    assert codes(found) == ["unknown_labels"]
    assert found["findings"][0]["message"].endswith(": 'Cat' (1), empty cells (1)")
    Path("t.csv").write_text("cat,dog,label\n2,1,cat\n1,2,dog\n3,1,\n", encoding="utf-8")
    empty = find(check("ce", "t.csv#cat,dog", "t.csv#label"), "unknown_labels")
    assert empty["message"] == "1 label of target is not among the classes: empty cells (1)"
    assert empty["repair"].startswith("exclude the empty cells with --nan omit, or fill them")


def test_texts_have_their_names_in_all_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["dog", "bird", "cat"]  # the order of the columns, which is not that of the alphabet
    labels = [names[one] for one in LABELS % 3]
    scores = 3 * np.eye(3)[LABELS % 3] + np.arange(SAMPLES)[:, np.newaxis] / 1000
    rows = [
        f"{k // 2 * 2},{a},{b},{c},{y}"
        for k, ((a, b, c), y) in enumerate(zip(scores, labels, strict=True))
    ]
    Path("t.csv").write_text("\n".join(["id,x,y,z,label", *rows]), encoding="utf-8")
    found = check("ce", "t.csv#x:z", "t.csv#label", "--id", "t.csv#id")
    assert codes(found) == ["text_labels", "duplicate_ids", "permuted_classes"]
    for finding in found["findings"]:
        for command in finding["commands"]:
            repaired = follow(command)
    assert finding["commands"] == [
        "lossctl compute ce t.csv#x:z t.csv#label --classes dog,bird,cat"
    ]
    assert codes(repaired) == []


def test_names_that_no_list_can_hold_need_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text('x,y,label\n2,1,"a, b"\n1,2,dog\n', encoding="utf-8")
    finding = find(check("ce", "t.csv#x,y", "t.csv#label"), "text_labels")
    assert finding["commands"] == []
    assert finding["repair"].startswith("name the classes with --classes FILE")


def test_samples_that_are_all_masked_are_there() -> None:
    found = lossctl.check("mse", PREDICTED, TRUE, mask=np.zeros(SAMPLES))
    assert [one.code for one in found.findings] == ["nothing_counts"]


def test_a_loss_in_a_file_elsewhere_is_named_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my losses").mkdir()
    Path("my losses/own.py").write_text(
        "import numpy as np\nfrom lossctl import index, loss, real\n"
        "@loss('pick', inputs=(real('scores', 'N C'), index('labels', 'N')))\n"
        "def pick(scores, labels):\n    return -scores[np.arange(len(scores)), labels]\n",
        encoding="utf-8",
    )
    Defect("", "", (), {"x.npy": LOGITS, "y.npy": LABELS + 1}).save(tmp_path)
    finding = find(check("my losses/own.py:pick", "x.npy", "y.npy"), "labels_start_at_1")
    for command in finding["commands"]:
        repaired = follow(command)
    assert "labels_start_at_1" not in codes(repaired)
    assert (
        "lossctl compute 'my losses/own.py:pick' SCORES" in run("show", "my losses/own.py:pick").out
    )


def test_ids_in_shards_have_no_command_of_pandas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        lines = [f"{row % 3 + number},{row}.5,{row**2}" for row in range(4)]
        Path(f"{number}.csv").write_text("\n".join(["id,x,y", *lines]), encoding="utf-8")
    names = ("0.csv", "*.csv")
    whole, shards = (check("mse", f"{at}#x", f"{at}#y", "--id", f"{at}#id") for at in names)
    assert len(find(whole, "duplicate_ids")["commands"]) == 2
    assert find(shards, "duplicate_ids")["commands"] == []
