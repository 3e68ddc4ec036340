"""Random inputs of losses, the same numbers on every run.

A function here takes a generator and the number of elements of the largest input, and returns
the inputs in the order of the loss, as float32 and, for class indices and lengths, int64.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Generator = np.random.Generator
Build = Callable[[Generator, int], tuple[Array, ...]]

SEED = 20_170_904
FEATURES = 128
DISTRIBUTION = 10
LABELS = 20
RIGHT_LABELS = 3
CTC_STEPS, CTC_CLASSES, CTC_TARGETS = 200, 32, 30


def make_generator(name: str, count: int) -> Generator:
    """Return the generator of a case at a size."""
    return np.random.default_rng([SEED, zlib.crc32(name.encode()), count])


def normal(rng: Generator, *shape: int) -> Array:
    """Draw real numbers around 0."""
    return rng.standard_normal(shape, dtype=np.float32)


def bits(rng: Generator, *shape: int) -> Array:
    """Draw 0 and 1."""
    return rng.integers(0, 2, shape, dtype=np.uint8).astype(np.float32)


def signs(rng: Generator, *shape: int) -> Array:
    """Draw -1 and 1."""
    return 2 * bits(rng, *shape) - 1


def log_softmax(logits: Array) -> Array:
    """Turn logits into log-probabilities, in place, over the last axis."""
    logits -= np.log(np.exp(logits).sum(-1, keepdims=True))
    return logits


def pairs(rng: Generator, count: int) -> tuple[Array, ...]:
    """Draw predictions and targets."""
    return normal(rng, count), normal(rng, count)


def probabilities_and_bits(rng: Generator, count: int) -> tuple[Array, ...]:
    """Draw probabilities strictly between 0 and 1, and labels."""
    return rng.random(count, dtype=np.float32) * 0.998 + 0.001, bits(rng, count)


def logits_and_bits(rng: Generator, count: int) -> tuple[Array, ...]:
    """Draw logits and labels."""
    return normal(rng, count), bits(rng, count)


def rates_and_counts(rng: Generator, count: int) -> tuple[Array, ...]:
    """Draw logarithms of rates, and counts."""
    return normal(rng, count), rng.integers(0, 8, count, dtype=np.uint8).astype(np.float32)


def means_and_variances(rng: Generator, count: int) -> tuple[Array, ...]:
    """Draw means, targets and variances."""
    return *pairs(rng, count), rng.random(count, dtype=np.float32) + 0.5


def scores_and_signs(rng: Generator, count: int) -> tuple[Array, ...]:
    """Draw scores and signs."""
    return normal(rng, count), signs(rng, count)


def two_scores_and_signs(rng: Generator, count: int) -> tuple[Array, ...]:
    """Draw two scores, and which should be the higher."""
    return *pairs(rng, count), signs(rng, count)


def distributions(rng: Generator, count: int) -> tuple[Array, ...]:
    """Draw log-probabilities and target probabilities of ten classes."""
    shape = rows(count, DISTRIBUTION), DISTRIBUTION
    return log_softmax(normal(rng, *shape)), np.exp(log_softmax(normal(rng, *shape)))


def classes(width: int, *, log: bool = False) -> Build:
    """Return what draws logits (or log-probabilities) of so many classes, and class indices."""

    def build(rng: Generator, count: int) -> tuple[Array, ...]:
        logits = normal(rng, rows(count, width), width)
        return log_softmax(logits) if log else logits, rng.integers(0, width, len(logits))

    return build


def label_lists(rng: Generator, count: int) -> tuple[Array, ...]:
    """Draw scores of labels, and lists of the right ones, which end at -1."""
    scores = normal(rng, rows(count, LABELS), LABELS)
    lists = np.full(scores.shape, -1, np.int64)
    first = rng.integers(0, LABELS, len(scores))
    for place in range(RIGHT_LABELS):
        lists[:, place] = (first + 7 * place) % LABELS
    return scores, lists


def label_bits(rng: Generator, count: int) -> tuple[Array, ...]:
    """Draw logits of labels, and whether each is right."""
    logits = normal(rng, rows(count, LABELS), LABELS)
    return logits, bits(rng, *logits.shape)


def embedding_pairs(rng: Generator, count: int) -> tuple[Array, ...]:
    """Draw pairs of embeddings, and whether they belong together."""
    shape = rows(count, FEATURES), FEATURES
    return normal(rng, *shape), normal(rng, *shape), signs(rng, shape[0])


def triplets(rng: Generator, count: int) -> tuple[Array, ...]:
    """Draw anchors, positives and negatives."""
    shape = rows(count, FEATURES), FEATURES
    return normal(rng, *shape), normal(rng, *shape), normal(rng, *shape)


def alignments(rng: Generator, count: int) -> tuple[Array, ...]:
    """Draw log-probabilities of 200 steps, targets of 15 to 30 labels, and the lengths."""
    batch = rows(count, CTC_STEPS * CTC_CLASSES)
    log_probs = log_softmax(normal(rng, CTC_STEPS, batch, CTC_CLASSES))
    targets = rng.integers(1, CTC_CLASSES, (batch, CTC_TARGETS))
    lengths = rng.integers(CTC_TARGETS // 2, CTC_TARGETS + 1, batch)
    return log_probs, targets, np.full(batch, CTC_STEPS), lengths


def rows(count: int, width: int) -> int:
    """Return how many rows of a width hold so many elements; at least two."""
    return max(2, count // width)
