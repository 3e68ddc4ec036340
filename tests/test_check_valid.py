"""Good data of every kind raise no alarm: drawn for every loss, and the sample data."""

from __future__ import annotations

import shlex
import warnings
from collections import Counter

import numpy as np
import pytest

import lossctl
from lossctl.errors import LossctlWarning
from lossctl.losses.registry import registry
from tests.command_line import SAMPLE_DATA, read_json, run
from tests.valid_data import draw_inputs

PAIRS = 1000
EACH = -(-PAIRS // len(registry()))
GUESSING = "no_better_than_guessing"
"""What is drawn for half of the pairs has nothing to do with each other, and is told so."""

MOST_WARNED = 0.04
EXAMPLES = {one["key"]: one["example"] for one in lossctl.describe_all()}
EXPECTED = {
    "optax.kl_divergence_with_log_targets": ["identical_inputs"],  # it names one file twice
    "pinball": [GUESSING],  # means, where a quantile of 0.9 is asked for
}


@pytest.mark.parametrize("key", registry())
def test_no_error_is_found_in_valid_data(key: str) -> None:
    rng = np.random.default_rng(sum(map(ord, key)))
    for _ in range(EACH):
        inputs = draw_inputs(registry()[key], rng)
        with warnings.catch_warnings():
            warnings.simplefilter("error", LossctlWarning)
            found = lossctl.check(key, *inputs, threads=1)
        assert [one for one in found.findings if one.severity == "error"] == []


def test_warnings_are_few_in_valid_data() -> None:
    rng = np.random.default_rng(0)
    told: Counter[str] = Counter()
    for loss in registry().values():
        for _ in range(2):
            found = lossctl.check(loss, *draw_inputs(loss, rng), threads=1)
            told.update(one.code for one in found.findings if one.severity == "warning")
    del told[GUESSING]
    assert sum(told.values()) <= MOST_WARNED * 2 * len(registry()), told


def test_a_thousand_pairs_are_drawn() -> None:
    assert EACH * len(registry()) >= PAIRS


@pytest.mark.parametrize("key", EXAMPLES)
def test_sample_data_are_good(key: str) -> None:
    words = shlex.split(EXAMPLES[key])[2:]
    if "-r" in words:
        at = words.index("-r")
        del words[at : at + 2]
    done = run("check", *words, "-f", "json", cwd=SAMPLE_DATA)
    assert (done.code, done.err) == (0, "")
    found = [one for one in read_json(done.out)["findings"] if one["severity"] != "info"]
    assert [one["code"] for one in found] == EXPECTED.get(key, [])
