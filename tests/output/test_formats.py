"""Which format a name or a suffix means."""

from __future__ import annotations

import pytest

from lossctl.errors import UsageError
from lossctl.output.files.formats import (
    FileFormat,
    check_format,
    find_file_format,
    pick_file_format,
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("losses.npy", FileFormat("npy")),
        ("losses.parquet", FileFormat("parquet")),
        ("losses.arrow", FileFormat("arrow")),
        ("out/losses.v2.csv", FileFormat("csv")),
        ("LOSSES.TSV", FileFormat("tsv")),
        ("losses.json", FileFormat("json")),
        ("losses.jsonl", FileFormat("jsonl")),
        ("losses.csv.gz", FileFormat("csv", "gz")),
        ("losses.jsonl.zst", FileFormat("jsonl", "zst")),
        ("losses.npy.gz", None),
        ("losses.gz", None),
        ("losses.txt", None),
        ("losses", None),
        ("csv", None),
        (".csv", None),
        ("runs.csv/losses", None),
    ],
)
def test_suffix_means_a_format(path: str, expected: FileFormat | None) -> None:
    assert find_file_format(path) == expected


def test_unknown_suffix_names_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        pick_file_format("losses.txt")
    assert "losses.txt" in caught.value.message
    for suffix in (".npy", ".csv", ".tsv", ".parquet", ".json", ".jsonl", ".gz", ".zst"):
        assert suffix in caught.value.remedy


def test_request_and_suffix_must_agree() -> None:
    assert pick_file_format("losses.csv.gz", "csv") == FileFormat("csv", "gz")
    assert pick_file_format("losses.txt", "value") == FileFormat("value")
    with pytest.raises(UsageError, match="says csv, but json"):
        pick_file_format("losses.csv", "json")


def test_unknown_format_is_answered_with_the_nearest() -> None:
    assert check_format("csv") == "csv"
    with pytest.raises(UsageError, match="Did you mean jsonl or json"):
        check_format("jsonll")
