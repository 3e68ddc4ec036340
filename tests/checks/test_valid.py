"""Good data of every kind raise no alarm: drawn for every loss, and the sample data."""

from __future__ import annotations

import math
import shlex
import warnings
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

import lossctl
from lossctl.checks.result import CheckResult
from lossctl.errors import LossctlWarning
from lossctl.losses.core.registry import registry
from tests.checks.valid_data import SUFFIXES, draw_extras, draw_inputs, save_inputs
from tests.losses.cases.case import Case
from tests.losses.declare import known
from tests.losses.matrix import KEYS, draw_cases
from tests.support.command_line import SAMPLE_DATA, read_json, run

PAIRS = 1000
EACH = -(-PAIRS // len(registry()))
FEW = 5
"""The first of each, which are drawn where there is little time."""
GUESSING = "no_better_than_guessing"
"""What is drawn for half of the pairs has nothing to do with each other, and is told so."""

MOST_CASES = 12
ODD = {"amounts", "not"}
"""Words of cases that are drawn to be wrong: amounts, or what is no logarithm, for logarithms."""

MOST_WARNED = 0.04
EXAMPLES = {one["key"]: one["example"] for one in lossctl.describe_all()}


def list_errors(found: CheckResult) -> list[str]:
    return [one.message for one in found.findings if one.severity == "error"]


@pytest.mark.parametrize("count", [FEW, pytest.param(EACH, marks=pytest.mark.slow)])
@pytest.mark.parametrize("key", registry())
def test_no_error_is_found_in_valid_data(key: str, count: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(sum(map(ord, key)))
    for _ in range(count):
        inputs = draw_inputs(registry()[key], rng)
        extras = draw_extras(registry()[key], inputs, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("error", LossctlWarning)
            found = lossctl.check(key, *save_inputs(inputs, tmp_path, rng), threads=1, **extras)
        assert list_errors(found) == []


@pytest.mark.parametrize("key", KEYS)
def test_no_error_is_found_under_any_options(key: str) -> None:
    """The calls that are compared with the reference libraries, a share of them."""
    rng = np.random.default_rng(sum(map(ord, key)))
    drawn = [one for one in draw_cases(key, rng) if not ODD & {*one.id.split("-")}]
    mixed = (drawn[number] for number in rng.permutation(len(drawn)))
    chosen = [*islice((one for one in mixed if _has_loss(key, one)), MOST_CASES)]
    assert chosen
    for case in chosen:
        found = lossctl.check(key, *case.inputs, threads=1, **case.options)
        assert list_errors(found) == [], case.id


def _has_loss(key: str, case: Case) -> bool:
    if not all(map(np.size, case.inputs)):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossctlWarning)
        value = lossctl.compute(key, *case.inputs, threads=1, **case.options).value
    return value is not None and math.isfinite(value)


def test_all_kinds_of_calls_are_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    drawn: Counter[str] = Counter()
    for loss in registry().values():
        for _ in range(3):
            inputs = draw_inputs(loss, rng)
            drawn.update([*draw_extras(loss, inputs, rng)])
            for one in save_inputs(inputs, tmp_path, rng):
                drawn[Path(one).suffix.partition("#")[0] if isinstance(one, str) else "array"] += 1
            drawn["few" if len(inputs[0]) < 10 else "many" if len(inputs[0]) > 500 else "some"] += 1
    kinds = {f".{suffix}" for suffix in SUFFIXES} | {"array", "few", "some", "many"}
    assert {*drawn} == kinds | {"sample_weight", "mask"}
    assert min(drawn.values()) >= 10, drawn


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
    assert [one["code"] for one in found] == list(known(key).findings)
