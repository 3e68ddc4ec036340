"""Files with missing cells: every command leaves them out where it is asked to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.command_line import read_json, run

LABELLED = "cat,dog,y\n0.7,0.3,cat\n0.1,0.9,\n0.2,0.8,dog\n"
INDEXED = "cat,dog,y\n0.7,0.3,0\n0.1,0.9,\n0.2,0.8,1\n"
EXPECTED = -np.log([0.7, 0.8]).mean()


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_weight_that_is_missing() -> None:
    Path("w.csv").write_text("p,y,w\n0.5,0,1\n0.3,0,\n0.2,0,2\n")
    words = ("l1", "w.csv#p", "w.csv#y", "--sample-weight", "w.csv#w", "-f", "value")
    done = run("compute", *words, "--nan", "omit")
    assert float(done.out) == pytest.approx(np.average([0.5, 0.2], weights=[1, 2]))
    assert "(left out)" in done.err
    assert run("compute", *words).out.strip() == "nan"


@pytest.mark.parametrize(
    ("text", "classes"),
    [(INDEXED, ()), (LABELLED, ("--classes", "cat,dog"))],
    ids=["index", "name"],
)
def test_a_label_that_is_missing(text: str, classes: tuple[str, ...]) -> None:
    Path("t.csv").write_text(text)
    words = ("log_loss", "t.csv#cat,dog", "t.csv#y", *classes)
    done = run("compute", *words, "--nan", "omit", "-f", "json")
    found = read_json(done.out)
    assert found["value"] == pytest.approx(EXPECTED)
    assert (found["counted"], found["omitted"]) == (2, 1)
    refused = run("compute", *words)
    assert refused.code == 3
    assert "--nan omit" in refused.err
    checked = read_json(run("check", *words, "--nan", "omit", "-f", "json").out)
    assert checked["value"] == pytest.approx(EXPECTED)
    assert not any(one["severity"] == "error" for one in checked["findings"])
    done = run("grad", *words, "--nan", "omit", "-o", "g.npy")
    assert done.code == 0, done.err
    np.testing.assert_array_equal(np.load("g.npy")[1], 0)
    assert np.load("g.npy")[0, 0] == pytest.approx(-1 / 0.7 / 2)
    asked = ("--pred", "cat,dog", "--target", "y", "--loss", "log_loss", *classes)
    done = run("evaluate", "t.csv", *asked, "--nan", "omit", "-f", "json")
    (overall,) = read_json(done.out)["overall"]
    assert (overall["value"], overall["omitted"]) == (pytest.approx(EXPECTED), 1)
    shown = run("explain", *words, "--nan", "omit", "--row", "1")
    assert "omitted" in shown.out, shown.err


def test_labels_with_a_missing_one_are_not_cast_to_integers() -> None:
    np.save("p.npy", [[0.7, 0.3], [0.1, 0.9], [0.2, 0.8]])
    np.save("y.npy", [0, np.nan, 1])
    for options in ((), ("--nan", "omit")):
        assert "astype" not in run("check", "log_loss", "p.npy", "y.npy", *options).out


def test_the_worst_rows_have_the_loss_that_is_asked_for() -> None:
    Path("r.csv").write_text("p,y\n1,1\n4,1\n3,1\n")
    words = ("--pred", "p", "--target", "y", "--loss", "rmse", "--worst", "2", "-f", "json")
    found = read_json(run("evaluate", "r.csv", *words).out)
    assert [one["value"] for one in found["worst"]] == [3, 2]
