"""Words for what other rooms say as data: each kind of remedy has some, with its flags."""

from __future__ import annotations

import json
import pickle
import string
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

import lossctl
from lossctl.checks.repairs.remedies import Program, Repair, RepairKind
from lossctl.data.rules import rules
from lossctl.data.rules.rules import Rule
from lossctl.engine.sums.rule_finding import RuleFinding
from lossctl.errors import DataError
from lossctl.findings import Location, OptionName, Remedy, RemedyKind, Sentence
from lossctl.output.checks import repair_words
from lossctl.output.text import words
from tests.support.command_line import read_json, run


def find_fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize(
    ("kinds", "table"),
    [(RemedyKind, words.REMEDIES), (RepairKind, repair_words.REMEDIES)],
)
def test_every_kind_of_remedy_has_words(
    kinds: type[RemedyKind], table: dict[RemedyKind, str]
) -> None:
    assert set(table) == set(kinds)
    for kind, template in table.items():
        values = defaultdict(lambda: "X", dict.fromkeys(find_fields(template), "X"))
        said = str(Remedy(kind, dict(values)))
        assert said
        assert "{" not in said


def test_every_rule_that_stops_a_run_has_a_remedy() -> None:
    found = [one for one in vars(rules).values() if isinstance(one, Rule)]
    assert len(found) > 15
    assert all(one.remedy in RemedyKind for one in found if one.is_error)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Location(), "the only element"),
        (Location(source="a.npy"), "the only element of a.npy"),
        (Location(3, source="a.npy"), "row 3 of a.npy"),
        (Location(3, column=1, source="a.npy"), "row 3, column 1 of a.npy"),
        (Location(3, position=(1, 2)), "row 3, position (1, 2)"),
        (Location(3, 5, "x", source="a.csv"), "row 3 (line 5), column 'x' of a.csv"),
        (Location(3, None, "x", (4,)), "row 3, column 'x', element 4"),
        (Location(3, 5, "x", file="1.csv"), "row 3 (line 5) of 1.csv, column 'x'"),
        (Location(3, column=2, file="1.npy"), "row 3, column 2 of 1.npy"),
        (Location(sample=4, source="a.npy"), "sample 4 of a.npy"),
        (Location(words="row 9 of old.npy"), "row 9 of old.npy"),
    ],
)
def test_places(place: Location, text: str) -> None:
    assert str(place) == text


@pytest.mark.parametrize(
    ("option", "text"),
    [
        (OptionName("ignore_index"), "--ignore-index"),
        (OptionName("class_axis", -1), "--class-axis -1"),
        (OptionName("squeeze", True), "--squeeze"),
        (OptionName("from_logits", False), "--no-from-logits"),
        (OptionName("ignore_index", 0), "--ignore-index 0"),
        (OptionName("ignore_index", 1), "--ignore-index 1"),
    ],
)
def test_options(option: OptionName, text: str) -> None:
    assert str(option) == text


def test_labels_are_left_out_by_the_option_there_is() -> None:
    relabel = RemedyKind.RELABEL
    assert str(Remedy(relabel)).endswith("'no label', mask its sample with --mask.")
    option = {"option": "ignore_index"}
    assert str(Remedy(relabel, option)).endswith("leave it out with --ignore-index.")
    listed = Remedy(relabel, {**option, "loss": "ce"})
    assert str(listed).endswith("leave it out with --loss ce:ignore-index=VALUE.")


def test_a_broken_rule_counts_and_inflects() -> None:
    place = Location(1, source="y.npy")
    one = RuleFinding(rules.OUT_OF_RANGE, "target", 1, (1,), 7.0, 3, place)
    assert str(one).startswith("target: 1 value is outside [0, 3), the indices of 3 classes; ")
    assert str(one).endswith("; the first is 7 at row 1 of y.npy")
    boxes = RuleFinding(rules.EMPTY_BOX, "input", 2, (1,), 0.5, 0, place, left_out=True)
    assert str(boxes).startswith(
        "input: 2 boxes do not have a positive area; the first has a side of 0.5"
    )
    assert str(boxes).endswith(" (left out)")


def test_an_error_says_what_it_is_about_as_data_and_in_words() -> None:
    with pytest.raises(DataError) as caught:
        lossctl.compute("ce", np.zeros((3, 2)), [0, 5, 1])
    error = caught.value
    assert isinstance(error.finding, RuleFinding)
    assert error.finding.rule is rules.OUT_OF_RANGE
    assert error.finding.location == Location(1, source="target")
    (remedy,) = error.remedies
    assert remedy == Remedy(RemedyKind.RELABEL, {"option": "ignore_index"})
    assert str(error) == f"{error.message}\n{error.remedy}"
    assert "is 5 at row 1 of target" in error.message
    assert "--ignore-index" in error.remedy
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (str(again), again.remedies) == (str(error), error.remedies)


def test_sentences_word_their_values_late() -> None:
    said = Sentence("{what} at {place}", {"what": "x", "place": Location(2)})
    assert str(said) == "x at row 2"
    error = DataError(said, "Do this.", Remedy(RemedyKind.ALIGN_SAMPLES))
    assert error.message == "x at row 2"
    assert error.remedy.splitlines() == ["Do this.", str(Remedy(RemedyKind.ALIGN_SAMPLES))]


def test_repairs_are_told_one_after_another() -> None:
    other = Remedy(RepairKind.COMPUTE_OTHER, {"loss": "mse"})
    assert str(Repair(("Look.", other))) == "Look. Or compute mse, which fits these inputs."
    both = Repair((Remedy(RepairKind.ADD_CLASSES), Remedy(RepairKind.FILL_CELLS)))
    assert str(both) == (
        "add them to --classes, or correct them; exclude the empty cells with --nan omit, or fill"
        " them"
    )
    again = Repair((Remedy(RepairKind.CLIP),), aside=Remedy(RepairKind.GIVE_INPUT_AGAIN))
    assert str(again) == "clip them (pipe standard input again)"
    assert str(Program(("a = 1", "b = 'x'"), files=False)) == "a = 1; b = 'x'"
    assert str(Program(("a = 'x'",))).startswith("python -c ")


def test_findings_of_a_check_have_kind_and_place(tmp_path: Path) -> None:
    x, y = tmp_path / "x.csv", tmp_path / "y.csv"
    np.savetxt(x, np.linspace(0, 1, 60).reshape(30, 2), header="a,b", comments="", delimiter=",")
    labels = np.arange(30) % 2
    labels[4] = 9
    np.savetxt(y, labels, header="label", comments="", fmt="%d")
    done = run("check", "ce", x, y, "-f", "json")
    (found,) = [
        one for one in read_json(done.out)["findings"] if one["code"] == "label_out_of_range"
    ]
    assert found["remedy"] == RepairKind.IGNORE_OR_CORRECT.value
    assert found["place"] == {"row": 4, "line": 6, "column": "label", "source": str(y)}
    assert found["evidence"]["place"] == f"row 4 (line 6), column 'label' of {y}"
    assert found["repair"] == "if 9 means 'no label', use --ignore-index 9; else correct the labels"
    lines = run("check", "ce", x, y, "-f", "jsonl").out.splitlines()
    assert found["place"] in [json.loads(line).get("place") for line in lines]
