"""Gates: what conditions say, what is refused before any work, and what passes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from lossctl.errors import UsageError
from lossctl.evaluation.request.conditions import Condition, parse
from lossctl.evaluation.request.gates import Known, judge, read_gates
from lossctl.evaluation.result import Comparison, Estimate, SliceRow, Verdict

LOSSES = {"ce": "ce", "cross_entropy": "ce", "huber:delta=2": "huber(delta=2)"}
ONE = Known(LOSSES, ["a.npy"], ["region", "device", "my age"])
TWO = replace(ONE, models=["a.npy", "b.npy", "c.npy"], baseline="a.npy")


def said(text: str) -> tuple[object, ...]:
    one = parse(text)
    return (
        one.function, one.subject, one.where, one.by,
        one.against_baseline, one.operator, one.limit,
    )  # fmt: skip


EU = (("region", "EU"),)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("ce > 0.3", (None, "ce", (), (), False, ">", 0.3)),
        ("  ce>=.3 ", (None, "ce", (), (), False, ">=", 0.3)),
        ("ce<=-1e-3", (None, "ce", (), (), False, "<=", -0.001)),
        ("b.npy:ce < +2", (None, "b.npy:ce", (), (), False, "<", 2.0)),
        ("model-b.npy:ce > 2", (None, "model-b.npy:ce", (), (), False, ">", 2.0)),
        ("huber:delta=2 > 1", (None, "huber:delta=2", (), (), False, ">", 1.0)),
        ("huber(delta=2) > 1", (None, "huber(delta=2)", (), (), False, ">", 1.0)),
        ("'huber(delta=2)' > 1", (None, "huber(delta=2)", (), (), False, ">", 1.0)),
        ("ce[region=EU] > 1", (None, "ce", EU, (), False, ">", 1.0)),
        ("ce [ region = EU ] > 1", (None, "ce", EU, (), False, ">", 1.0)),
        (
            'ce["my age"="[0, 10)",device=big phone] > 1',
            (None, "ce", (("my age", "[0, 10)"), ("device", "big phone")), (), False, ">", 1.0),
        ),
        ("ce by region > 1", (None, "ce", (), ("region",), False, ">", 1.0)),
        (
            "max(ce by region, device) > 1",
            ("max", "ce", (), ("region", "device"), False, ">", 1.0),
        ),
        (
            "range( ce[region=EU] - baseline by 'my age' )>1",
            ("range", "ce", EU, ("my age",), True, ">", 1.0),
        ),
        ("ce - baseline > 0.01", (None, "ce", (), (), True, ">", 0.01)),
        ("ce - baseline by region > 0", (None, "ce", (), ("region",), True, ">", 0.0)),
        ("ce by region - baseline > 0", (None, "ce", (), ("region",), True, ">", 0.0)),
        ("ce worse than baseline", (None, "ce", (), (), True, None, None)),
        ("ce[region=EU] worse than  baseline", (None, "ce", EU, (), True, None, None)),
        ("ce by region worse than baseline", (None, "ce", (), ("region",), True, None, None)),
        ("min > 3", (None, "min", (), (), False, ">", 3.0)),
    ],
)
def test_conditions_say_what_they_say(text: str, want: tuple[object, ...]) -> None:
    assert said(text) == want


@pytest.mark.parametrize(
    ("text", "expected", "position"),
    [
        ("", "the name of a loss", 1),
        ("> 3", "the name of a loss", 1),
        ("ce", "one of <, <=, >, >= or 'worse than baseline'", 3),
        ("ce = 3", "one of <, <=, >, >= or 'worse than baseline'", 4),
        ("ce == 3", "one of <, <=, >, >= or 'worse than baseline'", 4),
        ("ce => 3", "one of <, <=, >, >= or 'worse than baseline'", 4),
        ("ce >", "a number", 5),
        ("ce >> 3", "a number", 5),
        ("ce > abc", "a number", 6),
        ("ce > nan", "a number", 6),
        ("ce > 0.3 0.4", "the end", 10),
        ("max(ce) > 3", "'by' and a column", 7),
        ("max(ce by ) > 2", "the name of a column", 11),
        ("max(ce by region > 3", "')'", 18),
        ("max(ce by r) - baseline > 3", "'- baseline' inside max(…)", 14),
        ("max(ce by r) worse than baseline", "one of <, <=, >, >=", 14),
        ("ce[region] > 3", "'='", 10),
        ("ce[region=] > 3", "a value of 'region'", 11),
        ("ce[=EU]>3", "the name of a column", 4),
        ("ce[a=1,a=2]>3", "a column other than 'a'", 8),
        ("ce[region=EU > 3", "']'", 17),
        ("ce worse", "'than'", 9),
        ("ce worse than that", "'baseline'", 15),
        ("ce - base > 3", "'baseline'", 6),
        ("'ce > 3", "a closing '", 8),
        ("huber(delta > 3", "')'", 16),
    ],
)
def test_conditions_that_do_not_parse_are_refused(text: str, expected: str, position: int) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert f"expected {expected}" in caught.value.message
    assert f"at character {position}, found" in caught.value.message
    assert repr(text) in caught.value.message
    assert "Write it as" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "known", "words"),
    [
        ("cee > 1", ONE, "'cee' at character 1 is not one of the losses|Did you mean ce?"),
        ("max( cee by region) > 1", ONE, "'cee' at character 6"),
        ("ce-baseline > 1", TWO, "spaces around the minus: ce - baseline"),
        ("mean(ce by region) > 1", ONE, "Functions over slices: max, min, range"),
        ("b.npy:cee > 1", TWO, "'cee' is not one of the losses"),
        ("d.npy:ce > 1", TWO, "'d.npy' is not one of the models|Did you mean"),
        ("ce[regio=EU] > 1", ONE, "no column 'regio'|Did you mean region?"),
        ("ce by color > 1", replace(ONE, columns=[]), "no column 'color'|--by"),
        ("max(ce by region:3) > 1", ONE, "no column 'region:3'|add --by region:3."),
        ("ce - baseline > 1", ONE, "no baseline|second --pred"),
        ("ce worse than baseline", replace(TWO, intervals=False), "no difference|--ci 0.95"),
        ("a.npy:ce worse than baseline", TWO, "a.npy is the baseline itself"),
    ],
)
def test_names_that_do_not_exist_are_refused(text: str, known: Known, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_gates([text], known)
    for word in (text, *words.split("|")):
        assert word in str(caught.value)


def test_names_are_those_of_the_results() -> None:
    gate, other, third = read_gates(
        ["cross_entropy > 1", "b.npy:huber:delta=2 > 1", "ce[region=EU] by device > 1"], TWO
    )
    assert (gate.loss, gate.models, gate.grouping) == ("ce", ("b.npy", "c.npy"), ())
    assert (other.loss, other.models) == ("huber(delta=2)", ("b.npy",))
    assert third.grouping == ("region", "device")
    assert read_gates(["ce > 1"], ONE)[0].models == ("a.npy",)


def estimate(model: str, value: float, loss: str = "ce") -> Estimate:
    return Estimate(model, loss, value, value * 10, 10, "elements", 10)


def slice_row(model: str, value: float, **labels: str) -> SliceRow:
    return SliceRow(
        tuple(labels), tuple(labels.values()), model, "ce", value, 10, 10, share=0.5, gap=0
    )


def comparison(
    model: str, difference: float, significant: bool | None = None, **labels: str
) -> Comparison:
    return Comparison(
        "ce", model, "a.npy", tuple(labels), tuple(labels.values()), difference,
        p_value=0.01, q_value=0.02 if labels else None, significant=significant,
    )  # fmt: skip


OVERALL = [
    estimate("a.npy", 0.9),
    estimate("b.npy", 0.3),
    estimate("c.npy", 0.2),
    estimate("b.npy", 9, "huber(delta=2)"),
]
SLICES = [
    slice_row("a.npy", 5.0, region="EU"),
    slice_row("b.npy", 0.5, region="EU"),
    slice_row("b.npy", 0.1, region="US"),
    slice_row("c.npy", 0.25, region="US"),
    slice_row("b.npy", 0.7, region="US", device="phone"),
    slice_row("b.npy", 0.8, region="EU", device="phone"),
]
COMPARISONS = [
    comparison("b.npy", -0.6, True),
    comparison("c.npy", 0.02, True),
    comparison("b.npy", 0.3, False, region="EU"),
    comparison("b.npy", 0.1, True, region="US"),
    comparison("c.npy", 0.1, None, region="US"),
]


def verdict(text: str, known: Known = TWO) -> Verdict:
    return judge(read_gates([text], known), OVERALL, SLICES, COMPARISONS)[0]


@pytest.mark.parametrize(
    ("text", "passed", "value", "detail"),
    [
        ("ce > 0.3", True, 0.3, "b.npy"),
        ("ce >= 0.3", False, 0.3, "b.npy"),
        ("ce > 0.25", False, 0.3, "b.npy"),
        ("ce < 0.25", False, 0.2, "c.npy"),
        ("ce <= 0.1", True, 0.2, "c.npy"),
        ("a.npy:ce > 0.5", False, 0.9, "a.npy"),
        ("huber:delta=2 > 10", True, 9, "b.npy"),
        ("ce[region=EU] > 0.4", False, 0.5, "b.npy, region=EU"),
        ("ce[region=EU] > 0.6", True, 0.5, "b.npy, region=EU"),
        ("ce[device=phone,region=EU] > 0.7", False, 0.8, "b.npy, region=EU, device=phone"),
        ("ce by region > 0.45", False, 0.5, "b.npy, region=EU"),
        ("ce by region < 0.2", False, 0.1, "b.npy, region=US"),
        ("max(ce by region) > 0.5", True, 0.5, "b.npy, region=EU"),
        ("min(ce by region) > 0.2", False, 0.25, "c.npy, region=US"),
        ("range(ce by region) > 0.3", False, 0.4, "b.npy, region=US to region=EU"),
        ("max(ce[region=US] by device) > 0.6", False, 0.7, "b.npy, region=US, device=phone"),
        ("ce - baseline > 0.01", False, 0.02, "c.npy"),
        ("ce - baseline > 0.1", True, 0.02, "c.npy"),
        ("ce[region=EU] - baseline > 0.2", False, 0.3, "b.npy, region=EU"),
        ("max(ce - baseline by region) > 0.3", True, 0.3, "b.npy, region=EU"),
        ("ce worse than baseline", False, 0.02, "c.npy; p = 0.01"),
        ("b.npy:ce worse than baseline", True, -0.6, "b.npy; p = 0.01"),
        ("ce[region=EU] worse than baseline", True, 0.3, "b.npy, region=EU; q = 0.02"),
        ("ce by region worse than baseline", False, 0.1, "b.npy, region=US; q = 0.02"),
    ],
)
def test_verdicts(text: str, passed: bool, value: float, detail: str) -> None:
    found = verdict(text)
    assert (found.condition, found.passed) == (text, passed)
    assert found.value == pytest.approx(value)
    assert found.detail == detail
    assert found.limit == parse(text).limit


def test_one_model_needs_no_name() -> None:
    gates = read_gates(["ce > 0.5", "ce[region=EU] > 9"], ONE)
    found = judge(gates, [estimate("a.npy", 0.4)], [slice_row("a.npy", 5.0, region="EU")])
    assert [one.detail for one in found] == ["", "region=EU"]
    assert all(one.passed for one in found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ce[region=UE] > 0.4", "there is no slice region=UE; available: "),
        ("ce[device=phone] > 0.4", "there is no slice device=phone"),
        ("max(ce by device) > 0.4", "there is no slice by device"),
    ],
)
def test_slices_that_are_not_there_do_not_pass(text: str, words: str) -> None:
    found = verdict(text)
    assert (found.passed, found.value) == (False, None)
    assert words in found.detail


def test_the_nearest_label_is_told() -> None:
    assert "available: US" in verdict("ce[region=USA] > 1").detail


@pytest.mark.parametrize(
    "text", ["ce > 0.1", "ce < 0.1", "ce by region > 9", "max(ce by region) < 0"]
)
def test_nan_does_not_pass(text: str) -> None:
    gates = read_gates([text], ONE)
    slices = [slice_row("a.npy", 0.5, region="US"), slice_row("a.npy", math.nan, region="EU")]
    found = judge(gates, [estimate("a.npy", math.nan)], slices)[0]
    assert not found.passed
    assert math.isnan(found.value or 0)
    assert "NaN" in found.detail


def test_what_cannot_be_tested_does_not_pass() -> None:
    gates = read_gates(["ce worse than baseline"], TWO)
    found = judge(gates, OVERALL, (), [comparison("b.npy", 0.0, None)])[0]
    assert not found.passed
    assert "too few rows to say" in found.detail


def test_conditions_are_plain_records() -> None:
    assert parse("ce > 1") == Condition("ce > 1", "ce", 0, operator=">", limit=1.0)
