"""``--where`` means the same in every format, and is right or refused between all types."""

from __future__ import annotations

import datetime as dt
import operator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lossctl
from lossctl.data.arrays.cells import Cells
from lossctl.errors import DataError, LossctlWarning, UsageError
from lossctl.evaluation.rows.filter import Filter

OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
DAYS = [*(dt.datetime.fromisoformat(f"2024-0{month}-01") for month in (1, 2, 3)), None]
ZONED = pa.timestamp("us", "UTC")
INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
TYPED: dict[str, tuple[list[Any], list[pa.DataType]]] = {
    "number": ([1, 100, 90, None], [getattr(pa, one)() for one in INTEGERS]),
    "fraction": (
        [0.1, 0.2, 100.5, None],
        [pa.float32(), pa.float64(), pa.decimal128(10, 2), pa.decimal256(40, 2)],
    ),
    "string": (
        ["EU", "00501", "true", None],
        [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())],
    ),
    "truth": ([True, False, True, None], [pa.bool_()]),
    "time": (
        DAYS,
        [pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")] + [pa.date32(), pa.date64()],
    ),
    "zoned": (DAYS, [ZONED]),
    "clock": (
        [dt.time(1, 2), dt.time(3, 4, 5), dt.time(23), None],
        [pa.time32("s"), pa.time64("us")],
    ),
}
"""Cells of each type, and the Arrow types that hold them."""
LITERALS: dict[str, tuple[str, Any]] = {
    "number": ("90", 90),
    "fraction": ("0.1", 0.1),
    "string": ("'EU'", "EU"),
    "truth": ("True", True),
    "time": ("'2024-02-01'", DAYS[1]),
    "zoned": ("'2024-02-01T01:00+01:00'", DAYS[1]),
    "clock": ("'03:04:05'", dt.time(3, 4, 5)),
}
NUMBERS = {"number", "fraction"}


def keep(text: str, **columns: Any) -> list[bool]:
    cells = {
        name: Cells(one) if isinstance(one, pa.Array) else one for name, one in columns.items()
    }
    return Filter(text).keep(cells).tolist()


def fits(column: str, literal: str) -> bool:
    """Whether a column of one type may be compared with a literal of the other."""
    if column == "string":
        return literal in ("string", "time", "zoned", "clock")  # all of these are strings
    return (
        literal == column or {column, literal} <= NUMBERS or (column, literal) == ("zoned", "time")
    )


@pytest.mark.parametrize("literal", LITERALS)
@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name, (_, kinds) in TYPED.items() for kind in kinds],
    ids=str,
)
def test_a_comparison_is_right_or_refused(name: str, kind: pa.DataType, literal: str) -> None:
    cells = TYPED[name][0]
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    given = [Decimal(str(one)) if pa.types.is_decimal(kind) and one else one for one in cells]
    column = pa.array(given, plain).cast(kind) if plain != kind else pa.array(given, kind)
    spelled, value = LITERALS[literal]
    for sign, holds in OPERATORS.items():
        for text in (f"x {sign} {spelled}", f"x in [{spelled}]", f"x not in [{spelled}]"):
            if " in " in text:
                holds = operator.ne if "not" in text else operator.eq  # noqa: PLW2901
            if not fits(name, literal) or (
                name == "string"
                and literal in ("time", "zoned")
                and sign[0] in "<>"
                and " in " not in text
            ):
                with pytest.raises(DataError, match="column 'x'") as refused:
                    keep(text, x=column)
                assert refused.value.remedy
                continue
            if name == "string":
                value = spelled[1:-1]
            wanted = [one is not None and holds(one, value) for one in cells]
            if holds is operator.ne:
                wanted = [one is None or one != value for one in cells]
            assert keep(text, x=column) == wanted, text


@pytest.mark.parametrize("kind", INTEGERS)
def test_arithmetic_does_not_wrap(kind: str) -> None:
    limits = np.iinfo(kind)
    cells = [int(limits.min), int(limits.max), 1, 100]
    column = np.array(cells, kind)
    for text, wanted in (
        ("x * 2 > 150", [one * 2 > 150 for one in cells]),
        ("x + x > 0", [one > 0 for one in cells]),
        ("x - 200 < 0", [one - 200 < 0 for one in cells]),
        ("-x <= 0", [-one <= 0 for one in cells]),
        ("x ** 3 > 5", [one**3 > 5 for one in cells]),
        ("x * x * x == 1", [one == 1 for one in cells]),
        (f"x * 3 == {limits.max * 3}", [one == limits.max for one in cells]),
        ("x % 10 == 7", [one % 10 == 7 for one in cells]),
        ("x // 7 == 14", [one // 7 == 14 for one in cells]),
        (f"x == {limits.max - 1}", [False] * 4),
        (f"x == {float(limits.max)!r}", [one == float(limits.max) for one in cells]),
        (f"x < {2**70}", [True] * 4),
        ("x > 1e300", [False] * 4),
    ):
        assert keep(text, x=column) == wanted, text


def test_large_integers_are_compared_with_fractions_exactly() -> None:
    whole = np.array([2**53, 2**53 + 1, 3])
    assert keep("x == y", x=whole, y=np.array([2.0**53, 2.0**53, 3.0])) == [True, False, True]
    assert keep("x > y", x=whole, y=np.array([2.0**53, 2.0**53, 3.0])) == [False, True, False]


def test_decimals_are_compared_exactly() -> None:
    cells = [Decimal("0.1000000000000000000001"), Decimal("0.1")]
    column = pa.array(cells, pa.decimal128(30, 22))
    assert keep("x == 0.1", x=column) == [False, True]
    assert keep("x > 0.1", x=column) == [True, False]


@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_a_literal_is_rounded_to_the_type_of_the_column(kind: str) -> None:
    column = np.array([0.1, 0.2, 0.3, np.inf, 0], kind)
    assert keep("x in [0.1, 0.3]", x=column) == [True, False, True, False, False]
    assert keep("x == 0.1 or x == 0.3", x=column) == [True, False, True, False, False]
    assert keep("x == 1e300 or x == 1e-300", x=column) == [False] * 5
    assert keep("x < 1e300", x=column) == [True, True, True, False, True]


def test_times_of_any_unit_and_zone() -> None:
    seconds = pa.array([0, 1, 2], pa.timestamp("s"))
    assert keep("x == '1970-01-01T00:00:01'", x=seconds) == [False, True, False]
    assert keep("x == '1970-01-01T00:00:01.5'", x=seconds) == [False] * 3
    assert keep("x > '1970-01-01T00:00:00.5'", x=seconds) == [False, True, True]
    assert keep("x <= '1970-01-01T00:00:01.5'", x=seconds) == [True, True, False]
    assert keep("x == y", x=seconds, y=seconds.cast(pa.timestamp("ns"))) == [True] * 3
    far = pa.array([dt.date(9999, 12, 31), dt.date(1, 1, 1)], pa.date32())
    assert keep("x > '2024-01-01'", x=far) == [True, False]
    assert keep("x > y", x=far, y=pa.array([0, 0], pa.timestamp("ns"))) == [True, False]
    berlin = pa.array([1704063600, 1704067200], pa.timestamp("s", "Europe/Berlin"))
    assert keep("x == '2024-01-01'", x=berlin) == [True, False]
    assert keep("x == '2024-01-01T00:00Z'", x=berlin) == [False, True]
    with pytest.raises(DataError, match="not a unique time in Europe/Berlin"):
        keep("x > '2024-10-27T02:30'", x=berlin)
    with pytest.raises(DataError, match="has no time zone"):
        keep("x == '2024-01-01T00:00Z'", x=seconds)
    with pytest.raises(DataError, match="has a time zone"):
        keep("x == y", x=seconds, y=berlin.take(pa.array([0, 1, 1])))
    with pytest.raises(DataError, match="'Feb 2024' is not one") as refused:
        keep("x > 'Feb 2024'", x=seconds)
    assert "'2024-01-15'" in refused.value.remedy


def test_missing_cells() -> None:
    columns = [
        pa.array([1, None]),
        pa.array([1.5, None]),
        np.array([1.5, np.nan]),
        pa.array(["a", None]),
        pa.array([True, None]),
        pa.array([DAYS[0], None]),
        pa.array([[1], None]),
    ]
    for column in columns:
        for word in ("null", "None", "NULL"):
            assert keep(f"x is {word}", x=column) == [False, True]
            assert keep(f"x is not {word}", x=column) == [True, False]
    assert keep("x is null", x=pa.nulls(2)) == [True, True]
    with pytest.raises(UsageError, match="nothing equals None") as refused:
        keep("x == None", x=columns[0])
    assert "x is null" in refused.value.remedy


FORMATS = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "tsv": lambda frame, path: frame.to_csv(path, sep="\t", index=False),
    "jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    "parquet": lambda frame, path: frame.to_parquet(path, index=False),
    "arrow": lambda frame, path: frame.to_feather(path),
    "frame": lambda frame, path: None,
}


@pytest.fixture(params=FORMATS)
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """One table in each format: p is what is averaged."""
    frame = pd.DataFrame(
        {
            "p": [1.0, 2.0, 4.0, 8.0],
            "y": [0.0] * 4,
            "n": np.array([1, 100, 90, -5], "i1"),
            "f": [0.1, 0.2, 0.3, np.nan],
            "zip": ["00501", "10001", "10001", None],
            "flag": [True, False, True, False],
            "day": ["2024-01-01", "2024-02-01", "2024-03-01", "2024-03-02"],
            "g": ["1", "2", "x", None],
            "quoted_0": [1, 1, 2, 2],
            "a b": [5, 6, 7, 8],
        }
    )
    path = tmp_path / f"t.{request.param}"
    FORMATS[request.param](frame, path)
    return frame if request.param == "frame" else str(path)


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("n * 2 > 150", [1, 2]),
        ("n in [1, 90]", [0, 2]),
        ("n == 90.0", [2]),
        ("f in [0.1, 0.3]", [0, 2]),
        ("f == 0.1 or f == 0.3", [0, 2]),
        ("f is null", [3]),
        ("f is not null and f > 0.15", [1, 2]),
        ("f != f", [3]),
        ('zip == "00501"', [0]),
        ('zip != "00501"', [1, 2, 3]),
        ("zip in ['00501', '10001']", [0, 1, 2]),
        ("zip is null", [3]),
        ("flag", [0, 2]),
        ("not flag and n > 0", [1]),
        ("flag == True", [0, 2]),
        ("flag == 1", [0, 2]),
        ("day == '2024-02-01'", [1]),
        ("day != '2024-02-01'", [0, 2, 3]),
        ("day > '2024-01-15'", [1, 2, 3]),
        ("'2024-01-15' < day <= '2024-03-01'", [1, 2]),
        ("g == 'x'", [2]),
        ("g == '1'", [0]),
        ("quoted_0 == 1 and `a b` > 5", [1]),
        ("n > 1 && f > 0.25 || n < 0", [2, 3]),
        ("n > f", [0, 1, 2]),
        ("n % 2 == 0 and (n > 0 or\n n < 0)", [1, 2]),
    ],
)
def test_every_format_keeps_the_same_rows(data: Any, where: str, rows: list[int]) -> None:
    found = lossctl.evaluate(data, pred="p", target="y", loss="l1", where=where)
    assert found.rows == len(rows)
    assert found.overall[0].total == sum(2.0**row for row in rows)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("g == 1", "column 'g' contains"),
        ("g != 1", "column 'g' contains"),
        ("g > 1", "column 'g' contains"),
        ("g + 1 > 1", "column 'g' contains"),
        ("n == 'one'", None),
        ("n > '5'", "column 'n' contains numbers"),
        ("flag == 'TRUE'", "column 'flag' contains"),
        ("n == True", "column 'n' contains numbers"),
        ("zip > '2024-01-01'", "column 'zip'"),
        ("n > 1/0", "divides by zero"),
        ("n % 0 == 1", "divides by zero"),
        ("n / (1 - 1) > 3", "divides by zero"),
        ("g > n", "column 'g' contains"),
        ("g == n", "column 'g' contains"),
        ("day > 5", "column 'day' contains"),
    ],
)
def test_what_does_not_fit_is_refused_in_every_format(
    data: Any, where: str, said: str | None
) -> None:
    if said is None and isinstance(data, str) and data.endswith(("csv", "tsv", "jsonl")):
        assert lossctl.evaluate(data, pred="p", target="y", loss="l1", where="g != 'one'").rows == 4
        return
    with pytest.raises(DataError, match=said or "column 'n' contains"):
        lossctl.evaluate(data, pred="p", target="y", loss="l1", where=where)


def test_a_string_that_could_be_a_number_is_never_false_by_accident(tmp_path: Path) -> None:
    path = tmp_path / "z.csv"
    path.write_text("p,y,zip\n1,0,501\n2,0,00501\n4,0,10001\n")
    with pytest.raises(DataError, match="'501', which equals '00501' as a value") as refused:
        lossctl.evaluate(path, pred="p", target="y", loss="l1", where="zip == '00501'")
    assert "zip == 501" in refused.value.remedy
    found = lossctl.evaluate(path, pred="p", target="y", loss="l1", where="zip == 501")
    assert found.overall[0].total == 3
    with pytest.raises(DataError, match="zip is null"):
        path.write_text("p,y,zip\n1,0,501\n2,0,\n")
        lossctl.evaluate(path, pred="p", target="y", loss="l1", where="zip == ''")


def test_shards_of_numbers_and_strings(tmp_path: Path) -> None:
    (tmp_path / "a-1.csv").write_text("p,y,g\n0.1,0,1\n0.2,1,2\n")
    (tmp_path / "a-2.csv").write_text("p,y,g\n1,1,x\n")
    for sign in ("==", "!="):
        with pytest.raises(DataError, match="'x', which is not a number") as refused:
            lossctl.evaluate(
                str(tmp_path / "*.csv"), pred="p", target="y", loss="l1", where=f"g {sign} 1"
            )
        assert f"g {sign} '1'" in refused.value.remedy
    found = lossctl.evaluate(
        str(tmp_path / "*.csv"), pred="p", target="y", loss="l1", where="g == '1'"
    )
    assert found.overall[0].value == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("day >= 2024-01-15", "'2024-01-15' in quotes"),
        ("day >= 2024-11-15", "'2024-01-15' in quotes"),
        ("day = 'x'", "=="),
        ("day <> 'x'", "!="),
        ("!day", "not"),
        ("day is 3", "is not null"),
        ("day is day", "is not null"),
        ("day in 'x'", "['EU', 'US']"),
        ("a#b > 1", "backticks"),
        ("day.isnull()", "is null"),
        ("((((9**64)**64)**64)**64) > x", ""),
    ],
)
def test_what_is_written_wrongly_is_told(text: str, remedy: str) -> None:
    if not remedy:
        assert keep(text, x=np.array([1.0])) == [True]
        return
    with pytest.raises(UsageError) as refused:
        keep(text, day=np.array([1.0]), a=np.array([1.0]))
    assert remedy in refused.value.remedy


@pytest.mark.parametrize(("name", "remedy"), [("null", "is null"), ("true", "Write True")])
def test_a_word_that_is_no_column(name: str, remedy: str) -> None:
    with pytest.raises(UsageError, match="there is no column") as refused:
        Filter(f"x == {name}").check_columns(["x"])
    assert remedy in refused.value.remedy


def test_letters_are_not_normalised() -> None:
    assert Filter("ﬁ > 1").columns == ("ﬁ",)


@pytest.mark.parametrize("sign", ["==", "!="])
def test_what_to_write_has_the_sign_that_was_written(sign: str) -> None:
    """A value with another sign in it stays as it is."""
    frame = pd.DataFrame({"name": ["a == 1", "b"], "pred": [1.0, 2.0], "target": [1.0, 3.0]})
    for column, literal, remedy in (
        ("pred", "'2'", f"Write pred {sign} 2."),
        ("name", "2", f"Write name {sign} '2'."),
        ("`a == 1`", "'2'", f"Write `a == 1` {sign} 2."),
    ):
        given = frame.assign(**{"a == 1": [1, 2]})
        with pytest.raises(DataError) as refused:
            lossctl.evaluate(
                given, pred="pred", target="target", loss="l1", where=f"{column} {sign} {literal}"
            )
        assert refused.value.remedy == remedy


def test_a_filter_that_keeps_nothing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("p,y\n1,0\n2,0\n")
    said = "because --where 'p > 1 and p < 2' keeps none of the 2 rows"
    with pytest.warns(LossctlWarning, match=said):
        found = lossctl.evaluate(path, pred="p", target="y", loss="l1", where=["p > 1", "p < 2"])
    assert np.isnan(found.overall[0].value)
