"""The sum over CTC alignments, against enumeration, 50 digits and PyTorch."""

from __future__ import annotations

import itertools
import math
from typing import Any

import mpmath
import numpy as np
import pytest

from lossctl.losses.maths import ctc as alignment
from lossctl.losses.maths.ctc import negative_log_likelihood, pad_targets

ROUNDING = 2.0**-53


def normalise(logits: Any) -> Any:
    """Log-probabilities of logits, over the last axis, rounded once from a longer type."""
    shifted = logits.astype(np.longdouble)
    shifted = shifted - shifted.max(axis=-1, keepdims=True)
    return (shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))).astype(np.float64)


def one(log_probs: Any, target: Any, blank: int = 0) -> float:
    """Return the loss of one sample of full length."""
    target = np.asarray(target, np.int64)
    lengths = np.array([len(log_probs)]), np.array([len(target)])
    return float(negative_log_likelihood(log_probs[None], target[None], *lengths, blank)[0])


def collapse(path: tuple[int, ...], blank: int) -> list[int]:
    return [label for label, _ in itertools.groupby(path) if label != blank]


def enumerate_paths(log_probs: Any, target: list[int], blank: int) -> float:
    """Add up every path of labels that reads as the target, from the definition."""
    frames, classes = log_probs.shape
    terms = [
        math.exp(math.fsum(float(log_probs[frame, label]) for frame, label in enumerate(path)))
        for path in itertools.product(range(classes), repeat=frames)
        if collapse(path, blank) == target
    ]
    return -math.log(math.fsum(terms)) if terms else math.inf


def forward(log_probs: Any, target: Any, blank: int = 0) -> mpmath.mpf:
    """Return the loss to 50 digits, by the recursion over states."""
    with mpmath.workdps(50):
        states = [blank]
        for label in target:
            states += [int(label), blank]
        before = [mpmath.mpf(1)] + [mpmath.mpf(0)] * (len(states) - 1)
        for frame in log_probs:
            probs = {label: mpmath.exp(mpmath.mpf(float(frame[label]))) for label in set(states)}
            after = []
            for state, label in enumerate(states):
                total = before[state] + (before[state - 1] if state else 0)
                if state > 1 and label != states[state - 2]:
                    total += before[state - 2]
                after.append(total * probs[label])
            before = after
        return -mpmath.log(sum(before[-2:]))


def error(value: float, exact: mpmath.mpf) -> float:
    """Return the distance from the exact value, relative to it."""
    with mpmath.workdps(50):
        return float(abs((mpmath.mpf(value) - exact) / exact))


def peaked(rng: Any, target: Any, frames: int, height: float, *, wrong: int = 0) -> Any:
    """Return log-probabilities that spell the target, but for some frames, with some noise."""
    logits = rng.normal(size=(frames, 12))
    places = np.sort(rng.choice(np.arange(1, frames - 1, 2), len(target), replace=False))
    spelling = np.zeros(frames, np.int64)
    spelling[places] = target
    logits[np.arange(frames), spelling] += height
    for place in places[:wrong]:
        logits[place, target[-1]] = logits[place].max() + 0.5
    return normalise(logits)


@pytest.mark.parametrize("blank", [0, 1, 2])
@pytest.mark.parametrize("frames", [1, 2, 4, 6])
def test_enumeration(blank: int, frames: int) -> None:
    rng = np.random.default_rng(frames)
    log_probs = normalise(rng.normal(size=(frames, 3)) * 2)
    labels = [label for label in range(3) if label != blank]
    for length in range(4):
        for target in itertools.product(labels, repeat=length):
            expected = enumerate_paths(log_probs, list(target), blank)
            assert one(log_probs, target, blank) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("scale", [0.1, 1, 5, 30, 300, 1e4])
@pytest.mark.parametrize(("frames", "labels"), [(40, 15), (300, 12), (300, 70)])
def test_fifty_digits(scale: float, frames: int, labels: int) -> None:
    rng = np.random.default_rng(int(scale * 10) + frames + labels)
    log_probs = normalise(rng.normal(size=(frames, 6)) * scale)
    target = rng.integers(1, 6, labels)
    assert error(one(log_probs, target), forward(log_probs, target)) < 4 * ROUNDING


@pytest.mark.parametrize("level", [-700.0, -5.0, 4.0, 600.0])
def test_frames_need_not_be_normalised(level: float) -> None:
    rng = np.random.default_rng(7)
    log_probs = rng.normal(size=(150, 5)) + level
    target = rng.integers(1, 5, 20)
    assert error(one(log_probs, target), forward(log_probs, target)) < 4 * ROUNDING


@pytest.mark.parametrize("height", [3, 6, 9, 15, 25, 34])
def test_confident_answers_keep_their_digits(height: int) -> None:
    rng = np.random.default_rng(height)
    target = rng.integers(1, 12, 25)
    log_probs = peaked(rng, target, 200, height)
    assert error(one(log_probs, target), forward(log_probs, target)) < 4 * ROUNDING


@pytest.mark.parametrize("wrong", [1, 2, 3])
def test_a_few_doubtful_frames(wrong: int) -> None:
    rng = np.random.default_rng(wrong)
    target = rng.permutation(11)[:10] + 1
    log_probs = peaked(rng, target, 150, 20, wrong=wrong)
    value = one(log_probs, target)
    assert error(value, forward(log_probs, target)) * value < 16 * ROUNDING


def test_a_path_that_falls_out_of_range_and_comes_back() -> None:
    # Until frame 40 the labels a, b look certain; then only the path that still stands on the
    # first blank is possible. It is e**-4000 of the other at that time.
    log_probs = np.full((60, 3), -100.0)
    log_probs[:20, 1] = log_probs[20:40, 2] = 0.0
    log_probs[40:, 0] = 0.0
    log_probs[40:43, 1], log_probs[45:48, 2] = -1.0, -1.0
    log_probs[43:45, 1:] = log_probs[48:, 1:] = -np.inf
    log_probs[40, 0] = log_probs[45, 0] = -np.inf
    log_probs[40, 2] = log_probs[45, 1] = -np.inf
    finite = np.where(np.isinf(log_probs), -1e5, log_probs)
    assert error(one(finite, [1, 2]), forward(finite, [1, 2])) < 4 * ROUNDING
    assert one(log_probs, [1, 2]) == pytest.approx(float(forward(finite, [1, 2])), rel=1e-14)


def test_a_state_that_falls_out_of_range_is_missed() -> None:
    # Label 1 first at once, which costs 4200 in the end, or first blanks, which cost 3600 and are
    # e**-3600 of the other in between, although no frame is further apart than e**-60.
    log_probs = np.zeros((210, 2))
    log_probs[:60, 0] = log_probs[60:140, 1] = log_probs[140:, 0] = -60.0
    assert error(one(log_probs, [1]), forward(log_probs, [1])) < 4 * ROUNDING
    assert one(log_probs, [1]) == pytest.approx(3600, abs=1)


def test_a_frame_that_falls_out_of_range_is_missed() -> None:
    # Label 1 in frame 0 for 75 and label 2 in frame 1 for nothing, or both later for 60 each.
    log_probs = np.full((4, 3), -60.0)
    log_probs[:, 0] = log_probs[1, 2] = 0.0
    log_probs[0, 1] = -75.0
    assert error(one(log_probs, [1, 2]), forward(log_probs, [1, 2])) < 4 * ROUNDING


def test_many_equal_alignments() -> None:
    log_probs = np.full((60, 4), math.log(0.25))
    target = [1, 2, 3, 1, 2]
    assert error(one(log_probs, target), forward(log_probs, target)) < 4 * ROUNDING
    exact = 60 * math.log(4) - math.log(math.comb(65, 10))
    assert one(log_probs, target) == pytest.approx(exact, rel=1e-14)


def mixed_batch(seed: int) -> tuple[Any, Any, Any, Any]:
    """Return samples of every kind, for each way of adding up."""
    rng = np.random.default_rng(seed)
    samples, frames, labels = 40, 60, 12
    targets = rng.integers(1, 12, (samples, labels))
    scales = 10.0 ** rng.uniform(-1, 3.5, (samples, 1, 1))
    log_probs = normalise(rng.normal(size=(samples, frames, 12)) * scales)
    for sample in range(0, samples, 4):
        log_probs[sample] = peaked(rng, targets[sample], frames, rng.uniform(2, 30))
    log_probs[5::8][rng.random(log_probs[5::8].shape) < 0.1] = -np.inf
    log_probs[7, 3, 0] = np.nan
    input_lengths = np.where(rng.random(samples) < 0.5, frames, rng.integers(0, 60, samples))
    target_lengths = np.where(rng.random(samples) < 0.5, labels, rng.integers(0, 12, samples))
    return log_probs, targets, input_lengths, target_lengths


def test_every_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: dict[str, int] = {}
    for name in ("_run_scaled", "_add_apart", "_add_logarithms"):
        way = getattr(alignment, name)

        def count(log_probs: Any, lattice: Any, *, _way: Any = way, **options: Any) -> Any:
            key = _way.__name__ + str(options.get("lift", ""))
            taken[key] = taken.get(key, 0) + len(lattice.rows)
            return _way(log_probs, lattice, **options)

        monkeypatch.setattr(alignment, name, count)
    negative_log_likelihood(*mixed_batch(1), 0)
    assert set(taken) == {
        "_run_scaledFalse", "_run_scaledTrue", "_add_apart", "_add_logarithms"
    }  # fmt: skip
    assert taken["_run_scaledTrue"] < taken["_run_scaledFalse"]
    assert taken["_add_logarithms"] < 40


def test_plain_data_are_added_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignment, "_add_apart", None)
    monkeypatch.setattr(alignment, "_add_logarithms", None)
    run, lifts = alignment._run_scaled, []

    def record(*arguments: Any, lift: bool) -> Any:
        lifts.append(lift)
        return run(*arguments, lift=lift)

    monkeypatch.setattr(alignment, "_run_scaled", record)
    rng = np.random.default_rng(0)
    log_probs, targets = normalise(rng.normal(size=(8, 300, 20))), rng.integers(1, 20, (8, 30))
    full = np.full(8, 300), np.full(8, 30)
    assert np.isfinite(negative_log_likelihood(log_probs, targets, *full, 0)).all()
    assert lifts == [False]


@pytest.mark.parametrize("seed", range(4))
def test_a_sample_does_not_depend_on_its_neighbours(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_probs, targets, input_lengths, target_lengths = mixed_batch(seed)
    batch = negative_log_likelihood(log_probs, targets, input_lengths, target_lengths, 0)
    assert np.isfinite(batch).sum() > 20
    for chunk in (1, 3_000):
        monkeypatch.setattr(alignment, "CHUNK", chunk)
        again = negative_log_likelihood(log_probs, targets, input_lengths, target_lengths, 0)
        np.testing.assert_array_equal(again, batch)
    for row in range(len(batch)):
        part = slice(row, row + 1)
        length = int(target_lengths[row])
        for padding in ([], [-100] * 3, [5] * 40):
            target = np.concatenate([targets[row, :length], np.array(padding, np.int64)])[None]
            alone = negative_log_likelihood(
                log_probs[part], target, input_lengths[part], target_lengths[part], 0
            )
            np.testing.assert_array_equal(alone, batch[part])


def test_memory_order_and_frames_past_the_end() -> None:
    log_probs, targets, input_lengths, target_lengths = mixed_batch(9)
    expected = negative_log_likelihood(log_probs, targets, input_lengths, target_lengths, 0)
    padded = log_probs.copy()
    padded[np.arange(60) >= input_lengths[:, None]] = np.nan
    for same in (
        np.ascontiguousarray(padded.transpose(1, 0, 2)).transpose(1, 0, 2),
        np.asfortranarray(padded),
        np.repeat(padded, 2, axis=2)[:, :, ::2],
    ):
        values = negative_log_likelihood(same, targets, input_lengths, target_lengths, 0)
        np.testing.assert_array_equal(values, expected)


def test_single_precision_is_read_exactly() -> None:
    log_probs, targets, input_lengths, target_lengths = mixed_batch(3)
    rest = targets, input_lengths, target_lengths, 0
    single = log_probs.astype(np.float32)
    np.testing.assert_array_equal(
        negative_log_likelihood(single, *rest),
        negative_log_likelihood(single.astype(np.float64), *rest),
    )


def test_empty_inputs_and_targets() -> None:
    log_probs = np.log(np.full((3, 4, 3), 1 / 3))
    targets = np.array([[1, 2], [0, 0], [1, 1]])
    values = negative_log_likelihood(
        log_probs, targets, np.array([0, 0, 2]), np.array([2, 0, 2]), 0
    )
    assert values.tolist() == [math.inf, 0.0, math.inf]
    assert not np.signbit(values[1])
    none = np.zeros((3, 0), np.int64)
    values = negative_log_likelihood(log_probs, none, np.array([4, 2, 0]), np.zeros(3, np.int64), 0)
    np.testing.assert_allclose(values, [4 * math.log(3), 2 * math.log(3), 0], rtol=1e-15)
    nothing = np.zeros(0, np.int64)
    assert negative_log_likelihood(np.zeros((0, 4, 3)), none[:0], nothing, nothing, 0).size == 0
    assert one(np.zeros((0, 3)), [1]) == math.inf


def test_masked_scores() -> None:
    for mask in (-math.inf, -np.finfo(np.float64).max, float(np.finfo(np.float32).min)):
        log_probs = np.full((6, 4), mask, np.float64)
        log_probs[:, :2] = math.log(0.5)
        assert one(log_probs, [1]) == pytest.approx(-math.log(21 / 64), rel=1e-14)
        assert one(log_probs, [2]) > 1e38


def test_scores_that_are_no_numbers() -> None:
    log_probs = np.log(np.full((4, 3), 1 / 3))
    plain = one(log_probs, [1, 2])
    # Label 2 cannot come first nor label 1 last, so that nothing is read there.
    cases = {(0, 2): plain, (3, 1): plain, (2, 0): math.nan, (3, 2): math.nan}
    for place, expected in cases.items():
        broken = log_probs.copy()
        broken[place] = math.nan
        assert one(broken, [1, 2]) == pytest.approx(expected, rel=1e-14, nan_ok=True)
    infinite = log_probs.copy()
    infinite[1, 1] = math.inf
    assert math.isnan(one(infinite, [1, 2]))
    assert one(np.full((9, 3), -np.finfo(np.float64).max), [1]) == math.inf
    assert one(np.full((9, 3), -np.inf), [1]) == math.inf


def test_repeated_labels_need_a_blank_between() -> None:
    targets = np.array([[1, 1, 1], [1, 2, 1], [3, 3, 9], [4, 4, 4], [4, 4, 4]])
    lengths = np.array([3, 3, 2, 1, 0])
    needed = np.array([5, 3, 3, 1, 0])
    log_probs = np.log(np.full((5, 5, 10), 0.1))
    for spare, possible in ((0, True), (-1, False)):
        inputs = np.maximum(needed + spare, 0)
        values = negative_log_likelihood(log_probs, targets, inputs, lengths, 0)
        assert np.isfinite(values[:4]).tolist() == [possible] * 4


def test_pad_targets() -> None:
    padded = pad_targets(np.array([4, 5, 6, 7, 8, 9], np.int32), np.array([2, 0, 3, 1]))
    assert padded.tolist() == [[4, 5, 0], [0, 0, 0], [6, 7, 8], [9, 0, 0]]
    assert padded.dtype == np.int32
    assert pad_targets(np.zeros(0, np.int64), np.zeros(2, np.int64)).shape == (2, 0)
    assert pad_targets(np.zeros(0, np.int64), np.zeros(0, np.int64)).shape == (0, 0)


@pytest.mark.parametrize("seed", range(60))
def test_torch(seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    samples, frames, classes, width = (int(rng.integers(*ends)) for ends in
                                       ((1, 9), (1, 40), (2, 7), (1, 12)))  # fmt: skip
    log_probs = normalise(rng.normal(size=(samples, frames, classes)) * 10 ** rng.uniform(-1, 3))
    if seed % 3 == 0:
        log_probs[rng.random(log_probs.shape) < 0.1] = -np.inf
    if seed % 5 == 0:
        log_probs[rng.random(log_probs.shape) < 0.005] = np.nan
    if seed % 7 == 0:
        log_probs[rng.random(log_probs.shape) < 0.002] = np.inf
    blank = int(rng.integers(0, classes))
    targets = rng.integers(0, classes, (samples, width))  # the blank among them, as torch lets it
    input_lengths = rng.integers(0, frames + 1, samples)
    target_lengths = rng.integers(0, width + 1, samples)
    if seed % 2:
        input_lengths[:] = frames
        target_lengths = np.minimum(target_lengths, frames // 3)
    values = negative_log_likelihood(log_probs, targets, input_lengths, target_lengths, blank)
    expected = torch.nn.functional.ctc_loss(
        torch.tensor(log_probs).transpose(0, 1),
        torch.tensor(targets),
        torch.tensor(input_lengths),
        torch.tensor(target_lengths),
        blank=blank,
        reduction="none",
    ).numpy()
    np.testing.assert_allclose(values, expected, rtol=1e-10, atol=1e-12)
