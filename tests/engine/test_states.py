"""Parts of a run, their saved states, and what merging them gives."""

from __future__ import annotations

import json
import math
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import lossctl
from lossctl.engine import exact_sum as summation
from lossctl.engine.plan import blocks
from lossctl.engine.sums.state import State
from lossctl.errors import DataError, FileError, LossctlWarning, UsageError
from tests.support.command_line import SAMPLE_DATA, run
from tests.support.source_files import read_in_pieces

Array = NDArray[Any]

RANDOM = np.random.default_rng(20261121)


def bits(value: float | None) -> bytes:
    """Return the bits of a value, so that nothing passes for equal that is not."""
    assert value is not None
    return struct.pack("<d", value)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut blocks of 1,000 numbers, so that small arrays make many."""
    monkeypatch.setattr(blocks, "BLOCK_NUMBERS", 1000)


@pytest.fixture
def signed() -> tuple[Array, Array]:
    """Return logarithms of rates and counts whose losses have both signs and any magnitude."""
    size = (3000, 7)
    rates = RANDOM.normal(size=size) * 10
    return rates, np.exp(rates) * RANDOM.random(size) / np.maximum(np.abs(rates), 1e-3)


def save_parts(
    directory: Path, count: int, loss: str, *inputs: object, **options: Any
) -> list[Path]:
    paths = [directory / f"part-{number}.json" for number in range(1, count + 1)]
    for number, path in enumerate(paths, start=1):
        lossctl.compute(loss, *inputs, part=(number, count), save_state=path, **options)
    return paths


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
@pytest.mark.parametrize("reduction", ["mean", "sum", "batchmean", "sum_over_batch_size"])
def test_parts_give_the_bits_of_the_whole(
    tmp_path: Path, signed: tuple[Array, Array], count: int, reduction: str
) -> None:
    rate, target = signed
    whole = lossctl.compute("poisson_nll", rate, target, reduction=reduction)
    paths = save_parts(tmp_path, count, "poisson_nll", rate, target, reduction=reduction)
    merged = lossctl.merge(paths[::-1])
    assert bits(merged.value) == bits(whole.value)
    for field in (
        "counted",
        "denominator",
        "denominator_name",
        "samples",
        "shape",
        "inputs",
        "name",
    ):
        assert getattr(merged, field) == getattr(whole, field), field


@settings(max_examples=25)
@given(
    order=st.permutations(range(1, 10)),
    cost=st.sampled_from([200, 1000, 5000]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_order_and_any_part_gives_the_same_bits(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], cost: int, seed: int
) -> None:
    blocks.BLOCK_NUMBERS = cost
    random = np.random.default_rng(seed)
    logits, labels = random.normal(size=(500, 5)) * 30, random.integers(-1, 5, 500)
    options: dict[str, Any] = {"ignore_index": -1, "weight": random.random(5)}
    paths = save_parts(tmp_path_factory.mktemp("parts"), 9, "ce", logits, labels, **options)
    merged = lossctl.merge([paths[number - 1] for number in order])
    for threads in (1, 2, 8):
        whole = lossctl.compute("ce", logits, labels, threads=threads, **options)
        assert bits(merged.value) == bits(whole.value)
        assert (merged.ignored, merged.counted) == (whole.ignored, whole.counted)


def test_parts_of_one_huge_sample(tmp_path: Path) -> None:
    logits, labels = RANDOM.normal(size=(1, 3, 60, 70)), RANDOM.integers(0, 3, (1, 60, 70))
    whole = lossctl.compute("ce", logits, labels, reduction="batchmean")
    merged = lossctl.merge(save_parts(tmp_path, 5, "ce", logits, labels, reduction="batchmean"))
    assert bits(merged.value) == bits(whole.value)
    assert merged.samples == whole.samples == 1


def test_parts_where_samples_are_the_second_axis(tmp_path: Path) -> None:
    names = ("log_probs", "targets", "input_lengths", "target_lengths")
    inputs = [SAMPLE_DATA / f"ctc.npz#{name}" for name in names]
    whole = lossctl.compute("ctc", *inputs)
    merged = lossctl.merge(save_parts(tmp_path, 2, "ctc", *inputs))
    assert bits(merged.value) == bits(whole.value)
    assert merged.samples == whole.samples == 24


def test_more_parts_than_blocks(tmp_path: Path) -> None:
    paths = save_parts(tmp_path, 5, "mse", np.arange(10.0), np.zeros(10))
    assert lossctl.merge(paths).value == lossctl.compute("mse", np.arange(10.0), np.zeros(10)).value


def test_states_of_separate_files(tmp_path: Path) -> None:
    values = RANDOM.normal(size=5000) * 10.0 ** RANDOM.integers(-9, 9, 5000)
    paths = []
    for number, piece in enumerate(np.split(values, [700, 701, 4100])):
        paths.append(tmp_path / f"{number}.json")
        lossctl.compute("l1", piece, np.zeros_like(piece), save_state=paths[-1])
    whole = lossctl.compute("l1", values, np.zeros_like(values))
    merged = lossctl.merge(paths)
    assert merged.value == pytest.approx(whole.value, rel=2**-52)
    assert (merged.samples, merged.shape, merged.counted) == (5000, (5000,), 5000)
    assert merged.inputs[0][1:] == ("input and 3 more", (5000,))


def test_warnings_and_infinities_are_merged(tmp_path: Path) -> None:
    values = np.zeros(4000)
    values[[1500, 3900]] = np.inf
    with pytest.warns(LossctlWarning):
        paths = save_parts(tmp_path, 4, "l1", values, np.zeros(4000))
    with pytest.warns(LossctlWarning, match=r"2 values are infinite; the first is inf at row 1500"):
        assert lossctl.merge(paths).value == np.inf


def test_large_options_are_known_by_their_digest(tmp_path: Path) -> None:
    logits, labels = RANDOM.normal(size=(50, 100)), RANDOM.integers(0, 100, 50)
    weight = RANDOM.random(100)
    paths = save_parts(tmp_path, 2, "ce", logits, labels, weight=weight)
    assert len(json.loads(paths[0].read_text())["options"]["weight"]["sha256"]) == 64
    weight[99] += 1
    lossctl.compute("ce", logits, labels, weight=weight, part="2/2", save_state=paths[1])
    with pytest.raises(UsageError, match="options"):
        lossctl.merge(paths)


class TestRefusals:
    """States know what they are."""

    @pytest.fixture
    def parts(self, tmp_path: Path) -> list[Path]:
        return save_parts(tmp_path, 3, "huber", np.arange(9.0), np.zeros(9))

    def test_a_missing_part_is_named(self, parts: list[Path]) -> None:
        with pytest.raises(UsageError, match="1 of 3 parts missing: 2"):
            lossctl.merge([parts[0], parts[2]])

    def test_a_part_given_twice(self, parts: list[Path], tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="given twice"):
            lossctl.merge([*parts, parts[1]])
        copy = tmp_path / "copy.json"
        copy.write_text(parts[1].read_text())
        with pytest.raises(UsageError, match=r"part 2 is given twice: .*part-2.json and .*copy"):
            lossctl.merge([*parts, copy])

    def test_a_state_given_twice_by_two_names(self, parts: list[Path], tmp_path: Path) -> None:
        (tmp_path / "link.json").symlink_to(parts[1])
        (tmp_path / "deeper").mkdir()
        for other in (tmp_path / "link.json", tmp_path / "deeper" / ".." / parts[1].name):
            with pytest.raises(UsageError, match=r"(?s)is given twice.Name each state once"):
                lossctl.merge([*parts, other])

    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ({"delta": 2.0}, "options"),
            ({"reduction": "sum"}, "reduction"),
            ({"dtype": "float32"}, "dtype"),
            ({"nan": "omit"}, "nan"),
            ({"sample_weight": np.ones(9)}, "sample_weight"),
        ],
    )
    def test_another_computation(
        self, parts: list[Path], changed: dict[str, Any], said: str
    ) -> None:
        values, zeros = np.arange(9.0), np.zeros(9)
        lossctl.compute("huber", values, zeros, part="3/3", save_state=parts[2], **changed)
        with pytest.raises(UsageError, match=f"do not belong together: {said} is"):
            lossctl.merge(parts)

    def test_another_loss_shape_number_of_parts_or_version(self, parts: list[Path]) -> None:
        good = parts[2].read_text()
        lossctl.compute("mse", np.arange(9.0), np.zeros(9), part="3/3", save_state=parts[2])
        with pytest.raises(UsageError, match="loss is 'huber' in the first and 'mse'"):
            lossctl.merge(parts)
        lossctl.compute("huber", np.arange(8.0), np.zeros(8), part="3/3", save_state=parts[2])
        with pytest.raises(UsageError, match="shapes of the inputs"):
            lossctl.merge(parts)
        lossctl.compute("huber", np.arange(9.0), np.zeros(9), part="3/4", save_state=parts[2])
        with pytest.raises(UsageError, match="number of parts is 3 in the first and 4"):
            lossctl.merge(parts)
        parts[2].write_text(good.replace(lossctl.__version__, "0.0.1"))
        with pytest.raises(UsageError, match="version of lossctl"):
            lossctl.merge(parts)

    @pytest.mark.parametrize(
        "text", ["", "{}", "[]", "null", '{"format": "lossctl.state/2"}', "\0"]
    )
    def test_no_state(self, parts: list[Path], text: str) -> None:
        parts[0].write_text(text)
        with pytest.raises(DataError, match="not a lossctl state"):
            lossctl.merge(parts)
        parts[0].unlink()
        with pytest.raises(FileError):
            lossctl.merge(parts)

    def test_another_format(self, parts: list[Path]) -> None:
        parts[0].write_text(parts[0].read_text().replace("lossctl.state/2", "lossctl.state/9"))
        with pytest.raises(DataError, match=r"its format is 'lossctl.state/9'"):
            lossctl.merge(parts)

    def test_no_such_part(self, tmp_path: Path) -> None:
        for part in ("0/3", "4/3", "x", "1/2/3", "-1/2"):
            with pytest.raises(UsageError):
                lossctl.compute("mse", [1.0], [1.0], part=part, save_state=tmp_path / "x.json")
        assert not list(tmp_path.iterdir())

    def test_parts_without_use(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="save-state"):
            lossctl.compute("mse", [1.0], [1.0], part="1/2")
        with pytest.raises(UsageError, match="per-element"):
            lossctl.compute("mse", [1.0], [1.0], reduction="none", save_state=tmp_path / "x")
        for name, value in {"part": "1/2", "save_state": tmp_path / "x"}.items():
            given: dict[str, Any] = {name: value}
            with pytest.raises(UsageError, match=f"have no {name.replace('_', ' ')}"):
                lossctl.compute("mse", [1.0], [1.0], reduction="none", **given)
            with pytest.raises(UsageError, match=f"have no {name.replace('_', ' ')}"):
                lossctl.elements("mse", [1.0], [1.0], **given)
        with pytest.raises(UsageError, match="have no reduction"):
            lossctl.elements("mse", [1.0], [1.0], reduction="mean")
        with pytest.raises(UsageError, match="nothing to merge"):
            lossctl.merge([])


def test_a_state_survives_its_text(tmp_path: Path) -> None:
    with pytest.warns(LossctlWarning, match="1 result is infinite"):
        (path,) = save_parts(tmp_path, 1, "mse", [1e308, 1.0, 2.0**-1074], [-1e308, 0.0, 0.0])
    text = path.read_text()
    assert State.decode("x", text).encode() + "\n" == text
    huge = summation.ExactSum.of([1.5e308] * 3 + [-1.5e308] * 3 + [1.0])
    assert huge.value == 1.0


def test_options_that_are_infinite(tmp_path: Path) -> None:
    triplet = [RANDOM.normal(size=(40, 3)) for _ in range(3)]
    merged = lossctl.merge(save_parts(tmp_path, 2, "triplet_margin", *triplet, p=math.inf))
    assert bits(merged.value) == bits(lossctl.compute("triplet_margin", *triplet, p=math.inf).value)
    assert merged.name == "triplet_margin(p=inf)"


def test_on_the_command_line(tmp_path: Path) -> None:
    words = ("compute", "ce", SAMPLE_DATA / "preds.npy", SAMPLE_DATA / "labels.npy", "-f", "value")
    for number in (1, 2, 3):
        path = tmp_path / f"part-{number}.json"
        done = run(*words, "--part", f"{number}/3", "--save-state", path)
        assert (done.code, done.err) == (0, "")
    merged = run("merge", f"{tmp_path}/part-*.json", "-f", "value")
    assert (merged.code, merged.err) == (0, "")
    assert merged.out == run(*words).out
    shown = run("merge", *sorted(tmp_path.iterdir())).out
    assert "899 (targets not ignored)" in shown
    assert "part" not in shown
    refused = run("merge", tmp_path / "part-1.json", "-o", tmp_path / "x.json")
    assert (refused.code, refused.out) == (2, "")
    assert "2 of 3 parts missing: 2, 3" in refused.err
    assert not (tmp_path / "x.json").exists()


def test_notes_of_any_part_are_kept(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y,t\n" + "0.5,1.5,1\n" * 4000 + "0.5,1.5,0.0\n" * 4000)
    inputs = (f"{tmp_path}/t.csv#x,y", f"{tmp_path}/t.csv#t")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read_in_pieces(patch, 1000)
        whole = lossctl.compute("ce", *inputs)
        merged = lossctl.merge(save_parts(tmp_path, 4, "ce", *inputs))
    assert whole.warnings == merged.warnings
    assert "float64 values" in whole.warnings[0]


@pytest.mark.parametrize(
    "damage",
    [
        {"settings": {}},
        {"part": [1]},
        {"part": [5, 3]},
        {"samples": -1},
        {"counted": 7},
        {"inputs": []},
        {"extras": [["mask", "m.npy"]]},
        {"total": {"parts": ["nan"], "special": 0, "huge": "0"}},
        {"total": {"parts": [1e999], "special": 0, "huge": "0"}},
    ],
)
def test_a_damaged_state_is_refused(tmp_path: Path, damage: dict[str, Any]) -> None:
    (path,) = save_parts(tmp_path, 1, "mse", np.arange(9.0), np.zeros(9))
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(DataError, match="not a lossctl state, or is damaged"):
        lossctl.merge([path])
