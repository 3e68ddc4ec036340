"""The sequence losses of PyTorch, as the tests know them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from mpmath import mp, mpf

from tests.losses.cancellation import ones
from tests.losses.cases.case import Array, Case, Draw, grid, spell
from tests.losses.declare import cases, corrected, definition, largest_term, recomputed, reference
from tests.losses.definitions.exact import Measured, Number, Vector, exactly, log, total
from tests.losses.definitions.points import SEED, Points, drawn
from tests.losses.steps.scope import Scope, log_normalise, log_sum_exp

reference("ctc", "torch.nn.functional.ctc_loss", class_name="CTCLoss", integers=(1, 2, 3))


def joined(labels: Sequence[Sequence[int]]) -> Array:
    """Return the labels of all samples in one vector."""
    return np.array([index for row in labels for index in row], dtype=np.int64)


def counts(values: Sequence[int]) -> Array:
    """Return lengths as an array."""
    return np.array(values, dtype=np.int64)


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


@cases("ctc")
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


def alignment(frames: int, classes: int, labels: int, scale: float) -> Points:
    """Return two samples of random log-probabilities, ``scale`` times as sharp as normal."""
    raw = scale * drawn(frames, 2, classes)
    raw -= raw.max(axis=2, keepdims=True)
    logs = raw - np.log(np.exp(raw).sum(axis=2, keepdims=True))
    targets = np.random.default_rng([SEED, labels]).integers(1, classes, (2, max(labels, 1)))
    lengths = (np.array([frames, frames - 1]), np.array([labels, labels // 2]))
    return Points((logs, targets, *lengths))


def ctc_points() -> list[Points]:
    """Return short and long sequences, sure and nearly impossible ones."""
    points = [
        alignment(frames, classes, labels, scale)
        for frames, classes, labels in ((2, 2, 1), (12, 5, 4), (60, 4, 20), (300, 6, 25))
        for scale in (0.1, 1.0, 8.0, 100.0)
    ]
    # Every frame is sure of its label, so that the loss is about 1e-15, 1e-17, and 5e-324.
    spelled = np.array([0, 1, 1, 0, 2, 1, 0])
    for doubt in (1e-15, 1e-17, 1e-100, 5e-324):
        logs = np.where(spelled[:, None] == np.arange(3), -doubt, np.log(doubt))[:, None]
        lengths = (np.array([7]), np.array([3]))
        points.append(Points((logs, np.array([[1, 2, 1]]), *lengths)))
    faint = np.full((300, 1, 3), -1e4) + drawn(300, 1, 3)
    points.append(Points((faint, np.array([[1, 1, 2]]), np.array([300]), np.array([3]))))
    never = np.where(np.arange(3) == 2, -np.inf, np.zeros((4, 1, 3)))
    for zero_infinity in (False, True):
        impossible = (never, np.array([[2, 1]]), np.array([4]), np.array([2]))
        points.append(Points(impossible, {"zero_infinity": zero_infinity}))
    return points


def add_alignments(
    log_probs: Sequence[Vector], states: Sequence[int], combine: Callable[[list[Number]], Number]
) -> Number:
    """Return the sum (or the maximum) over alignments of their probabilities."""
    blank = states[0]
    alpha = [mpf(1), *[mpf(0)] * (len(states) - 1)]  # before the first step: nothing emitted
    for t, frame in enumerate(log_probs):
        emit = {c: mp.exp(frame[c]) for c in set(states)}
        previous = alpha
        alpha = []
        for s, state in enumerate(states):
            reached = [previous[s]]
            if s > 0 and (t > 0 or s == 1):
                reached.append(previous[s - 1])
            if s > 1 and t > 0 and state not in (blank, states[s - 2]):
                reached.append(previous[s - 2])
            alpha.append(combine(reached) * emit[state])
    return combine(alpha[-2:] if log_probs else alpha[-1:])


@definition("ctc", points=ctc_points, axes=(1, 0, 0, 0))
def ctc(
    log_probs: Sequence[Vector], labels: Sequence[int], steps: int, length: int, blank: int = 0,
    zero_infinity: bool = False,
) -> Measured:  # fmt: skip
    """-log of the sum over alignments (Graves et al. 2006, section 4.1).

    If that sum is nearly 1, the loss is the cost of the best alignment less log1p of the others'
    share, and is measured by the larger. Each of the others is exp of a sum of inputs, which is
    known to the last bit of that sum: their share counts as many times as its logarithm says.
    """
    states = [blank]
    for one in labels[:length]:
        states += [one, blank]
    probability = add_alignments(log_probs[:steps], states, total)
    if probability == 0 and zero_infinity:
        return exactly(mpf(0))
    value = -log(probability)
    if probability < mpf(1) / 2:
        return exactly(value)
    best = add_alignments(log_probs[:steps], states, max)
    others = probability / best - 1
    share = others * max(1, -log(others)) if others else mpf(0)
    return value, max(abs(value), abs(log(best)), share)


largest_term("ctc")(ones)


@corrected("ctc")
def zero_on_no_alignment(case: Case, expected: Array, _: Array) -> Array:
    """Torch has NaN for a log-probability of −∞, which is on no alignment: exp(x) is 0."""
    if not case.id.startswith("certain-1"):
        return expected
    return np.where(np.isinf(case.inputs[0]), 0.0, expected)


def follow(s: Scope, join: Callable[[list[float]], float]) -> float:
    """Join the scores of all alignments: their prefixes by labels begun and the last label."""
    wanted, blank = list(s["labels"]), s.o.get("blank", 0)
    known: dict[tuple[int, int], float] = {(0, blank): 0.0}
    for scores in s["log-probabilities"]:
        coming: dict[tuple[int, int], list[float]] = {}
        for (begun, last), score in known.items():
            for label in {blank, last, *wanted[begun : begun + 1]}:
                if label in (blank, last):
                    coming.setdefault((begun, label), []).append(score + scores[label])
                if label != blank and wanted[begun : begun + 1] == [label] != [last]:
                    coming.setdefault((begun + 1, label), []).append(score + scores[label])
        known = {prefix: join(several) for prefix, several in coming.items()}
    ends = [score for (begun, _), score in known.items() if begun == len(wanted)]
    return join(ends) if ends else -np.inf


def collapse(alignment: Array, blank: int) -> list[int]:
    """Return the labels that an alignment stands for."""
    return [label for label, _ in itertools.groupby(alignment) if label != blank]


def judge_alignment(s: Scope) -> Array:
    """Return the alignment that is told, if it is one, and no other is likelier."""
    told, best = s.told, follow(s, max)
    if best == -np.inf:
        return np.empty(0)
    score = sum(scores[label] for scores, label in zip(s["log-probabilities"], told, strict=True))
    right = collapse(told, s.o.get("blank", 0)) == list(s["labels"])
    return told if right and math.isclose(score, best, rel_tol=1e-12) else np.full(len(told), -1)


recomputed(
    {
        ("frames", "T, the input length"): lambda s: s.x[2],
        ("log-probabilities", "log p_t"): lambda s: (
            np.array([log_normalise(one) for one in s.x[0]])
            if "logits" in s
            else s.x[0][: int(s["frames"])]
        ),
        ("labels", "y"): lambda s: s.labels(),
        ("extended labels", "a blank before, between and after the labels"): lambda s: [
            s["labels"][place // 2] if place % 2 else s.o.get("blank", 0)
            for place in range(2 * len(s["labels"]) + 1)
        ],
        ("log-likelihood", "log Σ over all alignments of Π_t p_t"): lambda s: follow(
            s, log_sum_exp
        ),
        ("best alignment", "label of each frame, in the likeliest alignment"): judge_alignment,
        ("best log-probability", "Σ_t log p_t of the best alignment"): lambda s: follow(s, max),
        ("share of the best", "exp(best log-probability − log-likelihood)"): lambda s: np.exp(
            s["best log-probability"] - s["log-likelihood"]
        ),
        ("loss", "−log-likelihood"): lambda s: -s["log-likelihood"],
        ("loss", "−log-likelihood, and 0 where there is no alignment"): lambda s: (
            0.0 if s["log-likelihood"] == -np.inf else -s["log-likelihood"]
        ),
    }
)
