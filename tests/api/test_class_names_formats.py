"""Names of classes mean the same in every format, command and loss that takes labels."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather

import lossctl
from lossctl.engine.plan.class_names import find_form
from lossctl.errors import DataError, LossctlWarning, UsageError
from lossctl.kinds import Kind
from lossctl.losses.core.declaration import Loss
from lossctl.losses.core.registry import list_losses
from tests.support.command_line import command, environment, run
from tests.support.small_files import DATA, USAGE

INDICES = np.array([2, 0, 1, 1, 0, 2])
BITS = np.array([1, 0, 1, 1, 0, 1])
RANDOM = np.random.default_rng(8)
LOGITS = RANDOM.normal(size=(6, 3))
SHARES = RANDOM.uniform(0.05, 0.95, size=6)
FORMATS = ("csv", "tsv", "jsonl", "parquet", "arrow", "arrows", "npy", "npz")

STRINGS = np.array(["cat", "dog", "owl"])
LABELS: dict[str, tuple[str, Any]] = {
    "strings": ("cat,dog,owl", STRINGS),
    "integers with gaps": ("3,5,7", np.array([3, 5, 7])),
    "small integers": ("3,5,7", np.array([3, 5, 7], "u1")),
    "integers in another order": ("2,0,1", np.array([2, 0, 1])),
    "negative integers": ("-1,0,1", np.array([-1, 0, 1])),
    "integers that became floats": ("3,5,7", np.array([3.0, 5.0, 7.0])),
    "indices": ("cat,dog,owl", np.array([0, 1, 2])),
    "indices beside names": ("cat,dog,2", np.array([0, 1, 2])),
}
VERBS = ("compute", "check", "explain", "grad")
TRUTHS = ("False,True", "false,true", "no,yes", "0,1")


def write(path: Path, labels: Any) -> str:
    """Write labels as a column named y, or as an array, and return how they are named."""
    match path.suffix:
        case ".csv" | ".tsv":
            separator = "," if path.suffix == ".csv" else "\t"
            pd.DataFrame({"x": 0.5, "y": labels}).to_csv(path, index=False, sep=separator)
        case ".jsonl":
            rows = ({"x": 0.5, "y": one} for one in np.asarray(labels).tolist())
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        case ".parquet":
            pd.DataFrame({"x": 0.5, "y": labels}).to_parquet(path)
        case ".arrow":
            feather.write_feather(pd.DataFrame({"x": 0.5, "y": labels}), path)
        case ".arrows":
            table = pa.table({"x": [0.5] * len(labels), "y": pa.array(labels)})
            with pa.ipc.new_stream(path, table.schema) as writer:
                writer.write_table(table)
        case ".npy":
            np.save(path, labels)
            return str(path)
        case ".npz":
            np.savez(path, x=np.zeros(3), y=labels)
    return f"{path}#y"


@pytest.mark.filterwarnings("ignore:the classes 2, 0, 1 are names")
@pytest.mark.parametrize("case", LABELS)
@pytest.mark.parametrize("kind", FORMATS)
def test_labels_are_the_same_in_every_format(kind: str, case: str, tmp_path: Path) -> None:
    classes, values = LABELS[case]
    given = write(tmp_path / f"labels.{kind}", values[INDICES])
    np.save(tmp_path / "logits.npy", LOGITS)
    np.save(tmp_path / "predicted.npy", INDICES[::-1])
    logits = str(tmp_path / "logits.npy")
    wanted = lossctl.compute("ce", LOGITS, INDICES).value
    assert lossctl.compute("ce", logits, given, classes=classes).value == wanted
    assert lossctl.gradient("ce", logits, given, classes=classes).result.value == wanted
    assert lossctl.explain("ce", logits, given, row=0, classes=classes).result.value == wanted
    checked = lossctl.check("ce", logits, given, classes=classes)
    assert not [one for one in checked.findings if one.severity.value == "error"]
    evaluated = lossctl.evaluate(pred=logits, target=given, loss="ce", classes=classes)
    assert evaluated.overall[0].value == pytest.approx(wanted, rel=1e-15)


@pytest.mark.parametrize("classes", TRUTHS)
@pytest.mark.parametrize("kind", FORMATS)
def test_truths_are_the_same_in_every_format(kind: str, classes: str, tmp_path: Path) -> None:
    given = write(tmp_path / f"labels.{kind}", BITS.astype(bool))
    wanted = lossctl.compute("bce", SHARES, BITS.astype(float)).value
    for loss in ("bce", "log_loss"):
        assert lossctl.compute(loss, SHARES, given, classes=classes).value == wanted
    swapped = ",".join(reversed(classes.split(",")))
    if classes in ("False,True", "false,true"):
        assert lossctl.compute("log_loss", SHARES, given, classes=swapped).value == (
            lossctl.compute("log_loss", SHARES, 1 - BITS).value
        )


def explain_first(*inputs: Any, **settings: Any) -> Any:
    return lossctl.explain(*inputs, row=0, **settings)


def find_named_losses() -> list[Loss]:
    """Return the losses whose second input may be given as names."""
    return [
        loss
        for loss in list_losses()
        if any(form.kind.may_be_named for one in loss.inputs[1:] for form in one.forms)
    ]


def make_call(loss: Loss) -> tuple[list[Any], int, np.ndarray[Any, Any]]:
    """Return the inputs of a loss with labels as numbers, the place of these, and the indices."""
    place = next(
        place
        for place, one in enumerate(loss.inputs)
        if place and any(form.kind.may_be_named for form in one.forms)
    )
    declared = loss.inputs[place]
    kinds = {form.kind for form in declared.forms if form.kind.may_be_named}
    two = all(kind.has_two_classes for kind in kinds)
    indices = BITS if two else INDICES
    inputs: list[Any] = []
    for number, one in enumerate(loss.inputs):
        first = {form.kind for form in one.forms}
        if number == place:
            inputs.append(2 * indices - 1 if Kind.SIGN in kinds else indices)
        elif loss.key == "linear_ce" and number == 2:
            inputs.append(RANDOM.normal(size=(3, 3)))
        elif Kind.LABEL in first:
            inputs.append(indices[::-1])
        elif len(loss.inputs) > 2 and Kind.SIGN in kinds:
            inputs.append(RANDOM.normal(size=(6, 4) if "cosine" in loss.key else 6))
        elif two:
            inputs.append(SHARES)
        else:
            shares = RANDOM.dirichlet(np.ones(3), size=6)
            inputs.append(np.log(shares) if Kind.LOG_PROBABILITY in first else shares)
    if not two and loss.key in ("ce", "poly_ce", "perplexity"):
        inputs[0] = LOGITS
    return inputs, place, indices


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("loss", find_named_losses(), ids=lambda loss: loss.key)
def test_every_loss_that_takes_labels_takes_names(loss: Loss, tmp_path: Path) -> None:
    inputs, place, indices = make_call(loss)
    names = STRINGS[: indices.max() + 1]
    floats = find_form(loss.inputs[place]).value == "share"
    numbers = inputs[place].astype(float) if floats else inputs[place]
    plain = [numbers if number == place else one for number, one in enumerate(inputs)]
    wanted = lossctl.compute(loss, *plain).value
    for kind in ("csv", "npy", "parquet"):
        given = list(inputs)
        given[place] = write(tmp_path / f"labels.{kind}", names[indices])
        found = lossctl.compute(loss, *given, classes=",".join(names))
        assert found.value == pytest.approx(wanted, rel=1e-15)
        vectors = loss.key in ("multilabel_soft_margin", "linear_ce")
        if loss.needs_all_samples or place != 1 or vectors:
            continue
        evaluated = lossctl.evaluate(
            pred=given[0], target=given[1], loss=loss.key, classes=",".join(names)
        )
        by_rows = lossctl.evaluate(pred=plain[0], target=plain[1], loss=loss.key)
        assert evaluated.overall[0].value == by_rows.overall[0].value


@pytest.mark.parametrize("loss", ["l1", "kl_div", "giou"])
def test_classes_without_effect_are_refused(loss: str, tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", LOGITS)
    for words in (
        *((verb, loss, tmp_path / "p.npy", tmp_path / "p.npy") for verb in VERBS),
        ("evaluate", "--pred", tmp_path / "p.npy", "--target", tmp_path / "p.npy", "--loss", loss),
    ):
        row = ["--row", "0"] if words[0] == "explain" else []
        done = run(*words, *row, "--classes", "cat,dog,owl")
        assert (done.code, done.out) == (USAGE, "")
        assert "--classes has no effect" in done.err


def test_as_many_classes_are_named_as_there_are() -> None:
    labels = STRINGS[np.array([0, 1, 0, 1, 0, 1])]
    for verb in (lossctl.compute, lossctl.check, lossctl.gradient, explain_first):
        with pytest.raises(UsageError, match="names 2 classes, but input has 3 classes"):
            verb("ce", LOGITS, labels, classes=["cat", "dog"])
        with pytest.raises(UsageError, match="names 3 classes, but bce takes labels of two"):
            verb("bce", SHARES, labels, classes=["cat", "dog", "owl"])
    with pytest.raises(UsageError, match="names 2 classes, but input has 3 classes"):
        lossctl.evaluate(
            pd.DataFrame(LOGITS, columns=STRINGS).assign(y=labels), pred="cat:owl", target="y",
            loss="ce", classes=["cat", "dog"],
        )  # fmt: skip


@pytest.mark.parametrize("kind", FORMATS)
def test_numbers_that_are_no_class_are_refused(kind: str, tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", LOGITS)
    given = write(tmp_path / f"labels.{kind}", np.array([3, 5, 7])[INDICES])
    done = run("compute", "ce", tmp_path / "p.npy", given, "--classes", "3,4,5")
    assert (done.code, done.out) == (DATA, "")
    assert "2 labels are not among the 3 classes; the first is '7' at row 0" in done.err
    assert "Labels start at 0" not in done.err
    done = run("compute", "ce", tmp_path / "p.npy", given, "--classes", "cat,dog,owl")
    assert "6 labels are not among the 3 classes; the first is '7' at row 0" in done.err


@pytest.mark.parametrize("kind", FORMATS)
def test_ignored_labels_stay_ignored(kind: str, tmp_path: Path) -> None:
    labels = np.where(INDICES == 0, -100, INDICES)
    wanted = lossctl.compute("ce", LOGITS, labels)
    given = write(tmp_path / f"a.{kind}", labels)
    for classes, path in (("cat,dog,owl", given),):
        found = lossctl.compute("ce", LOGITS, path, classes=classes)
        assert (found.value, found.ignored) == (wanted.value, 2)
    gaps = write(tmp_path / f"b.{kind}", np.where(labels < 0, -100, np.array([3, 5, 7])[INDICES]))
    found = lossctl.compute("ce", LOGITS, gaps, classes="3,5,7")
    assert (found.value, found.ignored) == (wanted.value, 2)
    evaluated = lossctl.evaluate(pred=LOGITS, target=gaps, loss="ce", classes="3,5,7")
    assert evaluated.overall[0].value == pytest.approx(wanted.value, rel=1e-15)


def test_shares_stand_beside_names(tmp_path: Path) -> None:
    soft = np.array([0.25, 0.0, 1.0, 0.5, 0.75, 1.0])
    wanted = lossctl.compute("bce", SHARES, soft).value
    for kind in FORMATS:
        given = write(tmp_path / f"labels.{kind}", soft)
        assert lossctl.compute("bce", SHARES, given, classes="no,yes").value == wanted


@pytest.mark.parametrize("name", ["y.npy", "y.csv", "y.parquet"])
def test_strings_come_through_a_pipe(name: str, tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", LOGITS)
    path, labels = tmp_path / name, STRINGS[INDICES]
    frame = pd.DataFrame({"y": labels})
    match path.suffix:
        case ".csv":
            frame.to_csv(path, index=False)
        case ".parquet":
            frame.to_parquet(path)
        case _:
            np.save(path, labels)
    with path.open("rb") as stream:
        done = subprocess.run(
            command("compute", "ce", tmp_path / "p.npy", "-", "--classes", "cat,dog,owl"),
            env=environment(), stdin=stream, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    wanted = lossctl.compute("ce", LOGITS, INDICES).value
    assert f"{wanted:.6g}" in done.stdout


def test_losses_that_fit_are_proposed_with_the_classes(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", RANDOM.dirichlet(np.ones(3), size=6))
    np.save(tmp_path / "y.npy", STRINGS[INDICES])
    files = (str(tmp_path / "p.npy"), str(tmp_path / "y.npy"))
    for classes in ("cat,dog,owl", list(STRINGS), None):
        found = lossctl.check(None, *files, classes=classes)
        assert found.proposals
        for proposal in found.proposals:
            assert proposal.command.endswith("--classes cat,dog,owl")
    words = shlex.split(found.proposals[0].command)
    assert run(*words[1:]).code == 0


def test_strings_of_arrays_without_names_lead_to_classes(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", LOGITS)
    np.save(tmp_path / "y.npy", STRINGS[INDICES])
    done = run("compute", "ce", tmp_path / "p.npy", tmp_path / "y.npy")
    assert (done.code, done.out) == (DATA, "")
    assert "--classes" in done.err
    checked = lossctl.check("ce", str(tmp_path / "p.npy"), str(tmp_path / "y.npy"))
    assert "text_labels" in {one.code for one in checked.findings}
    wanted = lossctl.compute("ce", LOGITS, INDICES).value
    assert lossctl.compute(
        "ce", LOGITS, STRINGS[INDICES].astype("S3"), classes=list(STRINGS)
    ).value == wanted  # fmt: skip


def test_categories_without_names_lead_to_classes(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    pd.DataFrame({"p": SHARES, "y": pd.Categorical(STRINGS[BITS])}).to_parquet(path)
    with pytest.raises(DataError) as caught:
        lossctl.compute("log_loss", f"{path}#p", f"{path}#y")
    assert "--classes" in caught.value.remedy
    wanted = lossctl.compute("log_loss", SHARES, BITS).value
    found = lossctl.compute("log_loss", f"{path}#p", f"{path}#y", classes="cat,dog")
    assert found.value == wanted


def test_strings_of_arrays_are_slices_and_ids(tmp_path: Path) -> None:
    np.save(tmp_path / "k.npy", STRINGS[INDICES])
    np.save(tmp_path / "v.npy", SHARES)
    found = lossctl.evaluate(
        pred=str(tmp_path / "v.npy"), target=SHARES, loss="l1", by=str(tmp_path / "k.npy"),
        id=str(tmp_path / "k.npy"), worst=1,
    )  # fmt: skip
    assert {one.labels for one in found.slices} == {("cat",), ("dog",), ("owl",)}
    assert found.worst[0].id == "owl"


def test_names_that_are_indices_in_another_order_are_told() -> None:
    with pytest.warns(LossctlWarning, match="the label 2 is the first class"):
        lossctl.compute("ce", LOGITS, INDICES, classes="2,0,1")
