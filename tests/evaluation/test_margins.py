"""Gates with a margin, and those that may be inconclusive: what they say, and exit code 5."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lossctl
from lossctl.errors import Exit, UsageError
from lossctl.evaluation.request.conditions import parse
from lossctl.evaluation.result import Verdict
from tests.support.command_line import run

RNG = np.random.default_rng(7)
ROWS = 400


def draw(spread: float) -> np.ndarray:
    """Return noise that sums to 0 over the even rows, and over the odd ones."""
    noise = RNG.normal(0, spread, (ROWS // 2, 2))
    return np.ravel(noise - noise.mean(axis=0))


NOISE = draw(1)
FRAME = pd.DataFrame(
    {
        "old": 10 + NOISE,
        "new": 10 + NOISE + 0.2 + draw(0.5),
        "t": 0.0,
        "g": np.where(np.arange(ROWS) % 2, "x", "y"),
    }
)
"""The losses of the new model are larger by 0.2 in 10.2, with a standard error of 0.025."""


def judge(text: str, frame: pd.DataFrame = FRAME, **more: Any) -> Verdict:
    asked: dict[str, Any] = {"pred": ["old", "new"], "target": "t", "loss": "l1", "ci": 0.95}
    (found,) = lossctl.evaluate(frame, **asked | more, fail_if=text).verdicts
    return found


@pytest.mark.parametrize(
    ("text", "margin", "relative", "three_way"),
    [
        ("ce worse than baseline", 0, False, False),
        ("ce worse than baseline by 0.01", 0.01, False, False),
        ("ce by region worse than baseline by 2%", 0.02, True, False),
        ("ce worse than baseline by 2 % or inconclusive", None, None, None),
        ("ce worse than baseline by 0.5% or inconclusive", 0.005, True, True),
        ("ce worse than baseline or inconclusive", 0, False, True),
        ("ce > 0.3 or inconclusive", 0, False, True),
    ],
)
def test_margins_are_read(
    text: str, margin: float | None, relative: bool | None, three_way: bool | None
) -> None:
    if margin is None:
        with pytest.raises(UsageError, match="expected the end"):
            parse(text)
        return
    found = parse(text)
    assert (found.margin, found.relative, found.three_way) == (margin, relative, three_way)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ce worse than baseline by", "a margin of at least 0"),
        ("ce worse than baseline by -1", "a margin of at least 0"),
        ("ce worse than baseline by much", "a margin of at least 0"),
        ("ce > 0.3 or", "'inconclusive'"),
        ("max(ce by g) > 0.3 or inconclusive", "the end"),
    ],
)
def test_what_is_no_margin_is_refused(text: str, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        parse(text)


@pytest.mark.parametrize(
    ("text", "passed", "inconclusive"),
    [
        ("l1 worse than baseline", False, False),
        ("l1 worse than baseline by 0.1", False, False),
        ("l1 worse than baseline by 0.19", True, False),
        ("l1 worse than baseline by 0.19 or inconclusive", False, True),
        ("l1 worse than baseline by 0.4 or inconclusive", True, False),
        ("l1 worse than baseline by 0.1 or inconclusive", False, False),
        ("l1 worse than baseline by 1%", False, False),
        ("l1 worse than baseline by 4%", True, False),
        ("l1 worse than baseline by 4% or inconclusive", True, False),
        ("l1 worse than baseline by 2% or inconclusive", False, True),
        ("l1 by g worse than baseline by 0.1", False, False),
        ("l1 by g worse than baseline by 0.4", True, False),
        ("l1[g=x] worse than baseline by 0.2 or inconclusive", False, True),
        ("l1 - baseline > 0.1 or inconclusive", False, False),
        ("l1 - baseline > 0.2 or inconclusive", False, True),
        ("l1 - baseline > 0.4 or inconclusive", True, False),
        ("l1 > 10.2 or inconclusive", False, True),
        ("l1 > 9 or inconclusive", False, False),
        ("l1 < 9 or inconclusive", True, False),
        ("old:l1 > 11 or inconclusive", True, False),
        ("l1 by g > 10.2 or inconclusive", False, True),
    ],
)
def test_verdicts(text: str, passed: bool, inconclusive: bool) -> None:
    found = judge(text)
    assert (found.passed, found.inconclusive) == (passed, inconclusive), found
    assert ("rows would decide" in found.detail) == inconclusive


def test_so_many_rows_decide() -> None:
    found = judge("l1 worse than baseline by 0.14 or inconclusive", FRAME[:60])
    assert found.inconclusive
    assert found.rows_needed is not None
    times = -(-found.rows_needed // 60)
    more = pd.concat([FRAME[:60]] * times, ignore_index=True)
    assert not judge("l1 worse than baseline by 0.14 or inconclusive", more).inconclusive
    fewer = pd.concat([FRAME[:60]] * max(1, times // 2), ignore_index=True)
    assert judge("l1 worse than baseline by 0.14 or inconclusive", fewer).inconclusive


def test_a_value_at_the_limit_is_never_decided() -> None:
    frame = pd.DataFrame({"p": [1.0, 3.0] * 20, "t": 0.0})
    found = judge("l1 > 2 or inconclusive", frame, pred="p")
    assert (found.inconclusive, found.rows_needed) == (True, None)
    assert "no number of rows would decide" in found.detail


def test_margins_of_shares_use_their_rows() -> None:
    frame = pd.DataFrame({"a": [0] * 200, "b": [0] * 196 + [1] * 4, "t": [0] * 200})
    words = {"pred": ["a", "b"], "loss": "zero_one"}
    assert judge("zero_one worse than baseline by 0.05 or inconclusive", frame, **words).passed
    found = judge("zero_one worse than baseline by 0.01 or inconclusive", frame, **words)
    assert (found.inconclusive, found.rows_needed) == (True, 1134)


def test_without_intervals_nothing_is_inconclusive() -> None:
    with pytest.raises(UsageError, match="without intervals") as caught:
        judge("l1 > 3 or inconclusive", ci=None)
    assert "0.95" in str(caught.value)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    FRAME.to_csv(tmp_path / "eval.csv", index=False)
    return tmp_path


WORDS = ("--pred", "old", "--pred", "new", "--target", "t", "--loss", "l1", "--ci", "0.95")
OPEN = "l1 worse than baseline by 0.19 or inconclusive"


@pytest.mark.parametrize(
    ("gates", "code"),
    [
        ((OPEN,), Exit.INCONCLUSIVE),
        ((OPEN, "l1 > 1"), Exit.CHECK_FAILED),
        ((OPEN, "l1 > 100"), Exit.INCONCLUSIVE),
        (("l1 > 100",), Exit.DONE),
    ],
)
def test_the_exit_code_is_5(data: Path, gates: tuple[str, ...], code: Exit) -> None:
    flags = [word for gate in gates for word in ("--fail-if", gate)]
    done = run("evaluate", "eval.csv", *WORDS, *flags, cwd=data)
    assert done.code == code
    if OPEN in gates:
        assert "inconclusive" in done.out
        assert "rows would decide" in done.err
    if code == Exit.INCONCLUSIVE:
        assert done.err.startswith(f"error: 1 of {len(gates)} gates is inconclusive\n")


def test_json_says_how_many_rows_would_decide(data: Path) -> None:
    done = run("evaluate", "eval.csv", *WORDS, "--fail-if", OPEN, "-f", "json", cwd=data)
    found = json.loads(done.out)
    (gate,) = found["verdicts"]
    assert (found["passed"], gate["passed"], gate["inconclusive"]) == (False, False, True)
    assert gate["rows_needed"] > ROWS
    done = run("evaluate", "eval.csv", *WORDS, "--fail-if", OPEN, "-f", "jsonl", cwd=data)
    line = json.loads(done.out.splitlines()[-1])
    assert (line["record"], line["inconclusive"]) == ("gate", True)
    assert line["rows_needed"] == gate["rows_needed"]


@pytest.mark.parametrize(("other", "code"), [("l1 > 100", 5), ("l1 > 1", 1)])
def test_suites_end_with_5_where_nothing_failed(data: Path, other: str, code: int) -> None:
    jobs = "".join(
        f'[job.{name}]\nfail-if = "{gate}"\n' for name, gate in (("one", OPEN), ("two", other))
    )
    common = '[defaults]\ndataset = "eval.csv"\npred = ["old", "new"]\ntarget = "t"\n'
    (data / "suite.toml").write_text(f'{common}loss = "l1"\nci = 0.95\n{jobs}')
    done = run("run", "suite.toml", cwd=data)
    assert done.code == code
    assert "1 of 1 inconclusive" in done.out
    assert "rows would decide" in done.err
