"""Whose fault an error is: what goes wrong in a loss of one's own is shown as theirs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import lossctl
from lossctl.errors import CustomLossError
from lossctl.losses.custom.attribution import LOADED
from tests.support.command_line import run, run_process
from tests.support.own_code import PREDICTED, TRUE, own_loss, write

BROKEN_FILES = {
    "syntax": ("def wing(:\n", "line 1", "SyntaxError"),
    "nul": ("x = 1\0\n", "", "SyntaxError"),
    "dependency": ("import numpy\nimport nowhere_to_be_found\n", "line 2", "nowhere_to_be_found"),
    "exception": ("one = 1\ntwo = one / 0\n", "line 2", "two = one / 0"),
    "exit": ("import sys\nsys.exit(3)\n", "line 2", "SystemExit"),
    "no loss": ("one = 1\n", "", "declares no loss"),
    "no parentheses": ("from lossctl import loss\n@loss\ndef f(x): ...\n", "line 2", "inputs"),
    "no inputs": (own_loss("return input").replace("inputs=PAIR", "inputs=()"), "line 4", "inputs"),
    "no tuple": (own_loss("return input").replace("=PAIR", "=PAIR[0]"), "line 4", "Input"),
    "one input": (own_loss("return input").replace("=PAIR", "=PAIR[:1]"), "line 4", "target"),
    "no shape": (own_loss("return input").replace(', "*"', ""), "line 4", "shape of 'input'"),
    "a word": (own_loss("return input").replace("=PAIR", "='ab'"), "line 4", "real("),
    "name": (own_loss("return input", key="a b"), "line 4", "'a b'"),
    "no default": (own_loss("return input", "a: int"), "line 4", "without a default"),
    "type": (own_loss("return input", "a: dict = {}"), "line 4", "of type dict"),
    "generic": (own_loss("return input", "a: list[int] = [1]"), "line 4", "of type list[int]"),
    "union": (own_loss("return input", "a: int | float = 1"), "line 4", "of type int | float"),
    "literal": (
        "from typing import Literal\n" + own_loss("return input", "a: Literal['b', 'c'] = 'b'"),
        "line 5",
        "choices=",
    ),
    "fraction": (own_loss("return input", "a: int = 1.5"), "line 4", "a = 1.5 is not of type int"),
    "text": (own_loss("return input", "a: float = 'b'"), "line 4", "a = 'b' is not of type float"),
    "none": (own_loss("return input", "a: float = None"), "line 4", "say float | None"),
    "bounds": (
        "from typing import Annotated\n"
        + own_loss("return input", "a: Annotated[float, Option('', above=0)] = 0.0"),
        "line 5",
        "must be above 0",
    ),
    "annotation": (
        "from typing import Annotated\n" + own_loss("return input", "a: Annotated[float, 'b'] = 0"),
        "line 5",
        "Option(",
    ),
    "reserved": (own_loss("return input", "threads: int = 1"), "line 4", "'threads'"),
    "kwargs": (own_loss("return input").replace("t):", "t, **more):"), "line 4", "**kwargs"),
    "fact": (own_loss("return input", more=", facts={'colour': 'red'}"), "line 4", "colour"),
    "library": (own_loss("return input", more=", library='keras'"), "line 4", "library"),
    "reduce_axes": (
        own_loss("return input", more=", reduce_axes='sideways'"),
        "line 4",
        "reduce_axes='sideways'",
    ),
    "scan": (
        own_loss("return input", more=", predicate=InputPredicate('tagret', 'few', np.all)"),
        "line 4",
        "'tagret'",
    ),
    "scan's name": (
        own_loss("return input", more=", predicate=InputPredicate('target', 'few', np.all)"),
        "line 4",
        "'few'",
    ),
    "no classes": (
        own_loss("return input").replace("=PAIR", "=(PAIR[0], index('target', 'N'))"),
        "line 4",
        "the axis C",
    ),
    "twice": (own_loss("return input") + own_loss("return target").replace("f mine", "f m"), "",
              "two losses named 'mine'"),
    "class": (
        'from lossctl import loss, real\n@loss("mine", inputs=[real("x", "*")])\nclass Mine: ...\n',
        "line 2",
        "function",
    ),
}  # fmt: skip
"""What is wrong in a file, where that is said to be, and what is said."""

BROKEN_KERNELS = {
    "exception": ("return input + 1 / 0", "line 7, in mine", "ZeroDivisionError"),
    "own class": ("raise type('Odd', (Exception,), {})('x')", "line 7, in mine", "Odd: x"),
    "attribute": ("return input.nothing", "return input.nothing", "AttributeError"),
    "writes": ("input -= target; return input", "line 7, in mine", "read-only"),
    "nothing": ("pass", "in mine", "returned None"),
    "reduced": ("return float(np.mean(input))", "in mine", "never reduces"),
    "reduced array": ("return np.mean(input)", "in mine", "never reduces"),
    "list": ("return list(input)", "in mine", "a list"),
    "text": ("return np.array(['a'] * len(input))", "in mine", "<U1"),
    "masked": ("return np.ma.masked_less(input, 2)", "in mine", "a MaskedArray, but"),
    "complex": ("return input * 1j", "in mine", "complex128"),
    "shape": ("return input[:2]", "in mine", "shape (2,), but (4,) is declared: (N *D)"),
    "more axes": ("return input[:, None] * [1, 2]", "in mine", "shape (4, 2)"),
    "weights": ("return Terms(input, weights=input[:1])", "in mine", "weights (1,)"),
    "no terms": ("return Terms()", "in mine", "shape (0,)"),
}

FINISHED = ", finalize=lambda sums, _: sums['a']"
BROKEN_SUMS = {
    "no finish": ("return Terms(sums={'a': input})", "", "no finalize=... is declared"),
    "no sums": ("return input", FINISHED, "no Terms(sums=...)"),
    "some": ("return Terms(sums={'a': input[:2]})", FINISHED, "its 'a' has shape (2,)"),
    "others": (
        "return Terms(sums={'a': input, 'b': input[:2]})",
        FINISHED,
        "its 'b' has shape (2,)",
    ),
    "a number": ("return Terms(sums={'a': 3.0})", FINISHED, "its 'a' is a float"),
    "average": ("return input[:2]", ", reduce_axes='last'", "its 'losses' has shape (2,)"),
}
"""What a kernel returns whose losses are made of sums, what is declared, and what is said."""


def loaded_modules() -> set[str]:
    return {name for name in sys.modules if name.startswith(LOADED)}


class TestErrorsAreTheirs:
    @pytest.mark.parametrize("kind", BROKEN_FILES)
    def test_of_a_file(self, folder: Path, kind: str) -> None:
        code, place, text = BROKEN_FILES[kind]
        before = loaded_modules()
        name = write(folder, code)
        done = run("compute", name, "p.npy", "y.npy")
        assert done.code == 2, done.err
        assert "bad.py" in done.err
        for part in (place, text):
            assert part in done.err
        assert "defect" not in done.err
        assert loaded_modules() <= before

    @pytest.mark.parametrize("kind", BROKEN_KERNELS)
    def test_of_a_kernel(self, folder: Path, kind: str) -> None:
        body, place, text = BROKEN_KERNELS[kind]
        done = run("compute", write(folder, own_loss(body)), "p.npy", "y.npy")
        assert done.code == 2, done.err
        for part in ("bad.py, line ", place, text, "in your own code, not in lossctl"):
            assert part in done.err
        assert done.out == ""

    @pytest.mark.parametrize("kind", BROKEN_SUMS)
    def test_of_sums(self, folder: Path, kind: str) -> None:
        body, more, text = BROKEN_SUMS[kind]
        done = run("compute", write(folder, own_loss(body, more=more)), "p.npy", "y.npy")
        assert (done.code, done.out) == (2, "")
        for part in ("bad.py, line ", "in mine", text, "in your own code, not in lossctl"):
            assert part in done.err

    def test_in_a_process_with_threads(self, folder: Path) -> None:
        np.save("big.npy", np.zeros(1_500_000))
        name = write(folder, own_loss("raise KeyError('deep')"))
        done = run_process("compute", name, "big.npy", "big.npy", "-j", "3", cwd=folder)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("error: bad.py, line 7, in mine: KeyError: 'deep'\n")
        assert "Traceback" not in done.err
        shown = run_process("compute", name, "p.npy", "y.npy", "--debug", cwd=folder).err
        assert "Traceback" in shown
        assert "KeyError: 'deep'" in shown

    def test_in_a_neighbour_is_told_there(self, folder: Path) -> None:
        (folder / "part.py").write_text("def halve(x):\n    return x / None\n")
        name = write(folder, "from part import halve\n" + own_loss("return halve(input)"))
        with pytest.raises(CustomLossError, match=r"part\.py, line 2, in halve: TypeError"):
            lossctl.compute(name, PREDICTED, TRUE)

    def test_data_can_be_refused(self, folder: Path) -> None:
        body = "from lossctl.errors import DataError; raise DataError('too dull')"
        done = run("compute", write(folder, own_loss(body)), "p.npy", "y.npy")
        assert (done.code, done.err) == (3, "error: too dull\n")

    def test_in_a_preparation(self, folder: Path) -> None:
        code = own_loss("return input") + "@mine.prepare\ndef look(*a, **o):\n    return 1 / 0\n"
        with pytest.raises(CustomLossError, match="line 10, in look: ZeroDivisionError"):
            lossctl.compute(write(folder, code), PREDICTED, TRUE)

    def test_of_declared_results(self, folder: Path) -> None:
        pair = 'PAIR = (real("input", "N F"), real("target", "N F"))\n'
        code = own_loss("return (input - target) ** 2").replace("@loss", f"{pair}@loss")
        matrix = np.arange(6.0).reshape(3, 2)
        with pytest.raises(CustomLossError, match=r"shape \(3, 2\), but \(3,\) is declared: \(N\)"):
            lossctl.compute(write(folder, code), matrix, matrix)
        code = code.replace("inputs=PAIR", "inputs=PAIR, results=('N F',)")
        result = lossctl.compute(write(folder, code), matrix, 0 * matrix, reduction="none")
        assert np.array_equal(result.elements, matrix**2)

    def test_of_a_single_sample(self, folder: Path) -> None:
        assert lossctl.compute("my_losses.py:wing", 3.0, 1.0, reduction="none").elements.shape == ()
