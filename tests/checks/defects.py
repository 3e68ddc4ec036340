"""Good data, and every defect that a check names, planted in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.losses.cases.case import Array

SAMPLES, CLASSES = 400, 5
NAMES = ("ant", "bee", "cat", "dog", "elk")


@dataclass(frozen=True)
class Defect:
    """A defect: files with it, the words behind ``lossctl check``, and what is found.

    ``repaired`` says whether the commands of the finding end it.
    """

    code: str
    label: str
    words: Sequence[str]
    files: dict[str, Array | str]
    repaired: bool = True
    severity: str = "error"

    def save(self, folder: Path) -> None:
        """Write the files."""
        for name, content in self.files.items():
            if isinstance(content, str):
                (folder / name).write_text(content)
            else:
                np.save(folder / name, content)


RNG = np.random.default_rng(11)
LABELS = RNG.integers(0, CLASSES, SAMPLES)
LOGITS = RNG.normal(size=(SAMPLES, CLASSES)) + 4 * np.eye(CLASSES)[LABELS]
LOG_PROBS = LOGITS - np.log(np.exp(LOGITS).sum(axis=1, keepdims=True))
PROBS = np.exp(LOG_PROBS)
BITS = RNG.integers(0, 2, SAMPLES)
SCORES = RNG.normal(size=SAMPLES) + 4 * BITS - 2
SHARES = 1 / (1 + np.exp(-SCORES))
SIGNS = 2 * BITS - 1
TRUE = RNG.normal(20, 5, SAMPLES)
PREDICTED = TRUE + RNG.normal(0, 1, SAMPLES)
COUNTS = RNG.poisson(8, SAMPLES).astype(float)
RATES = np.maximum(COUNTS + RNG.normal(0, 1, SAMPLES), 0.5)
CORNERS = RNG.uniform(0, 50, (SAMPLES, 2))
BOXES = np.concatenate([CORNERS, CORNERS + RNG.uniform(5, 20, (SAMPLES, 2))], axis=1)
FOUND = BOXES + RNG.normal(0, 0.5, BOXES.shape)
FLAGS = RNG.integers(0, 2, (SAMPLES, 3))
MANY_SCORES = RNG.normal(size=(SAMPLES, 3)) + 4 * FLAGS - 2
FRAMES = RNG.normal(size=(12, 30, 4))
FRAME_LOGS = FRAMES - np.log(np.exp(FRAMES).sum(axis=2, keepdims=True))
IMAGES = RNG.normal(size=(20, 6, 7, CLASSES))
IMAGE_LOGS = IMAGES - np.log(np.exp(IMAGES).sum(axis=3, keepdims=True))
MAPS = RNG.integers(0, CLASSES, (20, 6, 7))
WORDS = RNG.integers(1, 4, (30, 3))

GOOD: dict[str, tuple[Sequence[str], dict[str, Array | str]]] = {
    "ce": (["ce", "x.npy", "y.npy"], {"x.npy": LOGITS, "y.npy": LABELS}),
    "nll": (["nll", "x.npy", "y.npy"], {"x.npy": LOG_PROBS, "y.npy": LABELS}),
    "bce": (["bce", "x.npy", "y.npy"], {"x.npy": SHARES, "y.npy": BITS}),
    "logits": (["bce_with_logits", "x.npy", "y.npy"], {"x.npy": SCORES, "y.npy": BITS}),
    "signs": (["soft_margin", "x.npy", "y.npy"], {"x.npy": SCORES, "y.npy": SIGNS}),
    "mse": (["mse", "x.npy", "y.npy"], {"x.npy": PREDICTED, "y.npy": TRUE}),
    "giou": (["giou", "x.npy", "y.npy"], {"x.npy": FOUND, "y.npy": BOXES}),
    "rates": (["poisson_nll", "x.npy", "y.npy"], {"x.npy": np.log(RATES), "y.npy": COUNTS}),
    "many": (["bce_with_logits", "x.npy", "y.npy"], {"x.npy": MANY_SCORES, "y.npy": FLAGS}),
    "shares": (
        ["keras.categorical_crossentropy", "x.npy", "y.npy"],
        {"x.npy": PROBS, "y.npy": np.eye(CLASSES)[LABELS]},
    ),
    "ctc": (
        ["ctc", "x.npy", "y.npy", "n.npy", "m.npy"],
        {
            "x.npy": FRAME_LOGS,
            "y.npy": WORDS,
            "n.npy": np.full(30, 12),
            "m.npy": np.full(30, 3),
        },
    ),
}
"""Pairs in which nothing is wrong."""


def put(array: Array, place: Any, value: float) -> Array:
    """Return an array with other numbers at a place."""
    changed = np.array(array)
    if changed.dtype.kind in "iu" and not float(value).is_integer():
        changed = changed.astype(float)
    changed[place] = value
    return changed


def _pair(x: Array, y: Array, **more: Array) -> dict[str, Array | str]:
    return {"x.npy": x, "y.npy": y, **{f"{name}.npy": array for name, array in more.items()}}


def _write_table(labels: Sequence[str]) -> str:
    lines = [",".join([f"s{number}" for number in range(CLASSES)] + ["id", "label"])]
    for row, label in enumerate(labels):
        cells = [*map(repr, LOGITS[row].tolist()), f"r{row}", label]
        lines.append(",".join(map(str, cells)))
    return "\n".join(lines) + "\n"


TEXTS = [NAMES[label] for label in LABELS]
TABLE = ["t.csv#s0:s4", "t.csv#label"]


def plant_structure() -> list[Defect]:
    """Return defects of shapes, lengths and files."""
    pair = ("x.npy", "y.npy")
    square = RNG.dirichlet(np.ones(6), (30, 6))  # (N, 6, 6), the classes last
    one_hot = np.eye(CLASSES, dtype=np.int64)[LABELS]
    table = {"t.csv": _write_table(TEXTS)}
    odd = {"t.csv": _write_table(["fly", *TEXTS[1:]])}
    twice = {"t.csv": _write_table(TEXTS).replace(",r7,", ",r6,")}
    named = ("--classes", ",".join(NAMES))
    return [
        Defect("shape_mismatch", "columns", ["mse", *pair], _pair(LOGITS, MANY_SCORES),
               repaired=False),
        Defect("length_mismatch", "end", ["ce", *pair], _pair(LOGITS, LABELS[:-3])),
        Defect("length_mismatch", "begin", ["ce", *pair], _pair(LOGITS, LABELS[3:])),
        Defect("length_mismatch", "csv", ["mse", "x.csv", "y.csv"], {
            "x.csv": "a\n" + "\n".join(map(str, PREDICTED)),
            "y.csv": "a\n" + "\n".join(map(str, TRUE[:-2])),
        }),
        Defect("trailing_axis", "mse", ["mse", *pair], _pair(PREDICTED[:, None], TRUE)),
        Defect("trailing_axis", "logits", ["bce_with_logits", *pair],
               _pair(SCORES, BITS[:, None])),
        Defect("class_axis", "shape", ["ce", *pair], _pair(IMAGES, MAPS)),
        Defect("class_axis", "sums", ["nll", *pair],
               _pair(np.log(square), RNG.integers(0, 6, (30, 6)))),
        Defect("class_axis", "logs", ["nll", *pair], _pair(IMAGE_LOGS, MAPS)),
        Defect("axes_order", "matrix", ["ce", *pair], _pair(LOGITS.T.copy(), LABELS)),
        Defect("axes_order", "columns", ["ce", *pair], _pair(LOGITS.T, LABELS)),
        Defect("axes_order", "ctc", ["ctc", *pair, "n.npy", "m.npy"], {
            **GOOD["ctc"][1], "x.npy": FRAME_LOGS.swapaxes(0, 1).copy(),
        }),
        Defect("swapped_inputs", "ce", ["ce", *pair], _pair(LABELS, LOGITS)),
        Defect("one_hot_labels", "nll", ["nll", *pair], _pair(LOG_PROBS, one_hot)),
        Defect("one_hot_labels", "ce", ["ce", *pair], _pair(LOGITS, one_hot)),
        Defect("index_labels", "keras", ["keras.categorical_crossentropy", *pair],
               _pair(PROBS, LABELS)),
        Defect("refused", "lengths", ["ctc", *pair, "n.npy", "m.npy"],
               {**GOOD["ctc"][1], "n.npy": np.full(30, 13)}, repaired=False),
        Defect("text_labels", "csv", ["ce", *TABLE], table),
        Defect("unknown_labels", "csv", ["ce", *TABLE, *named], odd, repaired=False),
        Defect("duplicate_ids", "csv", ["ce", *TABLE, *named, "--id", "t.csv#id"], twice),
        Defect("duplicate_ids", "npy", ["ce", *pair, "--id", "i.npy"],
               _pair(LOGITS, LABELS, i=put(np.arange(SAMPLES), 9, 3))),
        Defect("no_loss_fits", "shapes", [*pair], _pair(LOGITS, np.ones((7, 2, 3))),
               repaired=False),
        Defect("no_samples", "mse", ["mse", *pair], _pair(np.zeros(0), np.zeros(0)),
               repaired=False),
    ]  # fmt: skip


def plant_forms() -> list[Defect]:
    """Return defects of scores: the wrong one of logits, probabilities and their logarithms."""
    pair = ("x.npy", "y.npy")
    keras, sparse = "keras.categorical_crossentropy", "keras.sparse_categorical_crossentropy"
    one_hot = np.eye(CLASSES)[LABELS]
    twice = np.exp(PROBS) / np.exp(PROBS).sum(axis=1, keepdims=True)
    return [
        Defect("probabilities_as_logits", "ce", ["ce", *pair], _pair(PROBS, LABELS)),
        Defect("probabilities_as_logits", "bce", ["bce_with_logits", *pair], _pair(SHARES, BITS)),
        Defect("probabilities_as_logits", "keras", [keras, *pair, "--from-logits"],
               _pair(PROBS, one_hot)),
        Defect("probabilities_as_logits", "float16", ["ce", *pair],
               _pair(PROBS.astype(np.float16), LABELS)),
        Defect("logits_as_probabilities", "bce", ["bce", *pair], _pair(SCORES, BITS)),
        Defect("logits_as_probabilities", "log_loss", ["log_loss", *pair], _pair(LOGITS, LABELS)),
        Defect("logits_as_probabilities", "keras", [sparse, *pair], _pair(LOGITS, LABELS)),
        Defect("logits_as_probabilities", "logs", [keras, *pair], _pair(LOG_PROBS, one_hot)),
        Defect("positive_log_probability", "nll", ["nll", *pair], _pair(LOGITS, LABELS)),
        Defect("positive_log_probability", "kl", ["kl_div", *pair ], _pair(LOGITS, PROBS)),
        Defect("probabilities_as_logs", "nll", ["nll", *pair], _pair(PROBS, LABELS)),
        Defect("probabilities_as_logs", "kl", ["kl_div", *pair], _pair(PROBS, PROBS[::-1].copy())),
        Defect("log_not_normalised", "nll", ["nll", *pair], _pair(LOG_PROBS - 1, LABELS),
               severity="warning"),
        Defect("logs_as_logits", "ce", ["ce", *pair], _pair(LOG_PROBS, LABELS), repaired=False,
               severity="info"),
        Defect("softmax_twice", "nll", ["nll", *pair], _pair(np.log(twice), LABELS),
               severity="warning"),
        Defect("softmax_twice", "keras", [keras, *pair], _pair(twice, one_hot),
               severity="warning"),
        Defect("rates_as_logs", "poisson", ["poisson_nll", *pair], _pair(RATES * 3, COUNTS * 3)),
        Defect("rates_as_logs", "kl", ["generalized_kl", *pair],
               _pair(20 * PROBS, 20 * one_hot)),
    ]  # fmt: skip


def plant_numbers() -> list[Defect]:
    """Return defects of single numbers, and of dtypes."""
    pair = ("x.npy", "y.npy")
    wide = LOGITS.astype(np.float32)
    large = put(put(wide.astype(np.float16), (5, 1), np.inf), (6, 2), 65504)
    warn = "warning"
    counts = RNG.integers(0, 40, SAMPLES)
    moved = np.clip(counts + RNG.integers(-3, 4, SAMPLES), 0, 255)
    return [
        Defect("nan", "input", ["mse", *pair], _pair(put(PREDICTED, 7, np.nan), TRUE)),
        Defect("nan", "matrix", ["ce", *pair], _pair(put(LOGITS, (7, 1), np.nan), LABELS)),
        Defect("nan", "beside infinity", ["ce", *pair],
               _pair(put(put(LOGITS, (7, 1), np.nan), (70, 2), np.inf), LABELS)),
        Defect("infinite", "target", ["l1", *pair], _pair(PREDICTED, put(TRUE, 3, -np.inf)),
               severity=warn),
        Defect("nan", "label", ["ce", *pair], _pair(LOGITS, put(LABELS * 1.0, 4, np.nan))),
        Defect("nan", "sign", ["soft_margin", *pair], _pair(SCORES, put(SIGNS * 1.0, 4, np.nan))),
        Defect("not_whole", "rounding", ["ce", *pair], _pair(LOGITS, LABELS + 1e-6)),
        Defect("not_whole", "labels", ["zero_one", *pair], _pair(LABELS + 0.01, LABELS)),
        Defect("label_out_of_range", "one", ["ce", *pair], _pair(LOGITS, put(LABELS, 3, 255))),
        Defect("label_out_of_range", "two", ["ce", *pair],
               _pair(LOGITS, put(put(LABELS, 3, 77), 4, -5))),
        Defect("label_out_of_range", "no option", ["multi_margin", *pair],
               _pair(LOGITS, put(LABELS, 3, -1))),
        Defect("label_out_of_range", "lists", ["multilabel_margin", *pair],
               _pair(MANY_SCORES, put(np.tile([0, -1, -1], (SAMPLES, 1)), (9, 1), 3))),
        Defect("not_a_sign", "bits", ["soft_margin", *pair], _pair(SCORES, BITS)),
        Defect("not_a_sign", "other", ["soft_margin", *pair], _pair(SCORES, SIGNS * 2)),
        Defect("not_a_probability", "rounding", ["bce", *pair],
               _pair(put(SHARES, 5, 1 + 1e-6), BITS)),
        Defect("negative_variance", "logs", ["gaussian_nll", *pair, "v.npy"],
               _pair(PREDICTED, TRUE, v=RNG.normal(0, 0.3, SAMPLES))),
        Defect("not_binary", "signs", ["sparsemax", *pair], _pair(SCORES, SIGNS)),
        Defect("not_binary", "twos", ["sparsemax", *pair], _pair(SCORES, BITS + 1)),
        Defect("not_positive", "rates", ["gamma_deviance", *pair],
               _pair(put(RATES, 2, 0), COUNTS + 1)),
        Defect("negative", "counts", ["poisson_deviance", *pair],
               _pair(RATES, put(COUNTS, 2, -1))),
        Defect("not_above_minus_one", "msle", ["msle", *pair], _pair(RATES, put(COUNTS, 2, -3))),
        Defect("turned_box", "sizes", ["giou", *pair],
               _pair(FOUND, np.hstack([BOXES[:, :2], BOXES[:, 2:] - BOXES[:, :2]]))),
        Defect("turned_box", "order", ["giou", *pair],
               _pair(FOUND, put(BOXES, (4, 0), 99.0) - 60.0)),
        Defect("empty_box", "width", ["giou", *pair],
               _pair(FOUND, put(BOXES, (4, 0), BOXES[4, 2])), severity=warn),
        Defect("not_a_soft_label", "signs", ["bce_with_logits", *pair], _pair(SCORES, SIGNS),
               severity=warn),
        Defect("not_a_soft_label", "bytes", ["bce_with_logits", *pair],
               _pair(SCORES, BITS * 255), severity=warn),
        Defect("negative_probability", "target", ["ce", *pair],
               _pair(LOGITS, put(put(PROBS, (3, 0), -0.1), (3, 1), 1.1 - PROBS[3, 2:].sum())),
               severity=warn),
        Defect("sum_not_one", "target", ["ce", *pair], _pair(LOGITS, put(PROBS, (3, 0), 0.9)),
               severity=warn),
        Defect("clipped", "keras", ["keras.binary_crossentropy", *pair],
               _pair(put(SHARES, 3, 1.1), BITS), severity=warn),
        Defect("clamped", "bce", ["bce", *pair],
               _pair(put(SHARES, 3, 1 - BITS[3]), BITS), severity=warn),
        Defect("clamped", "sums", ["keras.sparse_categorical_crossentropy", *pair],
               _pair(put(PROBS, 3, np.eye(CLASSES)[(LABELS[3] + 1) % CLASSES]), LABELS),
               severity=warn),
        Defect("nan_loss", "negative rate", ["poisson_nll", *pair, "--no-log-input"],
               _pair(put(RATES, 3, -4), COUNTS), repaired=False),
        Defect("infinite_loss", "overflow", ["poisson_nll", *pair],
               _pair(put(np.log(RATES), 3, 800), COUNTS), repaired=False, severity=warn),
        Defect("half_overflow", "float16", ["ce", *pair], _pair(large, LABELS)),
        Defect("half_overflow", "saved wider", ["mse", *pair],
               _pair(put(PREDICTED, 3, 65504.0), TRUE), severity=warn),
        Defect("integer_wrap", "ignored label", ["ce", *pair],
               _pair(LOGITS, put(LABELS, 3, 255).astype(np.uint8))),
        Defect("integer_wrap", "sign", ["bce_with_logits", *pair],
               _pair(SCORES, SIGNS.astype(np.uint8)), severity=warn),
        Defect("integer_wrap", "amounts", ["l1", *pair],
               _pair(moved.astype(float), put(counts, 3, 254).astype(np.uint8)), severity=warn),
        Defect("unsigned_difference", "bytes", ["l1", *pair],
               _pair(moved.astype(np.uint8), counts.astype(np.uint8)), severity="info"),
    ]  # fmt: skip


def plant_labels() -> list[Defect]:
    """Return defects of labels, and of what is ignored."""
    pair = ("x.npy", "y.npy")
    order = [3, 0, 1, 2, 4]
    never = np.where(LABELS == 2, 1, LABELS)
    warn = "warning"
    return [
        Defect("labels_start_at_1", "ce", ["ce", *pair], _pair(LOGITS, LABELS + 1)),
        Defect("permuted_classes", "columns", ["ce", *pair], _pair(LOGITS[:, order], LABELS)),
        Defect("permuted_classes", "two columns", ["ce", *pair],
               _pair(LOGITS[:, [1, 0, 2, 3, 4]], LABELS)),
        Defect("permuted_classes", "one step", ["ce", *pair],
               _pair(np.roll(LOGITS, 1, axis=1), LABELS)),
        Defect("permuted_classes", "two classes", ["bce_with_logits", *pair],
               _pair(SCORES, 1 - BITS)),
        Defect("permuted_classes", "signs", ["soft_margin", *pair], _pair(SCORES, -SIGNS)),
        Defect("permuted_classes", "shares", ["keras.categorical_crossentropy", *pair],
               _pair(PROBS[:, order], np.eye(CLASSES)[LABELS])),
        Defect("ignore_never", "ce", ["ce", *pair, "--ignore-index", "255"],
               _pair(LOGITS, LABELS), severity=warn),
        Defect("nothing_counts", "ignored", ["ce", *pair, "--ignore-index", "3"],
               _pair(LOGITS, np.full(SAMPLES, 3))),
        Defect("nothing_counts", "masked", ["ce", *pair, "--mask", "k.npy"],
               _pair(LOGITS, LABELS, k=np.zeros(SAMPLES)), repaired=False),
        Defect("missing_classes", "ce", ["ce", *pair], _pair(LOGITS, never), repaired=False,
               severity="info"),
        Defect("single_class", "ce", ["ce", *pair], _pair(LOGITS[:, :1], LABELS * 0),
               repaired=False, severity=warn),
        Defect("one_class_predicted", "ce", ["ce", *pair],
               _pair(LOGITS + 99 * np.eye(CLASSES)[0], LABELS), repaired=False, severity=warn),
        Defect("float_indices", "ce", ["ce", *pair], _pair(LOGITS, LABELS * 1.0),
               severity="info"),
        Defect("impossible_alignment", "ctc", ["ctc", *pair, "n.npy", "m.npy"],
               {**GOOD["ctc"][1], "n.npy": put(np.full(30, 12), slice(3, 5), 2)}),
        Defect("impossible_alignment", "keras", ["keras.ctc", *pair],
               _pair(np.moveaxis(FRAMES, 0, 1)[:, :4].copy(),
                     np.vstack([WORDS[:29] * [1, 0, 0], [[2, 2, 2]]]))),
    ]  # fmt: skip


def plant_rows() -> list[Defect]:
    """Return defects of samples: twice there, out of step, constant, no better than a guess."""
    pair = ("x.npy", "y.npy")
    warn = "warning"
    again = np.concatenate([np.arange(SAMPLES), np.arange(40)])
    lost = np.delete(np.arange(SAMPLES), 200)
    return [
        Defect("duplicate_rows", "ce", ["ce", *pair], _pair(LOGITS[again], LABELS[again]),
               severity=warn),
        Defect("duplicate_rows", "mse", ["mse", *pair], _pair(PREDICTED[again], TRUE[again]),
               severity=warn),
        Defect("shifted_rows", "later", ["ce", *pair], _pair(LOGITS, np.roll(LABELS, 1))),
        Defect("shifted_rows", "earlier", ["mse", *pair], _pair(np.roll(PREDICTED, 1), TRUE)),
        Defect("shifted_rows", "half", ["mse", *pair], _pair(PREDICTED[lost], TRUE[:-1])),
        Defect("shifted_rows", "other half", ["ce", *pair], _pair(LOGITS[:-1], LABELS[lost])),
        Defect("identical_inputs", "mse", ["mse", *pair], _pair(TRUE, TRUE), repaired=False,
               severity=warn),
        Defect("other_scale", "mse", ["mse", *pair], _pair((PREDICTED - 20) / 5, TRUE),
               severity=warn),
        Defect("no_better_than_guessing", "ce", ["ce", *pair],
               _pair(RNG.permuted(LOGITS, axis=0), LABELS), repaired=False, severity=warn),
        Defect("no_better_than_guessing", "mse", ["mse", *pair],
               _pair(RNG.permutation(PREDICTED), TRUE), repaired=False, severity=warn),
        Defect("constant_predictions", "ce", ["ce", *pair],
               _pair(np.tile(LOGITS[:1], (SAMPLES, 1)), LABELS), repaired=False, severity=warn),
        Defect("constant_targets", "mse", ["mse", *pair], _pair(PREDICTED, TRUE * 0 + 20),
               repaired=False, severity=warn),
        Defect("constant_columns", "ce", ["ce", *pair],
               _pair(put(LOGITS, (slice(None), 2), 0.5), np.where(LABELS == 2, 1, LABELS)),
               repaired=False, severity="info"),
        Defect("remark", "kl_div", ["kl_div", *pair], _pair(LOG_PROBS, PROBS), repaired=False,
               severity="info"),
    ]  # fmt: skip


PLANTS: tuple[Callable[[], list[Defect]], ...] = (
    plant_structure,
    plant_forms,
    plant_numbers,
    plant_labels,
    plant_rows,
)
DEFECTS = [defect for plant in PLANTS for defect in plant()]
