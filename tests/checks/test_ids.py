"""Ids that occur more than once are found, however many there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lossctl
from lossctl.checks.measurements import ids
from tests.losses.cases.case import Array
from tests.support.command_line import save

COUNT = 5000


@pytest.fixture(params=[COUNT * 2, 700])
def run_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many ids are held before they are written."""
    monkeypatch.setattr(ids, "RUN", request.param)
    return int(request.param)


def check(names: object, **options: object) -> list[dict[str, object]]:
    values = np.random.default_rng(0).normal(size=COUNT)
    found = lossctl.check("mse", values, values + 1, id=names, threads=2, **options)
    return [dict(one.evidence) for one in found.findings if one.code == "duplicate_ids"]


def name(numbers: Array, *, texts: bool) -> Array:
    return np.array([f"r{one}" for one in numbers]) if texts else numbers


@pytest.mark.usefixtures("run_size")
@pytest.mark.parametrize("texts", [False, True])
def test_repeated_ids_are_counted(texts: bool) -> None:
    names = np.random.default_rng(1).permutation(COUNT * 3)[:COUNT]
    assert check(name(names, texts=texts)) == []
    names[4321] = names[17]
    names[[99, 2000, 4999]] = names[98]
    assert check(name(names, texts=texts)) == [{"count": 4, "first": 98, "again": 99}]


@pytest.mark.usefixtures("run_size")
def test_masked_rows_have_no_ids() -> None:
    names, mask = np.arange(COUNT), np.ones(COUNT)
    names[40], mask[40] = 7, 0
    assert check(names, mask=mask) == []
    assert check(names) == [{"count": 1, "first": 7, "again": 40}]


@pytest.mark.usefixtures("run_size")
def test_ids_of_files(tmp_path: Path) -> None:
    names = np.arange(COUNT)
    names[4000] = 0
    for suffix in ("npy", "csv", "parquet"):
        path = tmp_path / save(tmp_path, "ids", names, suffix)
        assert check(path) == [{"count": 1, "first": 0, "again": 4000}]


@pytest.mark.parametrize("suffix", ["npy", "csv"])
@pytest.mark.parametrize("count", [COUNT - 1, COUNT + 1])
def test_there_are_as_many_ids_as_samples(tmp_path: Path, count: int, suffix: str) -> None:
    path = tmp_path / save(tmp_path, "ids", np.arange(count), suffix)
    values = np.random.default_rng(0).normal(size=COUNT)
    found, *_ = lossctl.check("mse", values, values + 1, id=path).findings
    assert (found.code, found.severity) == ("length_mismatch", "error")
    assert found.evidence == {"ids": count, "samples": COUNT}
    found, *_ = lossctl.check("mse", values[:-1], values + 1, id=path).findings
    assert found.message == f"input has {COUNT - 1} samples; target has {COUNT} samples"
