"""Errors about the content of a file carry the place as fields: file, row, line and column."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

import lossctl
from lossctl.errors import DataError
from lossctl.findings import Fact, Location, RemedyKind, Sentence, TextFinding

if TYPE_CHECKING:
    from pathlib import Path

CELL_CSV = 'a,b\n1,2\n\n"3",x\n'
NOT_A_NUMBER = ": column 'b', row 1 (line 4): 'x' is not a number"


@pytest.mark.parametrize(
    ("name", "content", "place", "ending"),
    [
        (
            "t.csv",
            CELL_CSV,
            Location(1, 4, "b"),
            ": column 'b', row 1 (line 4): 'x' is not a number",
        ),
        ("t.csv", "a,b\n1,2\n3\n", Location(line=3), ", line 3: 1 field where the header has 2"),
        (
            "t.csv",
            'a,b\n1,2\n3,"4\n',
            Location(line=3),
            ": a quoted field that begins in the record of line 3 never ends",
        ),
        (
            "t.jsonl",
            '{"b": 1}\n\n{"b": "x"}\n',
            Location(1, 3, "b"),
            ": column 'b', row 1 (line 3): \"x\" is not a number",
        ),
        ("t.jsonl", '{"b": 1}\n[]\n', Location(line=2), ", line 2: [] is not a JSON object"),
        (
            "t.jsonl",
            '{"b": [1, 2]}\n{"b": [1]}\n',
            Location(1, column="b"),
            ": column 'b' contains lists of different lengths: row 0 has 2, row 1 has 1",
        ),
        (
            "t.jsonl",
            '{"b": [1, 2]}\n{"b": null}\n',
            Location(1, column="b"),
            ": column 'b' has no list in row 1 (it is null)",
        ),
    ],
)
def test_what_is_wrong_in_a_file_has_its_place(
    tmp_path: Path, name: str, content: str, place: Location, ending: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        lossctl.compute("mse", f"{path}#b", f"{path}#b")
    finding = caught.value.finding
    assert isinstance(finding, Sentence | TextFinding)
    assert finding.location == place.replace(file=str(path))
    assert caught.value.message == f"{path}{ending}"


def test_a_label_that_is_no_class_has_its_place(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("label\ncat\ncow\n")
    with pytest.raises(DataError) as caught:
        lossctl.compute("ce", [[0.0, 1.0]] * 2, f"{path}#label", classes="cat,dog")
    finding = caught.value.finding
    assert isinstance(finding, Sentence)
    assert finding.location == Location(1, 3, "label", source=str(path))


def test_facts_compare_by_their_data() -> None:
    place = Location(1, column="b")
    assert place == pickle.loads(pickle.dumps(place))  # noqa: S301 - our own
    assert place.replace(row=2) != place
    assert place != Sentence("b")
    assert repr(TextFinding("b", place)).startswith("TextFinding(location=Location(row=1, ")
    assert list(place.to_dict())[:4] == ["row", "line", "column", "position"]
    assert all(isinstance(kind, str) for kind in RemedyKind)
    assert issubclass(TextFinding, Fact)
