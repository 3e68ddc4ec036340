"""Cases of the loss on sequences without an alignment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tests.losses.cases.case import Array, Case, Draw, grid, spell


def ctc_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of ctc: log_probs, targets, input_lengths, target_lengths."""
    for choice in grid(blank=(0, 3, 2), zero_infinity=(False, True)):
        blank = choice["blank"]
        logs = draw.log_probabilities((7, 4, 4), 2)
        labels = random_labels(draw, [3, 0, 1, 2], blank)
        for form, targets in (("padded", padded(labels, 4)), ("concatenated", joined(labels))):
            name = f"{form}-{spell(choice)}"
            yield Case(name, (logs, targets, counts([7, 7, 3, 5]), counts([3, 0, 1, 2])), choice)
            short = (logs, targets, counts([2, 1, 1, 1]), counts([3, 0, 1, 2]))
            yield Case(f"impossible-{name}", short, choice)
    yield from repeated_cases(draw)
    yield from small_cases(draw)
    yield from dtype_cases(draw)


def repeated_cases(draw: Draw) -> Iterator[Case]:
    """Yield equal labels in a row, which need a blank between them and so more steps."""
    labels = [[1, 1], [1, 1, 1], [2, 2, 1], [1, 2, 1]]
    logs = draw.log_probabilities((5, 4, 3), 2)
    for zero_infinity in (False, True):
        # Sample 0 has one step too few, sample 1 just enough.
        values = (logs, joined(labels), counts([2, 5, 4, 5]), counts([2, 3, 3, 3]))
        name = f"repeated-zero_infinity={zero_infinity}"
        yield Case(name, values, {"zero_infinity": zero_infinity})


def small_cases(draw: Draw) -> Iterator[Case]:
    """Yield single samples, single steps, no labels, no steps, probabilities of 0."""
    logs = draw.log_probabilities((6, 2, 3), 2)
    no_labels = (logs, np.zeros((2, 0), np.int64), counts([6, 4]), counts([0, 0]))
    yield Case("no-labels-padded", no_labels)
    yield Case("no-labels-joined", (logs, np.zeros(0, np.int64), counts([6, 4]), counts([0, 0])))
    for zero_infinity in (False, True):
        values = (logs, np.array([1]), counts([0, 0]), counts([0, 1]))
        yield Case(f"no-steps-{zero_infinity}", values, {"zero_infinity": zero_infinity})
        spelled = np.array([0, 1, 0])
        sure = np.where(spelled[:, None] == np.arange(3), 0.0, -np.inf)[:, None]
        for wanted in (1, 2):
            values = (sure, np.array([[wanted]]), counts([3]), counts([1]))
            name = f"certain-{wanted}-{zero_infinity}"
            yield Case(name, values, {"zero_infinity": zero_infinity})
    one = draw.log_probabilities((1, 1, 2), 2)
    yield Case("one-step", (one, np.array([[1]]), counts([1]), counts([1])))
    alone = draw.log_probabilities((6, 4), 1)
    lengths = (np.array(6), np.array(3))
    yield Case("unbatched", (alone, np.array([1, 3, 2]), *lengths))
    yield Case("unbatched-short", (alone, np.array([1, 1]), np.array(5), np.array(2)))
    unscaled = (draw.normal((6, 2, 3)), np.array([[1, 2], [2, 0]]), counts([6, 5]), counts([2, 1]))
    yield Case("not-logs", unscaled)
    faint = draw.log_probabilities((40, 1, 3), 2) - 30.0
    yield Case("faint", (faint, np.array([[1, 2, 1, 1]]), counts([40]), counts([4])))


def dtype_cases(draw: Draw) -> Iterator[Case]:
    """Yield labels and lengths as 32-bit integers, probabilities as 32-bit floats."""
    logs = draw.log_probabilities((5, 2, 4), 2)
    values = (np.array([[1, 3], [2, 0]]), counts([5, 4]), counts([2, 1]))
    narrow = tuple(array.astype(np.int32) for array in values)
    yield Case("int32", (logs, *narrow))
    yield Case("float32", (logs.astype(np.float32), *values))


def random_labels(draw: Draw, lengths: Sequence[int], blank: int) -> list[list[int]]:
    """Draw labels other than the blank, for each sample."""
    allowed = [index for index in range(4) if index != blank]
    return [draw.rng.choice(allowed, length).tolist() for length in lengths]


def padded(labels: Sequence[Sequence[int]], width: int) -> Array:
    """Return the labels as rows, with a label as padding that must not be read."""
    return np.array([[*row, *[1] * (width - len(row))] for row in labels], dtype=np.int64)


def joined(labels: Sequence[Sequence[int]]) -> Array:
    """Return the labels of all samples in one vector."""
    return np.array([index for row in labels for index in row], dtype=np.int64)


def counts(values: Sequence[int]) -> Array:
    """Return lengths as an array."""
    return np.array(values, dtype=np.int64)
