"""Golden values: what the reference libraries answer, without them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lossctl.losses.core.registry import registry
from tests.losses.cases.case import Case
from tests.losses.comparison import disagreements
from tests.losses.declare import declared_keys
from tests.losses.golden_values import FOLDER, Golden, decode_golden, encode_golden, load_golden
from tests.losses.matrix import KEYS, draw_cases

SHOWN = 20
REFERENCES = {
    "torch": "torch 2.13",
    "keras": "keras 3.15",
    "scikit-learn": "scikit-learn 1.9",
    "torchvision": "torchvision 0.29",
    "optax": "optax 0.2.8",
    "literature": "formula",
}
"""With which version of which library the golden values were made."""


@pytest.mark.parametrize("key", KEYS)
def test_agrees_with_golden_values(key: str) -> None:
    """Every reduction of every case has the reference's shape and value."""
    wrong = [
        line
        for golden in load_golden(key)
        for line in disagreements(key, golden.case, golden.expected)
    ]
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:SHOWN]])


def test_every_loss_has_golden_values() -> None:
    """A loss that is declared is compared with its library, and none is missing."""
    declared = set(registry())
    assert set(declared_keys()) == declared
    assert {path.stem for path in FOLDER.glob("*.json")} == declared
    assert {key for key in KEYS if len(load_golden(key)) > 10} == declared


@pytest.mark.parametrize("key", KEYS)
def test_files_hold_the_matrix(key: str) -> None:
    """The cases of a file are those of the matrix, with the same names in the same order."""
    golden = load_golden(key)
    matrix = draw_cases(key, np.random.default_rng(0))
    assert [entry.case.id for entry in golden] == [case.id for case in matrix]
    for entry, case in zip(golden, matrix, strict=True):
        assert [(a.shape, a.dtype) for a in entry.case.inputs] == [
            (a.shape, a.dtype) for a in case.inputs
        ]
        assert set(entry.case.options) == set(case.options)


@pytest.mark.parametrize("key", KEYS)
def test_options_of_the_matrix_are_all_of_the_options(key: str) -> None:
    """No option of a loss goes untested."""
    tested = {name for case in draw_cases(key, np.random.default_rng(0)) for name in case.options}
    assert tested == {parameter.name for parameter in registry()[key].parameters}


@pytest.mark.parametrize("key", KEYS)
def test_cases_differ(key: str) -> None:
    """No two cases have one name, no array is drawn as a constant, and the answers differ."""
    golden = load_golden(key)
    assert len({entry.case.id for entry in golden}) == len(golden)
    drawn = [entry.case.inputs[0] for entry in golden if entry.case.inputs[0].size > 4]
    varied = sum(np.unique(array).size > array.size / 2 for array in drawn)
    assert varied > len(drawn) * 0.5  # the others are awkward on purpose
    answers = {entry.expected["none"].tobytes() for entry in golden}
    assert len(answers) > len(golden) * 0.25


def test_values_read_back_as_written() -> None:
    """Shapes, dtypes, NaN, infinities and the sign of zero survive the file."""
    awkward = np.array([[0.1, -0.0, np.nan], [np.inf, -np.inf, 5e-324]])
    case = Case("a", (awkward, np.zeros((0, 2), np.int32)), {"p": np.inf, "weight": awkward[0]})
    written = Golden(case, {"none": awkward, "mean": np.array(np.nan)})
    read = decode_golden(json.loads(json.dumps(encode_golden(written), allow_nan=False)))
    np.testing.assert_array_equal(read.case.inputs[0], awkward)
    assert np.signbit(read.case.inputs[0][0, 1])
    assert read.case.inputs[1].shape == (0, 2)
    assert read.case.inputs[1].dtype == np.int32
    assert read.case.options["p"] == np.inf
    np.testing.assert_array_equal(read.case.options["weight"], awkward[0])
    np.testing.assert_array_equal(read.expected["none"], awkward)
    assert np.isnan(read.expected["mean"])


def test_header_names_the_reference() -> None:
    """Each file says which version of which library answered."""
    for key in KEYS:
        header = json.loads((FOLDER / f"{key}.json").read_text(encoding="utf-8"))
        assert header["loss"] == key
        assert header["reference"].startswith(REFERENCES[registry()[key].library])
