"""Every loss declares in which range its losses lie, and drawn data stay in it."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import lossctl
from lossctl.losses.core.declaration import NON_NEGATIVE, UNBOUNDED, ZERO_ONE, Range, real
from lossctl.losses.core.registry import registry
from lossctl.losses.core.terms import Transform
from tests.losses.comparison import compute
from tests.losses.golden_values import load_golden
from tests.losses.matrix import draw_seeded
from tests.support.command_line import run

LOSSES = registry()
ROUNDING = 1e-9
"""What a library's own rounding may make of a loss at a bound."""
INVALID = {"not-logs"}
"""Cases of the matrix whose inputs are not what the loss takes, of which it warns."""


def find_outside(found: Range, losses: np.ndarray) -> np.ndarray:
    """Return the finite losses that are not in a range."""
    finite = losses[np.isfinite(losses)]
    room = ROUNDING * max(1.0, *np.abs(finite), 1.0) if finite.size else 0.0
    outside = (finite < found.lowest - room) | (finite > found.highest + room)
    if found.ends_only:
        outside |= ~np.isin(finite, (found.lowest, found.highest))
    return np.asarray(finite[outside])


@pytest.mark.parametrize("key", LOSSES)
def test_golden_losses_lie_in_the_range_that_is_declared(key: str) -> None:
    loss = LOSSES[key]
    for golden in load_golden(key):
        if golden.case.id in INVALID:
            continue
        losses = np.ravel(golden.expected["none"])
        assert find_outside(loss.range, losses).size == 0, golden.case.id


@pytest.mark.parametrize("key", LOSSES)
def test_drawn_losses_lie_in_the_range_that_is_declared(key: str) -> None:
    loss, seen = LOSSES[key], 0
    for seed in range(2):
        for case in draw_seeded(key, seed):
            if case.id in INVALID:
                continue
            losses = np.ravel(compute(key, case, "none"))
            seen += losses.size
            assert find_outside(loss.range, losses).size == 0, case.id
    assert seen > 20


@pytest.mark.parametrize("key", [key for key, one in LOSSES.items() if one.range == UNBOUNDED])
def test_what_is_declared_without_bounds_has_losses_of_both_signs(key: str) -> None:
    losses = np.concatenate([np.ravel(one.expected["none"]) for one in load_golden(key)])
    if key == "poly_ce":  # below 0 for weights of 1 − p beyond those that the matrix draws
        scores = np.array([[4.0, -4.0]])
        low = lossctl.compute("poly_ce", scores, np.array([[0.0, 1.0]]), epsilon=-20.0)
        losses = np.append(losses, low.value)
    assert (losses < 0).any()
    assert (losses > 0).any()


@pytest.mark.parametrize("key", LOSSES)
def test_the_range_is_shown(key: str) -> None:
    (shown,) = json.loads(run("show", key, "--json").out)["losses"]
    found = LOSSES[key].range.transformed(LOSSES[key].transform)
    assert shown["range"]["label"] == found.label
    assert shown["range"]["lowest"] == (found.lowest if math.isfinite(found.lowest) else None)


def test_the_page_and_the_list_say_it() -> None:
    assert "Range of the losses\n  0 or 1\n" in run("show", "zero_one").out
    assert "Range of the losses\n  at least 1\n" in run("show", "perplexity").out
    listed = {one["key"]: one for one in json.loads(run("list", "--json").out)["losses"]}
    assert set(listed) == set(LOSSES)
    assert listed["giou"]["range"] == {"lowest": 0, "highest": 2, "label": "0 to 2"}


def test_a_custom_loss_may_declare_one() -> None:
    @lossctl.loss("missed", inputs=[real("input", "*"), real("target", "*")], range=Range(0, 1))
    def missed(input: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Share of what is missed."""
        return np.abs(input - target)

    @lossctl.loss("signed", inputs=[real("input", "*"), real("target", "*")])
    def signed(input: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Error with its sign."""
        return np.asarray(input - target)

    assert missed.range == Range(0, 1)
    assert signed.range == UNBOUNDED
    assert lossctl.describe(missed)["range"]["label"] == "0 to 1"


def test_ranges_that_hold_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="is empty"):
        Range(1, 0)
    with pytest.raises(ValueError, match="must have both"):
        Range(0, ends_only=True)


def test_ranges_in_words() -> None:
    ranges = (ZERO_ONE, NON_NEGATIVE, UNBOUNDED, Range(-1, 1), Range(highest=3))
    words = ["0 or 1", "at least 0", "any number", "-1 to 1", "at most 3"]
    assert [one.label for one in ranges] == words
    assert NON_NEGATIVE.transformed(Transform("exp", math.exp, math.exp)) == Range(1)
