"""Make the sample data: real predictions of small models on data that scikit-learn ships.

    python sample_data/make_sample_data.py [DIRECTORY]

Needs scikit-learn, numpy, pandas and pyarrow; downloads nothing. Every model is fitted on rows
that its predictions do not come from. Seeds are fixed: the same library versions on the same
processor give the same bytes. README.md says what each file is.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Array = NDArray[Any]

SEED = 0
CELL = 8
"""Height and width of a digit image."""
IGNORED = 255
"""The label of pixels that a segmentation leaves out."""
ATTRIBUTES = {
    "has_loop": (0, 6, 8, 9),
    "is_even": (0, 2, 4, 6, 8),
    "is_prime": (2, 3, 5, 7),
    "is_over_four": (5, 6, 7, 8, 9),
}
"""What is true of which digits."""


@dataclass(frozen=True)
class Digits:
    """Half of scikit-learn's handwritten digits; pixels are from 0 (paper) to 1 (full ink)."""

    id: Array
    images: Array
    labels: Array

    @property
    def pixels(self) -> Array:
        """The images as rows of 64 numbers."""
        return self.images.reshape(len(self.images), -1)


def split_digits() -> tuple[Digits, Digits]:
    """Return the training half and the test half, each in the order of the data set."""
    images, labels = load_digits().images / 16, load_digits().target
    halves = train_test_split(
        np.arange(len(labels)), test_size=0.5, stratify=labels, random_state=SEED
    )
    first, second = (Digits(rows, images[rows], labels[rows]) for rows in map(np.sort, halves))
    return first, second


def round_to_grid(values: Array, step: float) -> Array:
    """Round to multiples of a power of two, so that float32 holds sums of products exactly."""
    return (np.round(values / step) * step).astype(np.float32)


def fit_network(inputs: Array, targets: Array, hidden: int, **settings: Any) -> MLPClassifier:
    """Fit a classifier with one hidden layer, for a fixed number of passes over the data."""
    model = MLPClassifier((hidden,), random_state=SEED, n_iter_no_change=10_000, **settings)
    with warnings.catch_warnings():
        # Stopping before convergence is meant: it leaves some mistakes and some doubt.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(inputs, targets)


def hidden_layer(model: MLPClassifier, inputs: Array) -> Array:
    """Return what the network's last layer sees."""
    hidden: Array = np.maximum(inputs @ model.coefs_[0] + model.intercepts_[0], 0)
    return hidden


def logits_of(model: MLPClassifier, inputs: Array) -> Array:
    """Return the network's output before its softmax or sigmoid."""
    logits: Array = hidden_layer(model, inputs) @ model.coefs_[1] + model.intercepts_[1]
    return logits


def log_softmax(logits: Array) -> Array:
    """Return log-probabilities over the last axis, in double precision."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    log_probs: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return log_probs


def make_digits(train: Digits, test: Digits, out: Path) -> None:
    """Write a classifier's logits, its last layer, and a second classifier's probabilities."""
    model = fit_network(train.pixels, train.labels, hidden=16, alpha=0.1, max_iter=120)
    features = round_to_grid(hidden_layer(model, test.pixels), 1 / 256)
    weight = round_to_grid(model.coefs_[1].T, 1 / 256)
    bias = round_to_grid(model.intercepts_[1], 1 / 256)
    logits = features @ weight.T + bias
    other = LogisticRegression(C=0.2, max_iter=1000).fit(train.pixels, train.labels)

    np.save(out / "preds.npy", logits)
    np.save(out / "labels.npy", test.labels.astype(np.int64))
    np.save(out / "log_probs.npy", log_softmax(logits).astype(np.float32))
    np.save(out / "probs.npy", np.exp(log_softmax(logits)).astype(np.float32))
    np.save(out / "one_hot.npy", np.eye(10, dtype=np.uint8)[test.labels])
    np.save(out / "digits_features.npy", features)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    np.save(out / "digits_unit.npy", unit.astype(np.float32))
    np.save(out / "digits_weight.npy", weight)
    np.save(out / "digits_bias.npy", bias)
    probabilities = other.predict_proba(test.pixels)
    np.save(out / "digits_other_probs.npy", probabilities.astype(np.float32))
    write_digit_table(test, logits, features, out / "digits.parquet")


def write_digit_table(test: Digits, logits: Array, features: Array, path: Path) -> None:
    """Write the logits and labels with what can be measured on each image, to slice by."""
    ink = test.pixels.mean(axis=1)
    bands = pd.qcut(ink, 3, labels=["light", "medium", "heavy"])
    columns: dict[str, Any] = {"id": test.id}
    columns |= {f"logit_{digit}": logits[:, digit] for digit in range(logits.shape[1])}
    columns |= {
        "label": test.labels,
        "ink": ink,
        "ink_band": pa.array(bands.astype(str)),
        "width": (test.images.max(axis=1) >= 0.25).sum(axis=1),
        "features": pa.FixedSizeListArray.from_arrays(features.reshape(-1), features.shape[1]),
    }
    pq.write_table(pa.table(columns), path, row_group_size=256, compression="zstd")


def make_attributes(train: Digits, test: Digits, out: Path) -> None:
    """Write a multi-label problem: what is true of the digit in the image."""
    truth = np.stack([np.isin(np.arange(10), digits) for digits in ATTRIBUTES.values()], axis=1)
    model = fit_network(
        train.pixels, truth[train.labels].astype(int), hidden=16, alpha=0.1, max_iter=150
    )
    indices = np.full(truth.shape, -1, dtype=np.int64)
    for digit, attributes in enumerate(truth):
        indices[digit, : attributes.sum()] = np.flatnonzero(attributes)

    np.save(out / "attributes_logits.npy", logits_of(model, test.pixels).astype(np.float32))
    np.save(out / "attributes.npy", truth[test.labels].astype(np.float32))
    np.save(out / "attributes_indices.npy", indices[test.labels])


def make_regression(out: Path) -> None:
    """Write cross-validated predictions of three regressors on the diabetes data."""
    data = load_diabetes(as_frame=True, scaled=False)
    inputs, target = data.data, data.target.to_numpy()
    folds = KFold(5, shuffle=True, random_state=SEED)
    poisson = make_pipeline(StandardScaler(), PoissonRegressor(alpha=1e-3))
    rate = cross_val_predict(poisson, inputs, target, cv=folds)
    trees = np.empty((100, len(target)))
    for train, test in folds.split(inputs):
        forest = RandomForestRegressor(100, max_features=0.5, random_state=SEED)
        forest.fit(inputs.iloc[train].to_numpy(), target[train])
        rows = inputs.iloc[test].to_numpy()
        trees[:, test] = [tree.predict(rows) for tree in forest.estimators_]

    log_rate = np.log(rate).round(4)
    table = pd.DataFrame(
        {
            "id": np.arange(len(target)),
            "target": target.astype(int),
            "pred_linear": cross_val_predict(LinearRegression(), inputs, target, cv=folds).round(2),
            "pred_forest": trees.mean(axis=0).round(2),
            "var_forest": trees.var(axis=0).round(2),
            "pred_poisson": np.exp(log_rate),
            "log_rate": log_rate,
            "sex": inputs["sex"].astype(int),
            "age_band": pd.cut(
                inputs["age"],
                [0, 40, 55, 120],
                right=False,
                labels=["under 40", "40 to 54", "55 and over"],
            ),
        }
    )
    table.to_csv(out / "regression.csv", index=False, lineterminator="\n")


def make_binary(out: Path) -> None:
    """Write cross-validated scores on the breast cancer data, each with a rival to outrank."""
    inputs, target = load_breast_cancer(return_X_y=True)
    folds = StratifiedKFold(5, shuffle=True, random_state=SEED)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    logit = cross_val_predict(model, inputs, target, cv=folds, method="decision_function").round(4)
    generator = np.random.default_rng(SEED)
    rows = [np.flatnonzero(target == kind) for kind in (0, 1)]
    rival = np.array([generator.choice(rows[1 - kind]) for kind in target])
    table = pd.DataFrame(
        {
            "id": np.arange(len(target)),
            "logit": logit,
            "probability": 1 / (1 + np.exp(-logit)),
            "target": target,
            "sign": 2 * target - 1,
            "rival_id": rival,
            "rival_logit": logit[rival],
        }
    )
    table.to_csv(out / "binary.csv", index=False, lineterminator="\n")


def make_triplets(train: Digits, test: Digits, out: Path, count: int = 300) -> None:
    """Write learned embeddings of digits as triplets, and as pairs with a sign.

    The negative is the nearest of eight images of other digits, drawn at random.
    """
    model = LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.1)
    embedded = model.fit(train.pixels, train.labels).transform(test.pixels).astype(np.float32)
    generator = np.random.default_rng(SEED)
    anchor = generator.choice(len(embedded), count, replace=False)
    positive, negative = np.empty_like(anchor), np.empty_like(anchor)
    for place, row in enumerate(anchor):
        same = test.labels == test.labels[row]
        others = generator.choice(np.flatnonzero(~same), 8, replace=False)
        distances = np.linalg.norm(embedded[others] - embedded[row], axis=1)
        negative[place] = others[distances.argmin()]
        same[row] = False
        positive[place] = generator.choice(np.flatnonzero(same))

    sign = np.where(generator.random(count) < 0.5, 1, -1)
    right = embedded[np.where(sign == 1, positive, negative)]
    np.savez(
        out / "triplets.npz",
        anchor=embedded[anchor],
        positive=embedded[positive],
        negative=embedded[negative],
        pair_left=embedded[anchor],
        pair_right=right,
        pair_distance=np.linalg.norm(embedded[anchor] - right, axis=1),
        pair_sign=sign,
    )


def compose_lines(digits: Digits, count: int, width: int) -> tuple[Array, Array, list[Array]]:
    """Set three to five digits in a line, and return the lines, their columns' classes, texts.

    Class 0 is the blank; digit d is class d + 1, on the two middle columns of its image.
    """
    generator = np.random.default_rng(SEED)
    lines = np.zeros((count, CELL, width))
    classes = np.zeros((count, width), dtype=np.int64)
    texts = []
    for line, column_classes in zip(lines, classes, strict=True):
        rows = generator.choice(len(digits.labels), generator.integers(3, 6))
        left = 0
        for row in rows:
            line[:, left : left + CELL] = digits.images[row]
            column_classes[left + 3 : left + 5] = digits.labels[row] + 1
            left += CELL + int(generator.integers(0, 3))
        texts.append(digits.labels[rows] + 1)
    return lines, classes, texts


def cut_windows(images: Array, height: int, width: int) -> Array:
    """Return the surroundings of each pixel (height 1: of each column), one row each."""
    margins = ((0, 0), (height // 2,) * 2, (width // 2,) * 2)
    size = (height if height > 1 else images.shape[1], width)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(images, margins), size, (1, 2))
    return windows.reshape(-1, size[0] * size[1])


def make_ctc(train: Digits, test: Digits, out: Path, count: int = 24, width: int = 48) -> None:
    """Write the per-column log-probabilities of a reader of lines of digits."""
    lines, classes, _ = compose_lines(train, 600, width)
    model = fit_network(
        cut_windows(lines, 1, 11), classes.reshape(-1), hidden=64, alpha=0.1, max_iter=20
    )
    lines, _, texts = compose_lines(test, count, width)
    logits = logits_of(model, cut_windows(lines, 1, 11)).reshape(count, width, -1)
    target_lengths = np.array([len(text) for text in texts])
    targets = np.zeros((count, target_lengths.max()), dtype=np.int64)
    for row, text in zip(targets, texts, strict=True):
        row[: len(text)] = text
    inked = lines.max(axis=1) > 0
    np.savez_compressed(
        out / "ctc.npz",
        log_probs=log_softmax(logits).transpose(1, 0, 2).astype(np.float32, order="C"),
        logits=logits.astype(np.float32),
        targets=targets,
        targets_concatenated=np.concatenate(texts),
        input_lengths=width - inked[:, ::-1].argmax(axis=1),
        target_lengths=target_lengths,
    )


def compose_scenes(digits: Digits, count: int) -> tuple[Array, Array]:
    """Scatter up to six digits on 24 by 30 pixels; return the scenes and their pixels' classes.

    Classes: 0 paper, 1 a digit with a loop, 2 a digit without. Faint pixels at the edge of a
    stroke are neither paper nor ink, and are ignored.
    """
    generator = np.random.default_rng(SEED)
    scenes = np.zeros((count, 24, 30))
    classes = np.zeros(scenes.shape, dtype=np.uint8)
    for scene in range(count):
        for top, left in np.ndindex(2, 3):
            if generator.random() < 0.2:
                continue
            row = generator.integers(len(digits.labels))
            y, x = 12 * top + generator.integers(0, 5), 10 * left + generator.integers(0, 3)
            place = np.s_[scene, y : y + CELL, x : x + CELL]
            image = digits.images[row]
            kind = 1 if digits.labels[row] in ATTRIBUTES["has_loop"] else 2
            scenes[place] = image
            classes[place] = np.select([image >= 0.4, image > 0], [kind, IGNORED], 0)
    return scenes, classes


def make_segmentation(train: Digits, test: Digits, out: Path, count: int = 8) -> None:
    """Write the per-pixel logits of a network that sees nine by nine pixels."""
    scenes, classes = compose_scenes(train, 60)
    kept = classes.reshape(-1) != IGNORED
    windows = cut_windows(scenes, 9, 9)[kept]
    model = fit_network(windows, classes.reshape(-1)[kept], hidden=32, alpha=0.1, max_iter=10)
    scenes, classes = compose_scenes(test, count)
    logits = logits_of(model, cut_windows(scenes, 9, 9)).reshape(*scenes.shape, -1)
    maps = np.moveaxis(logits, -1, 1).astype(np.float32, order="C")
    np.save(out / "segmentation_logits.npy", maps)
    np.save(out / "segmentation_labels.npy", classes)


def find_ink(image: Array) -> Array:
    """Return the smallest box (x1, y1, x2, y2) around the pixels of at least half ink."""
    rows, columns = (np.flatnonzero((image >= 0.5).any(axis=axis)) for axis in (1, 0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def compose_pages(digits: Digits, count: int) -> tuple[Array, Array]:
    """Set one digit somewhere on 16 by 20 pixels; return the pages and the boxes of the ink."""
    generator = np.random.default_rng(SEED)
    pages, boxes = np.zeros((count, 16, 20)), np.zeros((count, 4))
    for page, found in zip(pages, boxes, strict=True):
        top, left = generator.integers(0, 9), generator.integers(0, 13)
        image = digits.images[generator.integers(len(digits.labels))]
        page[top : top + CELL, left : left + CELL] = image
        found[:] = find_ink(page)
    return pages, boxes


def make_boxes(train: Digits, test: Digits, out: Path) -> None:
    """Write where a network finds a digit on a page, and where it is, as corners in pixels."""
    pages, boxes = compose_pages(train, 1500)
    model = MLPRegressor(
        hidden_layer_sizes=(48,), random_state=SEED, max_iter=80, n_iter_no_change=10_000
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(pages.reshape(len(pages), -1), boxes)
    pages, boxes = compose_pages(test, 200)
    predicted = model.predict(pages.reshape(len(pages), -1)).astype(np.float32)
    np.savez(out / "boxes.npz", predicted=predicted, true=boxes.astype(np.int64))


def main() -> None:
    """Write every file into the directory given, or beside this script."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    train, test = split_digits()
    make_digits(train, test, out)
    make_attributes(train, test, out)
    make_triplets(train, test, out)
    make_ctc(train, test, out)
    make_segmentation(train, test, out)
    make_boxes(train, test, out)
    make_regression(out)
    make_binary(out)


if __name__ == "__main__":
    main()
