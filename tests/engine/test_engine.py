"""The engine: exact sums, the cut into blocks, partial results that merge, threads, memory."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lossctl
from lossctl.data.rules.kinds import NOT_A_SIGN, OUT_OF_RANGE
from lossctl.engine.exact_sum import ExactSum
from lossctl.engine.plan.blocks import BLOCK_NUMBERS, BlockPlan, Region, plan_blocks
from lossctl.engine.run import block as work
from lossctl.engine.sums.partial import Partial
from lossctl.engine.sums.rule_finding import RuleFinding
from lossctl.errors import DataError, LossctlWarning
from tests.support.command_line import Array, environment

FINITE = st.floats(allow_nan=False, allow_infinity=False, max_value=1e300, min_value=-1e300)
NUMBERS = st.lists(FINITE, max_size=30)


class TestExactSum:
    @given(NUMBERS)
    def test_is_rounded_once(self, numbers: list[float]) -> None:
        exact = sum(map(Fraction, numbers), Fraction(0))
        assert ExactSum.of(numbers).value == float(exact)

    @given(NUMBERS, st.randoms(use_true_random=False))
    def test_the_order_does_not_matter(self, numbers: list[float], random: Any) -> None:
        shuffled = random.sample(numbers, len(numbers))
        assert ExactSum.of(shuffled).value.hex() == ExactSum.of(numbers).value.hex()

    @given(st.lists(NUMBERS, max_size=6))
    def test_parts_merge_without_error(self, parts: list[list[float]]) -> None:
        merged = ExactSum()
        for part in parts:
            merged.merge(ExactSum.of(part))
        assert merged.value == ExactSum.of(itertools.chain(*parts)).value

    def test_nothing_is_lost_to_cancellation(self) -> None:
        assert ExactSum.of([1e300, 1.0, 1e-300, -1e300, -1.0]).value == 1e-300
        assert ExactSum.of([0.1] * 10).value == 1.0
        assert ExactSum().value == 0.0

    @pytest.mark.parametrize(
        ("numbers", "expected"),
        [
            ([1.0, math.inf, 2.0], math.inf),
            ([-math.inf, 1e308], -math.inf),
            ([math.inf, -math.inf], math.nan),
            ([1.0, math.nan, math.inf], math.nan),
        ],
    )
    def test_infinity_and_nan(self, numbers: list[float], expected: float) -> None:
        for order in itertools.permutations(numbers):
            left, right = ExactSum.of(order[:1]), ExactSum.of(order[1:])
            right.merge(left)
            np.testing.assert_equal(ExactSum.of(order).value, expected)
            np.testing.assert_equal(right.value, expected)

    @pytest.mark.parametrize("sign", [1, -1])
    def test_a_sum_beyond_the_largest_number_is_infinite(self, sign: int) -> None:
        assert ExactSum.of([sign * 1.5e308] * 3).value == sign * math.inf

    @given(st.permutations([1.5e308, 1.5e308, -1.5e308, -1.5e308, 1.0]))
    def test_a_sum_that_passes_the_largest_number_comes_back(self, numbers: list[float]) -> None:
        assert ExactSum.of(numbers).value == 1.0


def paint(block_plan: BlockPlan, samples: int, trailing: tuple[int, ...]) -> list[Array]:
    """Return the flat positions of each region in the C order of all positions."""
    positions = np.arange(samples * math.prod(trailing)).reshape(samples, *trailing)
    return [
        positions[(slice(region.start, region.stop), *region.trailing)].reshape(-1)
        for region in block_plan.regions(samples)
    ]


SHAPES = st.lists(st.integers(1, 40), max_size=3).map(tuple)


class TestBlockPlan:
    @given(st.integers(1, 30), SHAPES, st.integers(1, 40_000))
    def test_every_position_once_and_in_order(
        self, samples: int, trailing: tuple[int, ...], classes: int
    ) -> None:
        block_plan = plan_blocks(classes * math.prod(trailing), trailing)
        everything = np.concatenate(paint(block_plan, samples, trailing))
        assert np.array_equal(everything, np.arange(samples * math.prod(trailing)))

    @given(st.integers(1, 30), SHAPES, st.integers(1, 40_000))
    def test_a_block_is_no_larger_than_it_must_be(
        self, samples: int, trailing: tuple[int, ...], classes: int
    ) -> None:
        block_plan = plan_blocks(classes * math.prod(trailing), trailing)
        for region in block_plan.regions(samples):
            assert all(
                cut.stop <= size for cut, size in zip(region.trailing, trailing, strict=True)
            )
            box = math.prod(cut.stop - cut.start for cut in region.trailing)
            size = (region.stop - region.start) * box * classes
            assert size <= BLOCK_NUMBERS or (region.stop - region.start, box) == (1, 1)

    @given(SHAPES, st.integers(1, 40_000), st.integers(1, 60))
    def test_a_stream_is_cut_like_a_file(
        self, trailing: tuple[int, ...], classes: int, samples: int
    ) -> None:
        block_plan = plan_blocks(classes * math.prod(trailing), trailing)
        known = list(block_plan.regions(samples))
        unknown = itertools.islice(block_plan.regions(None), len(known))
        for one, other in zip(known, unknown, strict=True):
            assert (one.start, one.trailing) == (other.start, other.trailing)
            assert one.stop == min(other.stop, samples)

    def test_small_samples_share_a_block(self) -> None:
        block_plan = plan_blocks(10, ())
        assert block_plan.rows == BLOCK_NUMBERS // 10
        assert list(block_plan.regions(2 * block_plan.rows + 1)) == [
            Region(0, block_plan.rows, ()),
            Region(block_plan.rows, 2 * block_plan.rows, ()),
            Region(2 * block_plan.rows, 2 * block_plan.rows + 1, ()),
        ]

    def test_one_huge_sample_is_cut_along_its_axes(self) -> None:
        block_plan = plan_blocks(8192 * 8192, (8192, 8192))
        assert block_plan.rows == 1
        assert len(block_plan.boxes) == 8192 * 8192 // BLOCK_NUMBERS
        assert block_plan.boxes[1] == (slice(32, 64), slice(0, 8192))
        assert all(region.partial for region in block_plan.regions(1))

    @pytest.mark.parametrize("trailing", [(0,), (4, 0), (0, 7)])
    def test_empty_axes(self, trailing: tuple[int, ...]) -> None:
        block_plan = plan_blocks(0, trailing)
        assert [region.stop for region in block_plan.regions(3)] == [3]


POSITIONS = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 3)), max_size=4)
PARTS = st.lists(
    st.tuples(
        FINITE, FINITE, st.integers(0, 9), POSITIONS, st.sampled_from([OUT_OF_RANGE, NOT_A_SIGN])
    ),
    min_size=1,
    max_size=6,
)


def make_partial(total: float, denominator: float, count: int, found: Any, rule: Any) -> Partial:
    partial = Partial(elements=count, counted=count, ignored=count + 1, masked=2, omitted=count)
    partial.total.add(total)
    partial.denominator.add(denominator)
    for position in found:
        partial.note(RuleFinding(rule, "target", 1, position, float(position[0])))
    return partial


def summarize(partial: Partial) -> tuple[Any, ...]:
    findings = {
        key: (found.count, found.position, found.value) for key, found in partial.findings.items()
    }
    counts = (partial.elements, partial.counted, partial.ignored, partial.masked, partial.omitted)
    return partial.total.value, partial.denominator.value, counts, findings, partial.broken


class TestPartial:
    @given(PARTS, st.randoms(use_true_random=False))
    def test_merges_in_any_order(self, parts: list[Any], random: Any) -> None:
        in_order, shuffled = Partial(), Partial()
        for part in parts:
            in_order.merge(make_partial(*part))
        for part in random.sample(parts, len(parts)):
            shuffled.merge(make_partial(*part))
        assert summarize(in_order) == summarize(shuffled)

    @given(PARTS, PARTS)
    def test_merges_in_groups(self, some: list[Any], others: list[Any]) -> None:
        one, left, right = Partial(), Partial(), Partial()
        for part in [*some, *others]:
            one.merge(make_partial(*part))
        for part in some:
            left.merge(make_partial(*part))
        for part in others:
            right.merge(make_partial(*part))
        left.merge(right)
        assert summarize(left) == summarize(one)

    def test_keeps_the_first_place_and_adds_the_counts(self) -> None:
        later = make_partial(0, 0, 0, [(7, 1)], OUT_OF_RANGE)
        later.merge(make_partial(0, 0, 0, [(3, 2), (9, 0)], OUT_OF_RANGE))
        (found,) = later.findings.values()
        assert (found.count, found.position, found.value) == (3, (3, 2), 3.0)
        assert later.broken

    def test_merging_leaves_the_other_alone(self) -> None:
        total, other = Partial(), make_partial(1.0, 1.0, 1, [(3, 2)], OUT_OF_RANGE)
        total.merge(other)
        total.merge(make_partial(1.0, 1.0, 1, [(1, 0)], OUT_OF_RANGE))
        assert summarize(other) == summarize(make_partial(1.0, 1.0, 1, [(3, 2)], OUT_OF_RANGE))


RANDOM = np.random.default_rng(31)
MANY = 200_000
THREADED: dict[str, tuple[str, tuple[Array, ...], dict[str, Any]]] = {
    "mse": ("mse", (RANDOM.normal(size=MANY * 3), RANDOM.normal(size=MANY * 3)), {}),
    "ce": (
        "ce",
        (RANDOM.normal(size=(MANY, 5)).astype(np.float32), RANDOM.integers(0, 5, MANY)),
        {"weight": RANDOM.uniform(size=5), "ignore_index": 2, "label_smoothing": 0.1},
    ),
    "weighted": (
        "l1",
        (RANDOM.normal(size=MANY * 2), RANDOM.normal(size=MANY * 2)),
        {"sample_weight": RANDOM.uniform(size=MANY * 2), "mask": RANDOM.integers(0, 2, MANY * 2)},
    ),
    "float32": (
        "huber",
        (RANDOM.normal(size=(MANY, 2)), RANDOM.normal(size=(MANY, 2))),
        {"dtype": "float32"},
    ),
    "image": (
        "ce",
        (RANDOM.normal(size=(2, 3, 300, 500)), RANDOM.integers(0, 3, (2, 300, 500))),
        {},
    ),
    "triplet_margin": ("triplet_margin", tuple(RANDOM.normal(size=(3, 40_000, 16))), {}),
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", THREADED)
def test_the_same_bits_for_any_number_of_threads(name: str, reduction: str) -> None:
    key, arrays, options = THREADED[name]
    results = [
        lossctl.compute(key, *arrays, reduction=reduction, threads=threads, **options)
        for threads in (1, 2, 8)
    ]
    first = results[0]
    assert first.counted > BLOCK_NUMBERS / 10
    for other in results[1:]:
        assert other.total.hex() == first.total.hex()
        assert other.denominator.hex() == first.denominator.hex()
        assert (other.counted, other.ignored, other.masked) == (
            first.counted, first.ignored, first.masked,
        )  # fmt: skip
        if reduction == "none":
            assert first.elements is not None
            assert other.elements is not None
            assert other.elements.tobytes() == first.elements.tobytes()
        else:
            assert float(other).hex() == float(first).hex()


def test_threads_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    names: set[str] = set()
    meeting = threading.Barrier(2, timeout=20)
    kernel = lossctl.losses.l1.kernel

    def spy(*arrays: Array) -> Any:
        names.add(threading.current_thread().name)
        meeting.wait()
        return kernel(*arrays)

    monkeypatch.setattr(lossctl.losses.l1, "kernel", spy)
    values = np.zeros(2 * BLOCK_NUMBERS)
    assert lossctl.compute("l1", values, values + 1, threads=2).value == 1.0
    assert len(names) == 2


def test_the_mean_is_the_rounded_sum_of_exact_blocks() -> None:
    values = RANDOM.normal(size=300_000) * 10.0 ** RANDOM.integers(-8, 8, 300_000)
    result = lossctl.compute("l1", values, np.zeros_like(values))
    assert result.total == pytest.approx(math.fsum(np.abs(values)), rel=1e-15)


@pytest.mark.parametrize(
    ("key", "inputs"),
    [
        ("ce", (RANDOM.normal(size=(1, 3, 400, 500)), RANDOM.integers(0, 3, (1, 400, 500)))),
        ("mse", (RANDOM.normal(size=(1, 500, 700)), RANDOM.normal(size=(1, 500, 700)))),
        (
            "gaussian_nll",
            (
                RANDOM.normal(size=(2, 600, 700)),
                RANDOM.normal(size=(2, 600, 700)),
                RANDOM.uniform(0.1, 1, size=(2, 600, 1)),
            ),
        ),
        ("triplet_margin", tuple(RANDOM.normal(size=(3, 1, 40_000, 8)))),
        ("multilabel_soft_margin", (RANDOM.normal(size=(1, 50_000, 6)),) * 2),
    ],
)
def test_one_huge_sample_gives_the_same_elements(
    key: str, inputs: tuple[Array, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if key == "multilabel_soft_margin":
        inputs = (inputs[0], (inputs[1] > 0).astype(float))
    cut: list[Region] = []
    original = work.process

    def spy(plan: Any, region: Region, blocks: Any) -> Any:
        cut.append(region)
        return original(plan, region, blocks)

    monkeypatch.setattr("lossctl.engine.run.elements.process", spy)
    result = lossctl.compute(key, *inputs, reduction="none")
    assert len(cut) > len(inputs[0])
    assert all(region.partial for region in cut)
    monkeypatch.setattr("lossctl.engine.plan.blocks.BLOCK_NUMBERS", 10**9)
    cut.clear()
    whole = lossctl.compute(key, *inputs, reduction="none")
    assert len(cut) == 1
    assert result.elements is not None
    assert whole.elements is not None
    assert result.elements.tobytes() == whole.elements.tobytes()
    assert result.total == pytest.approx(whole.total, rel=1e-12)


def test_places_in_a_huge_sample() -> None:
    labels = np.zeros((2, 400, 500), int)
    labels[1, 300, 499] = labels[1, 399, 0] = 9
    with pytest.raises(DataError, match=r"target: 2 .* is 9 at row 1, position \(300, 499\)"):
        lossctl.compute("ce", np.zeros((2, 3, 400, 500)), labels)
    probabilities = np.full((1, 400, 500), 0.5)
    probabilities[0, 350, 7] = 0
    with pytest.warns(LossctlWarning, match=r"1 .*row 0, position \(350, 7\)"):
        lossctl.compute("bce", probabilities, np.ones((1, 400, 500)))


def test_options_are_cut_with_the_sample() -> None:
    values, labels = RANDOM.normal(size=(2, 300, 500)), RANDOM.integers(0, 2, (2, 300, 500))
    weight, pos_weight = RANDOM.uniform(size=(300, 500)), RANDOM.uniform(size=(300, 1))
    sample_weight = RANDOM.uniform(size=(2, 300))
    mask = RANDOM.integers(0, 2, (2, 300, 500))
    result = lossctl.compute(
        "bce_with_logits", values, labels, reduction="none",
        weight=weight, pos_weight=pos_weight, sample_weight=sample_weight, mask=mask,
    )  # fmt: skip
    positive, negative = np.logaddexp(0, -values), np.logaddexp(0, values)
    losses = weight * (pos_weight * labels * positive + (1 - labels) * negative)
    expected = np.where(mask, losses * sample_weight[:, :, np.newaxis], 0)
    assert result.elements is not None
    np.testing.assert_allclose(result.elements, expected, rtol=1e-12)


VOCABULARY = """
import json, pathlib, re, sys
import lossctl

result = lossctl.losses.linear_ce(*sys.argv[1:], reduction="none", threads=2)
status = pathlib.Path("/proc/self/status").read_text()  # ru_maxrss counts the parent's too
peak = int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) / 1024
print(json.dumps([peak, result.total, result.elements.tolist()]))
"""


def test_a_large_vocabulary_fits_in_memory(tmp_path: Path) -> None:
    """All logits of this would take 2 GiB: 2,048 tokens against a vocabulary of 128,256."""
    tokens, features, vocabulary = 2048, 16, 128_256
    random = np.random.default_rng(1)
    arrays = (
        random.normal(size=(tokens, features)).astype(np.float32),
        random.integers(0, vocabulary, tokens),
        random.normal(size=(vocabulary, features)).astype(np.float32),
    )
    names = [f"{name}.npy" for name in ("input", "target", "weight")]
    for name, array in zip(names, arrays, strict=True):
        np.save(tmp_path / name, array)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", VOCABULARY, *names],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    peak, total, losses = json.loads(done.stdout)
    assert peak < 400, f"{peak:.0f} MiB"
    assert total == pytest.approx(math.fsum(losses), rel=1e-14)
    some = slice(None, None, 100)
    logits = arrays[0][some].astype(float) @ arrays[2].T.astype(float)
    top = logits.max(axis=1)
    log_sums = top + np.log(np.exp(logits - top[:, np.newaxis]).sum(axis=1))
    expected = log_sums - logits[np.arange(len(logits)), arrays[1][some]]
    np.testing.assert_allclose(losses[some], expected, rtol=1e-12)
