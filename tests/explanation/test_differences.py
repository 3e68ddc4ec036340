"""Two definitions over one row: where they part, and when they do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.errors import DataError, LossctlWarning, UsageError
from lossctl.losses.core.registry import registry
from lossctl.losses.core.step_names import find_fact
from lossctl.output.explanations.difference import build_steps, conclude, describe_heading
from tests.losses.golden_values import load_golden

RANDOM = np.random.default_rng(20261121)
LOGITS = RANDOM.normal(size=(6, 4))
LABELS = np.array([0, 1, 2, 3, 1, 2])
SHARES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
P = np.array([0.25, 0.0, 0.875, 1.0])
Y = np.array([0.0, 1.0, 1.0, 1.0])
X = np.array([0.5, 3.0, -2.0, 0.25])
TRIPLET = (np.zeros((1, 2)), np.array([[3.0, 4.0]]), np.array([[3.0, 5.0]]))
KEYS = tuple(registry())


def parting(found: lossctl.Difference) -> str | None:
    return None if found.divergence is None else found.pairs[found.divergence].key


def explain(*arguments: Any, **options: Any) -> lossctl.Difference:
    """Explain a difference of data that may be warned of."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossctlWarning)
        return lossctl.explain_difference(*arguments, **options)


@pytest.mark.parametrize(
    ("loss", "other", "inputs", "row", "step", "fact"),
    [
        ("bce", "keras.binary_crossentropy", (P, Y), 1, "clipped probability", "clipping"),
        ("keras.binary_crossentropy", "bce", (P, Y), 1, "clipped probability", "clipping"),
        ("log_loss", "keras.binary_crossentropy", (P, Y), 1, "clipped probability", "clipping"),
        ("bce", "keras.bce:label_smoothing=0.1", (P, Y), 0, "smoothed target", "smoothing"),
        ("bce", "keras.bce:label_smoothing=0.1", (P, Y), 1, "smoothed target", "smoothing"),
        ("triplet_margin", "triplet_margin:swap=true", TRIPLET, 0, "nearer distance", ""),
        ("mse", "huber", (X, Y), 1, "clipped distance", "formula"),
        ("mse", "optax.l2", (X, Y), 0, "loss", "formula"),
        ("mse", "l1", (X, Y), 0, "loss", "formula"),
        ("mse", "rmse", (X, Y), 0, "result", ""),
        ("huber", "smooth_l1", (X, Y), 0, None, ""),
        ("mape", "keras.mape", (X, Y), 0, "clipped size", "clipping"),
        ("mape", "keras.mape", (X, Y), 1, "loss", "formula"),
        ("ce", "keras.sparse_categorical_crossentropy", (LOGITS, LABELS), 0, "logits", "input 1"),
        ("ce", "poly_ce", (LOGITS, LABELS), 0, "loss", "formula"),
        ("ce", "ce:label_smoothing=0.1", (LOGITS, LABELS), 0, "loss", ""),
        ("ce", "ce:weight=1,2,3,4", (LOGITS, LABELS), 0, "denominator", ""),
        ("ce", "ce:ignore_index=0", (LOGITS, LABELS), 0, "left out", ""),
        ("ce", "ce:ignore_index=0", (LOGITS, LABELS), 1, "denominator", ""),
        ("ce", "ce:reduction=batchmean", (LOGITS[:, :, None], LABELS[:, None]), 0, None, ""),
        ("mse", "keras.mse", (LOGITS, LOGITS[::-1]), 0, "loss", "axis"),
        ("mse", "keras.mse", (X, Y), 1, None, ""),
        ("focal", "optax.sigmoid_focal", (X, Y), 0, "loss", "formula"),
        ("bce_with_logits", "bce", (P, Y), 0, "logit", "input 1"),
        ("bce_with_logits", "keras.bce:from_logits=true", (X, Y), 0, None, ""),
        ("ce", "multiclass_hinge", (LOGITS, LABELS), 0, "loss", "formula"),
        ("mse", "bce", (P, Y), 0, "loss", "formula"),
        ("keras.dice", "optax.dice:apply_softmax=false", (SHARES, SHARES), 0, "loss", "formula"),
        ("bce_with_logits", "multilabel_soft_margin", (LOGITS, LOGITS > 0), 0, "loss", "formula"),
        ("kl_div", "optax.kl_divergence", (np.log(SHARES), SHARES[::-1]), 0, "loss", "formula"),
        ("poisson_nll", "keras.poisson", (X + 3, Y), 0, "log-rate", "input 1"),
        ("keras.poisson", "poisson_nll", (X + 3, Y), 0, "rate", "input 1"),
    ],
)
def test_where_they_part(
    loss: str, other: str, inputs: tuple[Any, ...], row: int, step: str | None, fact: str
) -> None:
    found = explain(loss, other, *inputs, row=row)
    assert parting(found) == step
    if fact:
        assert found.facts[0][0] == fact
        assert found.facts[0][1] != found.facts[0][2]


@pytest.mark.parametrize("key", KEYS)
def test_a_loss_does_not_differ_from_itself(key: str) -> None:
    case = next(one.case for one in load_golden(key) if one.case.inputs[0].size)
    found = explain(key, key, *case.inputs, row=0, **case.options)
    assert found.divergence is None
    assert all(pair.same for pair in found.pairs)
    assert (found.facts, found.results_differ, found.readings) == ((), False, None)


def test_the_steps_of_both_are_all_there_in_order() -> None:
    found = explain("bce", "keras.binary_crossentropy", P, Y, row=1)
    left = [pair.left for pair in found.pairs if pair.left is not None]
    right = [pair.right for pair in found.pairs if pair.right is not None]
    assert (left, right) == (list(found.left.steps), list(found.right.steps))
    for pair in found.pairs:
        assert (pair.same is None) is (pair.left is None or pair.right is None)
    assert len(found.pairs) == len({pair.key for pair in found.pairs})


def test_what_is_taken_for_something_else() -> None:
    found = explain("ce", "keras.sparse_categorical_crossentropy", SHARES, LABELS, row=2)
    assert found.readings == ("logits", "probabilities")
    found = explain("poisson_nll", "keras.poisson", X + 3, Y, row=0)
    assert found.readings == ("log-rate", "rate")
    assert [pair.key for pair in found.pairs][:3] == ["log-rate", "rate", "target"]
    found = explain("keras.dice", "optax.dice", SHARES, SHARES, row=1)
    assert found.readings == ("probabilities", "logits")


def test_one_thing_by_two_words_stands_side_by_side() -> None:
    found = explain("kl_div", "optax.kl_divergence", np.log(SHARES), SHARES[::-1], row=(1, 2))
    first = found.pairs[0]
    assert (first.left.key, first.right.key) == ("log-probability", "log-probabilities")
    assert (first.same, found.readings) == (True, None)


def test_without_a_row_it_is_that_where_they_differ_most() -> None:
    found = explain("bce", "keras.binary_crossentropy", P, Y)
    assert (found.left.row, found.farthest, found.chosen) == (1, 1, True)
    left = lossctl.compute("mse", X, Y, reduction="none").elements
    right = lossctl.compute("huber", X, Y, reduction="none").elements
    found = explain("mse", "huber", X, Y)
    assert found.left.row == np.abs(left - right).argmax()


def test_without_a_row_where_they_never_differ() -> None:
    found = explain("bce_with_logits", "keras.bce:from_logits=true", X, Y)
    assert (found.left.row, found.farthest, found.chosen, found.divergence) == (0, None, True, None)


@pytest.mark.parametrize("row", [None, 1])
def test_losses_may_part_where_all_rows_are_brought_together(row: int | None) -> None:
    found = explain("mse", "rmse", X, Y, row=row)
    assert (parting(found), found.farthest, found.labels) == ("result", None, ("mse", "rmse"))
    lines = "\n".join([*describe_heading(found), *conclude(found, 6)])
    assert ("no row was given, and they do not differ on any" in lines) is (row is None)
    assert lines.endswith("They diverge at: result\nmse: Σ of all contributions (mean)\n"
                          "rmse: square root of the mean")  # fmt: skip


def test_one_loss_is_told_apart_by_its_options() -> None:
    found = explain("ce", "ce:label_smoothing=0.1", LOGITS, LABELS, row=0)
    assert found.labels == ("ce", "ce(label_smoothing=0.1)")
    assert [one.name for one in build_steps(found, 6, ", ").columns[2:]] == [*found.labels]


def test_another_row_is_pointed_to() -> None:
    found = explain("bce", "keras.binary_crossentropy", P, Y, row=0)
    assert (found.divergence, found.results_differ, found.farthest) == (None, True, 1)


def test_many_blocks_that_are_cut_differently() -> None:
    x, y = RANDOM.normal(size=(700_000, 2)), np.zeros((700_000, 2))
    x[654_321, 1] = 50.0
    found = explain("mse", "keras.huber", x, y)
    assert (found.left.row, found.left.position) == (654_321, (1,))


def test_the_place_where_they_differ_most() -> None:
    x = np.zeros((2, 3, 2))
    x[1] = [[0.5, 0.5], [9.0, 2.0], [3.0, 0.0]]
    found = explain("mse", "huber", x, np.zeros_like(x))
    assert (found.left.row, found.left.position, found.right.position) == (1, (1, 0), (1, 0))


def test_one_place_beside_a_whole_axis() -> None:
    """What one definition has for each element, the other has for the axis."""
    found = explain("mse", "keras.mse", LOGITS, LOGITS[::-1], row=(2, 3))
    same = {pair.key: pair.same for pair in found.pairs}
    assert (same["prediction"], same["target"], same["difference"]) == (True, True, True)
    assert same["loss"] is False
    assert (found.left.position, found.right.position) == ((3,), ())


def test_options_that_both_have_are_lent() -> None:
    found = explain("huber", "keras.huber", X, Y, row=1, delta=2.0)
    assert (found.right.name, found.divergence) == ("keras.huber(delta=2.0)", None)
    found = explain("huber", "keras.huber:delta=3", X, Y, row=2, delta=2.0)
    assert (found.right.name, parting(found)) == ("keras.huber(delta=3.0)", "clipped distance")
    found = explain(
        "ce", "keras.sparse_categorical_crossentropy:from_logits=true",
        LOGITS, LABELS, row=1, ignore_index=0,
    )  # fmt: skip
    assert found.right.name.endswith("(from_logits=true, ignore_class=0)")
    assert found.divergence is None


def test_weights_and_masks_are_for_both() -> None:
    weights = np.arange(1.0, 7.0)
    found = explain(
        "ce", "keras.sparse_categorical_crossentropy:from_logits=true", LOGITS, LABELS,
        row=1, sample_weight=weights,
    )  # fmt: skip
    assert parting(found) == "denominator"
    same = {pair.key: pair.same for pair in found.pairs}
    assert (same["sample weight"], same["weighted loss"]) == (True, True)
    found = explain("mse", "keras.mse", X, Y, row=1, mask=[1, 0, 1, 1])
    assert found.divergence is None
    assert "left out" in [pair.key for pair in found.pairs]


def test_a_reduction_that_is_named_is_for_both() -> None:
    found = explain("ce", "poly_ce:epsilon=0", LOGITS, LABELS, row=1, reduction="sum")
    assert (found.left.result.reduction, found.right.result.reduction) == ("sum", "sum")
    assert found.divergence is None


@pytest.mark.parametrize("axis", [1, -1])
def test_the_classes_are_where_the_first_has_them(axis: int) -> None:
    logits, labels = RANDOM.normal(size=(3, 4, 2)), RANDOM.integers(0, 4, size=(3, 2))
    logits = np.moveaxis(logits, 1, axis)
    other = "keras.sparse_categorical_crossentropy"
    found = explain("ce", f"{other}:from_logits=true", logits, labels, class_axis=axis)
    assert (found.divergence, found.results_differ) == (None, False)
    found = explain(other, "ce", logits, labels, axis=axis, from_logits=True)
    assert (found.divergence, found.results_differ) == (None, False)


def test_trouble_says_with_which_definition() -> None:
    with pytest.raises(
        DataError, match=r"^for bce, input: 3 values are outside \[0, 1\]"
    ) as caught:
        explain("mse", "bce", np.array([5.0, 2.0, 3.0, 1.0]), Y, row=0)
    assert "bce:NAME=VALUE" in caught.value.remedy
    with pytest.raises(DataError, match=r"^for nll, the shapes do not fit"):
        explain("mse", "nll", LOGITS, LOGITS)
    with pytest.raises(UsageError, match=r"keras.huber has no option 'dleta'"):
        explain("huber", "keras.huber:dleta=2", X, Y)


def test_what_is_read_twice_is_no_pipe() -> None:
    with pytest.raises(UsageError, match="read the inputs twice"):
        lossctl.explain_difference("mse", "huber", "-#a", "-#b", row=0)


def test_files(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", P)
    np.save(tmp_path / "y.npy", Y)
    files = str(tmp_path / "p.npy"), str(tmp_path / "y.npy")
    assert explain("bce", "keras.bce", *files).left.row == 1


def test_every_fact_of_a_step_is_declared() -> None:
    from lossctl.losses.core.declaration import FACTS
    from lossctl.losses.core.step_names import WORDS

    assert {find_fact(word) for word in WORDS} <= {"", *FACTS}


def test_the_old_name_of_the_divergence() -> None:
    found = lossctl.explain_difference("mse", "optax.l2", [1.0, 5.0], [1.0, 2.0])
    with pytest.warns(LossctlWarning, match=r"Difference\.parting is now called divergence"):
        assert found.parting == found.divergence is not None
