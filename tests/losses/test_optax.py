"""Agreement with optax itself, and what lossctl does otherwise on purpose."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import lossctl
from lossctl.losses.core.registry import find
from tests.losses.comparison import disagreements
from tests.losses.matrix import draw_seeded, keys_of, reductions

pytest.importorskip("optax")

KEYS = keys_of("optax")
SHOWN = 20
RANDOM = np.random.default_rng(5)
SAME_NUMBER = {
    "squared_error": "mse",
    "huber_loss": "huber",
    "sigmoid_binary_cross_entropy": "bce_with_logits",
    "softmax_cross_entropy": "ce",
    "softmax_cross_entropy_with_integer_labels": "ce",
}
"""The losses of optax that others have too, with the same number."""
OTHERS = {"ctc_loss", "cosine_similarity"}
"""What is left out: ctc takes lengths instead of paddings here, and a similarity is no loss."""


@pytest.mark.parametrize("every", [12, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("key", KEYS)
def test_agrees_with_optax(key: str, every: int) -> None:
    """One of so many cases of the matrix agrees, on inputs of full precision.

    optax is compiled anew for each shape, which takes its time; golden values hold all cases.
    """
    from tests.losses.references.optax_reference import answer

    wrong = []
    for case in draw_seeded(key, 1)[::every]:
        expected = {name: answer(key, case, name) for name in reductions(key, case)}
        wrong += disagreements(key, case, expected)
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:SHOWN]])


def test_every_loss_of_optax_is_there() -> None:
    """By the name of its function, with the prefix and without a namesake's number."""
    import optax

    makers = {"make_fenchel_young_loss", "smooth_labels", "ctc_loss_with_forward_probs"}
    names = {name for name in dir(optax.losses) if not name.startswith("_")}
    functions = {name for name in names if callable(getattr(optax.losses, name))} - makers - OTHERS
    found = {name: find(f"optax.{name}") for name in functions}
    foreign = {name: loss.key for name, loss in found.items() if loss.library != "optax"}
    assert foreign == SAME_NUMBER


def test_the_same_number_is_the_same_number() -> None:
    """The losses that stand under the name of another are that one."""
    import optax

    from tests.losses.references.optax_reference import jnp

    logits, labels = RANDOM.normal(size=(6, 4)), RANDOM.integers(0, 4, 6)
    spread = RANDOM.dirichlet(np.ones(4), 6)
    for name, pair in (
        ("squared_error", (logits, spread)),
        ("huber_loss", (logits, spread)),
        ("sigmoid_binary_cross_entropy", (logits, spread)),
        ("softmax_cross_entropy", (logits, spread)),
        ("softmax_cross_entropy_with_integer_labels", (logits, labels)),
    ):
        expected = getattr(optax.losses, name)(*map(jnp.asarray, pair))
        actual = lossctl.compute(f"optax.{name}", *pair, reduction="none").elements
        np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-15)


def test_odd_degrees_of_differences() -> None:
    """optax takes odd powers of signed differences; a distance has none."""
    anchor, near, far = (RANDOM.normal(size=(5, 3)) for _ in range(3))
    expected = [
        max(0.0, np.abs(a - p).sum() - np.abs(a - n).sum() + 1.0)
        for a, p, n in zip(anchor, near, far, strict=True)
    ]
    result = lossctl.compute(
        "optax.triplet_margin", anchor, near, far, norm_degree=1.0, eps=0.0, reduction="none"
    )
    np.testing.assert_allclose(result.elements, expected, rtol=1e-12)


@pytest.mark.parametrize("temperature", [0.01, 0.07, 1.0])
def test_pairs_against_their_definition(temperature: float) -> None:
    """Also where exp(cos / temperature) of frameworks loses all digits."""
    embeddings, labels = RANDOM.normal(size=(9, 3)), np.array([0, 0, 1, 1, 1, 2, 3, 3, 0])
    with mpmath.workdps(60):
        rows = [[mpmath.mpf(x) for x in row] for row in embeddings]
        unit = [[x / mpmath.sqrt(mpmath.fsum(y * y for y in row)) for x in row] for row in rows]
        power = [
            [mpmath.exp(mpmath.fdot(a, b) / mpmath.mpf(temperature)) for b in unit] for a in unit
        ]
        costs = [
            mpmath.log1p(
                mpmath.fsum(power[i][k] for k in range(9) if labels[k] != labels[i]) / power[i][j]
            )
            for i in range(9)
            for j in range(9)
            if i != j and labels[i] == labels[j]
        ]
        expected = float(mpmath.fsum(costs) / len(costs))
    result = lossctl.compute("ntxent", embeddings, labels, temperature=temperature)
    assert result.value == pytest.approx(expected, rel=1e-13)
    assert (result.denominator, result.denominator_name) == (14.0, "positive pairs")


def test_pairs_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few similarities are held at a time, the losses are the same."""
    from lossctl.losses.embedding import contrastive

    pair = RANDOM.normal(size=(40, 5)), RANDOM.integers(0, 6, 40)
    whole = lossctl.compute("ntxent", *pair, reduction="none").elements
    for size in (1, 100, 130):
        monkeypatch.setattr(contrastive, "SIMILARITIES", size)
        pieces = lossctl.compute("ntxent", *pair, reduction="none").elements
        np.testing.assert_allclose(pieces, whole, rtol=1e-12)


@pytest.mark.parametrize("key", ["optax.dice", "multiclass_generalized_dice"])
def test_maps_of_class_indices(key: str) -> None:
    """Class indices are the same as their shares of 0 and 1."""
    logits, labels = RANDOM.normal(size=(3, 4, 5, 2)), RANDOM.integers(0, 4, (3, 5, 2))
    shares = np.moveaxis(np.eye(4)[labels], -1, 1)
    assert lossctl.compute(key, logits, labels).value == lossctl.compute(key, logits, shares).value


def test_maps_are_not_cut_within_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample larger than a block is one ratio, as any other."""
    from lossctl.engine.plan import blocks

    maps = RANDOM.normal(size=(2, 3, 30, 20)), RANDOM.integers(0, 3, (2, 30, 20))
    expected = lossctl.compute("optax.dice", *maps, reduction="none").elements
    monkeypatch.setattr(blocks, "BLOCK_NUMBERS", 50)
    actual = lossctl.compute("optax.dice", *maps, reduction="none").elements
    np.testing.assert_array_equal(actual, expected)
