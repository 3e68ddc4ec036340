"""Agreement with scikit-learn itself, and what it and lossctl refuse."""

from __future__ import annotations

import numpy as np
import pytest

import lossctl
from lossctl.errors import DataError, LossctlWarning, UsageError
from tests.losses.cases.case import Array, Case
from tests.losses.comparison import disagreements
from tests.losses.matrix import draw_seeded, keys_of, reductions

metrics = pytest.importorskip("sklearn.metrics")

KEYS = keys_of("scikit-learn")
SEEDS = (1, 2)
SHOWN = 20
RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize("key", KEYS)
def test_agrees_with_scikit_learn(key: str) -> None:
    """Every case of the matrix agrees, on inputs of full precision and several seeds."""
    from tests.losses.references.sklearn_reference import answer

    wrong = []
    for seed in SEEDS:
        for case in draw_seeded(key, seed):
            expected = {name: answer(key, case, name) for name in reductions(key, case)}
            wrong += [f"seed {seed}: {line}" for line in disagreements(key, case, expected)]
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:SHOWN]])


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_log_loss_is_clipped_by_the_dtype(dtype: type) -> None:
    """One confident mistake costs what the eps of the stored numbers says."""
    mistake, label = np.array([0.0, 1.0, 0.75]), np.array([1, 0, 1])
    with pytest.warns(LossctlWarning, match="log_loss: 2 logarithms were clamped"):
        result = lossctl.compute("log_loss", mistake.astype(dtype), label, reduction="none")
    assert result.elements is not None
    assert result.elements[0] == pytest.approx(-np.log(float(np.finfo(dtype).eps)), rel=1e-15)
    assert result.clamped == 2
    expected = metrics.log_loss(label, mistake.astype(dtype), labels=[0, 1])
    assert result.elements.mean() == pytest.approx(expected, rel=float(np.finfo(dtype).eps) * 10)


@pytest.mark.parametrize("key", ["log_loss", "brier", "zero_one"])
def test_sample_weights_are_divided_by(key: str) -> None:
    from tests.losses.references.sklearn_reference import find_metric

    predicted, label = RANDOM.dirichlet(np.ones(4), 30), np.arange(30) % 4
    weight = RANDOM.uniform(0, 2, 30)
    ours = lossctl.compute(key, predicted, label, sample_weight=weight).value
    each = [find_metric(key)(predicted[[row]], label[[row]]) for row in range(30)]
    assert ours == pytest.approx(np.average(each, weights=weight), rel=1e-12)
    if key == "log_loss":
        theirs = metrics.log_loss(label, predicted, sample_weight=weight)
        assert ours == pytest.approx(theirs, rel=1e-12)


def test_weighted_errors_of_amounts() -> None:
    x, y, weight = RANDOM.uniform(0.1, 3, (3, 50))
    for key, metric in (
        ("msle", metrics.mean_squared_log_error),
        ("mape", metrics.mean_absolute_percentage_error),
        ("rmse", metrics.root_mean_squared_error),
        ("pinball", metrics.mean_pinball_loss),
        ("gamma_deviance", metrics.mean_gamma_deviance),
    ):
        ours = lossctl.compute(key, x, y, sample_weight=weight).value
        assert ours == pytest.approx(metric(y, x, sample_weight=weight), rel=1e-12), key


def test_the_scale_of_brier_as_a_truth() -> None:
    """The option takes scikit-learn's own values, too."""
    p, y = RANDOM.uniform(size=20), RANDOM.integers(0, 2, 20)
    for scale in (True, False, "auto"):
        theirs = metrics.brier_score_loss(y, p, pos_label=1, scale_by_half=scale)
        assert lossctl.compute("brier", p, y, scale_by_half=scale).value == pytest.approx(theirs)


def test_one_wrong_of_one() -> None:
    """The mean is 1 - accuracy, with labels of any kind."""
    predicted, true = RANDOM.integers(-5, 5, (2, 100))
    ours = lossctl.compute("zero_one", predicted, true).value
    assert ours == pytest.approx(metrics.zero_one_loss(true, predicted))


REFUSED: list[tuple[str, dict[str, float], Array, Array]] = [
    ("poisson_deviance", {}, np.array([1.0, 0.0, 2.0]), np.array([1.0, 1.0, 1.0])),
    ("poisson_deviance", {}, np.array([1.0, 1.0, 2.0]), np.array([1.0, -1.0, 1.0])),
    ("gamma_deviance", {}, np.array([1.0, 1.0, 2.0]), np.array([1.0, 0.0, 1.0])),
    ("tweedie_deviance", {"power": -1.0}, np.array([1.0, -1.0, 1.0]), np.ones(3)),
    ("tweedie_deviance", {"power": 1.5}, np.ones(3), np.array([1.0, -1.0, 1.0])),
    ("tweedie_deviance", {"power": 1.5}, np.array([1.0, 0.0, 1.0]), np.ones(3)),
    ("tweedie_deviance", {"power": 3.0}, np.ones(3), np.array([1.0, 0.0, 1.0])),
    ("msle", {}, np.array([1.0, -1.0, 1.0]), np.ones(3)),
    ("msle", {}, np.ones(3), np.array([1.0, -1.5, 1.0])),
    ("log_loss", {}, np.array([0.5, 1.5, 0.5]), np.array([0, 1, 1])),
    ("brier", {}, np.array([0.5, -0.5, 0.5]), np.array([0, 1, 1])),
]


@pytest.mark.parametrize(("key", "options", "x", "y"), REFUSED)
def test_both_refuse_what_has_no_value(
    key: str, options: dict[str, float], x: Array, y: Array
) -> None:
    """scikit-learn refuses; lossctl says how many there are, which is the first, and where."""
    from tests.losses.references.sklearn_reference import find_metric

    with pytest.raises(ValueError, match=r"can only be used on|cannot be used|contains values"):
        find_metric(key)(x, y, **options)
    with pytest.raises(DataError, match=r"(input|target): 1 value is .*; the first is .* at row 1"):
        lossctl.compute(key, x, y, **options)


@pytest.mark.parametrize("power", [-1.0, 0.0, 1.0, 1.5, 2.0, 3.0])
def test_each_power_takes_what_it_is_defined_for(power: float) -> None:
    x, y = np.array([0.5, 2.0]), np.array([-1.0 if power <= 0 else 0.0 if power < 2 else 1.0, 1.0])
    lossctl.compute("tweedie_deviance", x, y, power=power)


def test_powers_that_are_none() -> None:
    for power in (0.5, 1e-9, 0.999):
        with pytest.raises(UsageError, match="not between 0 and 1"):
            lossctl.compute("tweedie_deviance", [1.0], [1.0], power=power)


@pytest.mark.parametrize("key", ["log_loss", "brier"])
def test_labels_and_probabilities_that_are_none(key: str) -> None:
    with pytest.raises(DataError, match="target: 1 value is neither 0 nor 1; the first is 2"):
        lossctl.compute(key, [0.5, 0.5], [1, 2])
    with pytest.raises(DataError, match=r"target: 1 value is outside \[0, 3\)"):
        lossctl.compute(key, np.full((2, 3), 1 / 3), [1, 3])
    with pytest.warns(LossctlWarning, match="input: 1 distribution does not sum to 1"):
        lossctl.compute(key, [[0.5, 0.5], [0.5, 0.25]], [1, 0])


def test_scores_for_labels_are_refused() -> None:
    """A probability is no label, and would count as wrong whatever it is."""
    with pytest.raises(DataError, match="input: 2 values are not integers"):
        lossctl.compute("zero_one", [0.5, 0.25, 1.0], [1, 0, 1])
    with pytest.raises(UsageError, match="top_k is 2, but the input contains one label per sample"):
        lossctl.compute("zero_one", [1, 2], [1, 2], top_k=2)
    with pytest.warns(LossctlWarning, match="right whatever the scores"):
        lossctl.compute("zero_one", np.eye(3), [1, 1, 1], top_k=3)
    scores = [[np.nan, 1.0, 0.0], [1.0, 0.0, 0.5]]
    with pytest.warns(LossctlWarning, match="NaN"):
        result = lossctl.compute("zero_one", scores, [1, 0])
    assert np.isnan(float(result))


@pytest.mark.parametrize(
    "name",
    [
        "log_loss", "brier_score_loss", "zero_one_loss", "mean_pinball_loss",
        "mean_tweedie_deviance", "mean_poisson_deviance", "mean_gamma_deviance",
        "mean_squared_log_error", "mean_absolute_percentage_error", "root_mean_squared_error",
        "mean_squared_error", "mean_absolute_error",
    ],
)  # fmt: skip
def test_is_found_by_the_name_of_its_function(name: str) -> None:
    """With the prefix of scikit-learn it is scikit-learn's number."""
    x, y = np.array([0.25, 0.75, 0.5]), np.array([0.0, 1.0, 1.0])
    if name == "zero_one_loss":
        x = np.array([0.0, 1.0, 0.0])
    if name.endswith("deviance"):
        y = y + 1
    ours = lossctl.compute(f"sklearn.{name}", x, y).value
    assert ours == pytest.approx(getattr(metrics, name)(y, x), rel=1e-12)


def test_a_difference_would_be_seen() -> None:
    """The comparison tells a quantile from another, and a half from a whole."""
    case = Case("seen", (np.array([1.0, 2.0]), np.array([2.0, 0.5])), {"alpha": 0.25})
    expected = {"none": np.array([0.25, 1.125]), "mean": np.array(0.6875)}
    assert not disagreements("pinball", case, expected)
    assert disagreements("pinball", Case("seen", case.inputs, {"alpha": 0.75}), expected)
