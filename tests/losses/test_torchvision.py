"""Agreement with torchvision's formulas, with torchvision where it runs, and bad boxes."""

from __future__ import annotations

import numpy as np
import pytest

import lossctl
from lossctl.errors import DataError, LossctlWarning, UsageError
from lossctl.losses.core.registry import find
from tests.losses.cases.case import Array
from tests.losses.comparison import disagreements
from tests.losses.matrix import draw_cases, draw_seeded, keys_of, reductions
from tests.losses.references.references import find_reference
from tests.losses.references.torchvision_reference import answer

KEYS = keys_of("torchvision")
BOX = np.array([[0.0, 0.0, 2.0, 2.0]] * 3)


@pytest.mark.parametrize("key", KEYS)
def test_agrees_with_the_formulas(key: str) -> None:
    """Every case of the matrix agrees, on inputs of full precision and several seeds."""
    wrong = []
    for seed in (1, 2):
        for case in draw_seeded(key, seed):
            expected = {name: answer(key, case, name) for name in reductions(key, case)}
            wrong += [f"seed {seed}: {line}" for line in disagreements(key, case, expected)]
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:20]])


@pytest.mark.parametrize("key", KEYS)
def test_the_formulas_are_those_of_torchvision(key: str) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchvision.ops")
    ask = find_reference(key).find()
    for case in draw_cases(key, np.random.default_rng(4)):
        tensors = [torch.from_numpy(array.astype(np.float64)) for array in case.inputs]
        theirs = ask(*tensors, reduction="none", **case.options)
        ours = answer(key, case, "none")
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15, err_msg=case.id)


def turned(row: int, box: list[float]) -> Array:
    boxes = BOX.copy()
    boxes[row] = box
    return boxes


@pytest.mark.parametrize("key", ["giou", "diou", "ciou"])
class TestBoxes:
    def test_sides_that_are_turned_round(self, key: str) -> None:
        for box in ([2.0, 0, 0, 2], [0, 2, 2, -1], [5.0, 5, 1, 2]):
            with pytest.raises(DataError, match=r"input: 1 box does not have x1 <= x2.*row 1"):
                lossctl.compute(key, turned(1, box), BOX)
            with pytest.raises(DataError, match=r"target: 1 box does not .*side of -\d at row 2"):
                lossctl.compute(key, BOX, turned(2, box))
        many = np.concatenate([turned(1, [2.0, 0, 0, 2]), turned(0, [9, 9, 8, 8])])
        with pytest.raises(DataError, match=r"2 boxes do not have .* -2 at row 1"):
            lossctl.compute(key, many, np.concatenate([BOX, BOX]))

    def test_boxes_without_area_are_told(self, key: str) -> None:
        point = turned(2, [1.0, 1, 1, 1])
        with pytest.warns(
            LossctlWarning, match=r"target: 1 box does not have a positive area.*row 2"
        ):
            result = lossctl.compute(key, BOX, point, reduction="none")
        assert np.isfinite(result.elements).all()

    def test_what_is_no_box(self, key: str) -> None:
        with pytest.raises(DataError, match=r"\(3, 5\).*should be \(N, 4\)"):
            lossctl.compute(key, np.ones((3, 5)), np.ones((3, 5)))
        with pytest.raises(DataError, match=r"should be"):
            lossctl.compute(key, BOX, BOX[:, :3])

    def test_one_pair_alone(self, key: str) -> None:
        alone = lossctl.compute(key, BOX[0], BOX[0] + 1)
        assert alone.shape == ()
        assert alone.value == lossctl.compute(key, BOX[:1], BOX[:1] + 1).value

    def test_equal_boxes_cost_nothing_but_eps(self, key: str) -> None:
        assert lossctl.compute(key, BOX, BOX).value == pytest.approx(0, abs=1e-7)
        assert lossctl.compute(key, 1e4 * BOX, 1e4 * BOX, reduction="sum").value == pytest.approx(
            0, abs=1e-14
        )


def test_is_found_by_the_name_of_its_function() -> None:
    for key in KEYS:
        name = find_reference(key).path.rpartition(".")[2]
        for prefix in ("", "torchvision.ops.", "torchvision."):
            assert find(prefix + name).key == key


def test_alpha_is_a_share_or_off() -> None:
    for alpha in (-0.5, -1e-9, 1.5):
        with pytest.raises(UsageError, match="alpha of focal must be at least -1, at most 1"):
            lossctl.compute("focal", [0.0], [1.0], alpha=alpha)
    off = lossctl.compute("focal", [0.3], [1.0], alpha=-1).value
    assert off == lossctl.compute("optax.sigmoid_focal", [0.3], [1.0]).value
    half = lossctl.compute("optax.sigmoid_focal", [0.3], [1.0], alpha=0.5).value
    assert half == lossctl.compute("focal", [0.3], [1.0], alpha=0.5).value == 0.5 * (off or 0)
