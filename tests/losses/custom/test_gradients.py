"""Gradients of losses of one's own: declared, found by differences, or at fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lossctl
from lossctl.errors import CustomLossError, UsageError
from tests.losses.cases.case import Array

NAMES = ("input", "target")
RANDOM = np.random.default_rng(5)
FILE = """\
import numpy as np
from lossctl import index, loss, real
@loss("mine", inputs=(real("input", "N C"), real("target", "N C")))
def mine(input, target, *, power: float = 2.0):
    return (np.abs(input - target) ** power).sum(axis=1)
{decorator}
def slope({parameters}):
    return {returned}
"""
RIGHT = "power * np.abs(input - target) ** (power - 1) * np.sign(input - target)"


def declare(
    folder: Path,
    returned: str = RIGHT,
    parameters: str = "input, target, *, power",
    decorator: str = "@mine.gradient",
) -> str:
    """Write a file with a loss and its gradient, and return the name of the loss."""
    path = folder / "own.py"
    text = FILE.format(returned=returned, parameters=parameters, decorator=decorator)
    path.write_text(text)
    return f"{path}:mine"


class TestDeclared:
    def test_a_gradient_of_a_file_is_used(self, tmp_path: Path) -> None:
        x, y = RANDOM.normal(size=(2, 5, 3))
        found = lossctl.gradient(declare(tmp_path), x, y, power=3.0, check=True)
        assert not found.numerical
        assert found.agreement is not None
        assert found.agreement.agrees
        np.testing.assert_allclose(found["input"], 3 * (x - y) * np.abs(x - y) / 5)

    def test_several_inputs(self, tmp_path: Path) -> None:
        x, y = RANDOM.normal(size=(2, 5, 3))
        key = declare(
            tmp_path,
            "2 * (input - target), 2 * (target - input)",
            "input, target",
            '@mine.gradient(by=("input", "target"))',
        )
        found = lossctl.gradient(key, x, y, check=True, reduction="sum")
        assert found.agreement is not None
        assert found.agreement.agrees
        assert list(found.arrays) == ["input", "target"]
        np.testing.assert_allclose(found["target"], 2 * (y - x))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"returned": "input + nothing"}, "line 8, in slope: NameError: name 'nothing'"),
            (
                {"returned": "np.ones(len(input))"},
                r"shape \(5,\) as the gradient with respect to input, whose",
            ),
            (
                {"returned": "3.0"},
                "it returned 3.0 as the gradient with respect to input, not an array",
            ),
            (
                {"returned": "input > target, input"},
                "it returned 2 arrays, but the gradient is with respect to",
            ),
            (
                {"returned": "input.astype(str)"},
                "an array of <U32 as the gradient with respect to input",
            ),
            ({"returned": "np.multiply(input, 2, out=input)"}, "ValueError: output array is read"),
            ({"parameters": "input"}, "takes the inputs input, target, but its function has input"),
            ({"parameters": "input, target, *, powr"}, "takes 'powr', which is not an option"),
            (
                {"decorator": '@mine.gradient(by=("inptu",))'},
                "is with respect to 'inptu', but the inputs are",
            ),
        ],
    )
    def test_a_fault_is_told_as_theirs(
        self, tmp_path: Path, changes: dict[str, str], message: str
    ) -> None:
        x, y = RANDOM.normal(size=(2, 5, 3))
        with pytest.raises(CustomLossError, match=message) as caught:
            lossctl.gradient(declare(tmp_path, **changes), x, y)
        assert "own.py, line" in caught.value.message
        assert "your own code" in caught.value.remedy

    def test_what_is_no_function_is_refused(self) -> None:
        @lossctl.loss("plain", inputs=(lossctl.real("input", "*"),))
        def plain(input: Array) -> Array:
            """Return the input."""
            return input * 1.0

        with pytest.raises(TypeError, match="decorates a function"):
            plain.gradient(np.sign)


class TestDifferences:
    def test_whole_numbers_cannot_be_moved(self) -> None:
        @lossctl.loss("wrong", inputs=tuple(lossctl.class_label(one, "N") for one in NAMES))
        def wrong(input: Array, target: Array) -> Array:
            """Count wrong answers."""
            return (input != target) * 1.0

        with pytest.raises(UsageError, match="input contains integers, which cannot be perturbed"):
            lossctl.gradient(wrong, [0, 1], [1, 1])

    def test_pairs_of_samples_are_moved_one_by_one(self) -> None:
        @lossctl.loss("gaps", inputs=(lossctl.real("input", "N"),), needs_all_samples=True)
        def gaps(input: Array) -> Array:
            """Return the squared distances from all others."""
            return ((input[:, np.newaxis] - input) ** 2).sum(axis=1)

        x = RANDOM.normal(size=6)
        found = lossctl.gradient(gaps, x, reduction="sum")
        assert found.numerical
        np.testing.assert_allclose(found["input"], 4 * (6 * x - x.sum()), rtol=1e-8)
        with pytest.raises(UsageError, match="would take 20000 evaluations"):
            lossctl.gradient(gaps, np.zeros(5000))

    @pytest.mark.parametrize("shape", [(), (5,), (3, 2), (2, 3, 2)])
    def test_elementwise_losses_get_differences(self, shape: tuple[int, ...]) -> None:
        @lossctl.loss("cubic", inputs=(lossctl.real("input", "*"), lossctl.real("target", "*")))
        def cubic(input: Array, target: Array) -> Array:
            """Return the cubed error."""
            return np.abs(input - target) ** 3

        x, y = RANDOM.normal(size=shape), RANDOM.normal(size=shape)
        found = lossctl.gradient(cubic, x, y)
        assert found.numerical
        expected = 3 * (x - y) * np.abs(x - y) / max(1, x.size)
        np.testing.assert_allclose(found["input"], expected, rtol=1e-9, atol=1e-11)

    def test_losses_of_classes_get_differences(self) -> None:
        @lossctl.loss(
            "my_ce",
            inputs=(lossctl.real("input", "N C *D"), lossctl.index("target", "N *D")),
        )
        def my_ce(input: Array, target: Array) -> Array:
            """Return cross entropy, written plainly."""
            log_sum = np.log(np.exp(input).sum(axis=1))
            return log_sum - np.take_along_axis(input, target[:, np.newaxis], axis=1)[:, 0]

        logits, labels = RANDOM.normal(size=(3, 4, 2)), RANDOM.integers(0, 4, (3, 2))
        found = lossctl.gradient(my_ce, logits, labels, mask=[1, 0, 1])
        expected = lossctl.gradient("ce", logits, labels, mask=[1, 0, 1])
        np.testing.assert_allclose(found["input"], expected["input"], atol=1e-11)
        assert not found["input"][1].any()

    def test_near_a_bound_differences_are_taken_from_one_side(self) -> None:
        @lossctl.loss("surprise", inputs=(lossctl.probability("input", "*"),))
        def surprise(input: Array) -> Array:
            """Return a root that has no value outside of [0, 1]."""
            return np.sqrt(1 - input) ** 3 + np.sqrt(input) ** 3

        found = lossctl.gradient(surprise, [1e-6, 0.5, 0.9], reduction="sum")["input"]
        expected = [1.5 * (np.sqrt(p) - np.sqrt(1 - p)) for p in (1e-6, 0.5, 0.9)]
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
