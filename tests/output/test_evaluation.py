"""Evaluations in every format: parsed back, on a terminal, in a pipe, with awkward names."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
import pty
import re
import struct
import termios
from fcntl import ioctl
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lossctl import __version__
from lossctl.errors import UsageError
from lossctl.evaluation.result import Evaluation, Verdict, WorstRow
from lossctl.output.evaluation.tables import format_intervals
from lossctl.output.evaluation.write import check_output, write_evaluation
from lossctl.output.text.tables import Column, Grid, Row, draw_bar, write_markdown
from tests.output.evaluation_samples import (
    make_estimate,
    make_evaluation,
    make_interval,
    make_slice,
)
from tests.support.command_line import read_json, read_terminal, strip_styles

AWKWARD = 'EU, "west"\n[red]|*x*'


def show(evaluation: Evaluation, name: str, **settings: Any) -> str:
    stream = io.StringIO()
    write_evaluation(evaluation, name, stream, **settings)
    return stream.getvalue()


def show_on_terminal(
    evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch, columns: int = 80
) -> str:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(columns))
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 200, columns, 0, 0))
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        write_evaluation(evaluation, "table", stream)
    return read_terminal(ours)


def read_csv(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


class TestJson:
    def test_is_the_evaluation(self) -> None:
        evaluation = make_evaluation()
        document = read_json(show(evaluation, "json"))
        expected = json.loads(json.dumps(evaluation.to_dict()))
        assert document == expected | {"version": __version__}
        assert list(document)[:2] == ["format", "version"]

    def test_numbers_that_are_not_finite_are_texts(self) -> None:
        estimate = make_estimate("a", "mse", math.nan, total=math.inf, interval=None)
        evaluation = make_evaluation(overall=(estimate,), slices=(), comparisons=(), worst=())
        (one,) = read_json(show(evaluation, "json"))["overall"]
        assert (one["value"], one["total"], one["interval"]) == ("NaN", "Infinity", None)

    def test_a_record_stands_on_one_line(self) -> None:
        lines = show(make_evaluation(), "json").splitlines()
        assert sum("ink_band" in line and "labels" in line for line in lines) == 8

    def test_empty_lists(self) -> None:
        evaluation = make_evaluation(slices=(), comparisons=(), worst=(), verdicts=())
        document = read_json(show(evaluation, "json"))
        assert document["slices"] == document["verdicts"] == []
        assert document["passed"] is True


class TestRecords:
    @pytest.mark.parametrize(("name", "delimiter"), [("csv", ","), ("tsv", "\t")])
    def test_every_number_reads_back(self, name: str, delimiter: str) -> None:
        evaluation = make_evaluation()
        rows = read_csv(show(evaluation, name), delimiter)
        assert [row["record"] for row in rows] == (
            ["whole"] * 4 + ["slice"] * 6 + ["worst"] * 2 + ["gate"] * 2
        )
        for row, one in zip(rows, [*evaluation.overall, *evaluation.slices], strict=False):
            assert (row["model"], row["loss"]) == (one.model, one.loss)
            assert float(row["value"]) == one.value
            assert one.interval is not None
            assert float(row["low"]) == one.interval.low
            assert int(row["counted"]) == one.counted
        for row, cut in zip(rows[4:], evaluation.slices, strict=False):
            assert row["ink_band"] == cut.labels[0]
            assert (float(row["share"]), float(row["gap"])) == (cut.share, cut.gap)
        assert rows[0]["ink_band"] == rows[0]["share"] == ""

    def test_a_comparison_stands_with_its_estimate(self) -> None:
        rows = read_csv(show(make_evaluation(), "csv"))
        compared = [row for row in rows if row["difference"]]
        assert [(row["record"], row["model"], row["ink_band"]) for row in compared] == [
            ("whole", "other", ""),
            ("slice", "other", "heavy"),
            ("slice", "other", "light"),
        ]
        assert compared[0]["p_value"] == "1.5e-07"
        assert [row["significant"] for row in compared] == ["", "true", "false"]
        assert (compared[1]["wins"], compared[1]["ties"], compared[1]["losses"]) == (
            "200", "9", "90",
        )  # fmt: skip
        assert float(compared[0]["difference_low"]) == make_interval(-0.1).low

    def test_gates_and_worst_rows(self) -> None:
        rows = read_csv(show(make_evaluation(), "csv"))
        assert [row["passed"] for row in rows if row["record"] == "gate"] == ["true", "false"]
        worst = [row for row in rows if row["record"] == "worst"]
        assert [(row["rank"], row["row"], row["id"], row["label"]) for row in worst] == [
            ("1", "831", "1662", "8"),
            ("2", "813", "1627", "9"),
        ]

    def test_lines_of_json_are_the_rows(self) -> None:
        evaluation = make_evaluation()
        lines = [read_json(line) for line in show(evaluation, "jsonl").splitlines()]
        rows = read_csv(show(evaluation, "csv"))
        assert len(lines) == len(rows)
        for line, row in zip(lines, rows, strict=True):
            for name, text in row.items():
                value = line.get(name)
                shown = str(value).lower() if isinstance(value, bool) else value
                assert text == ("" if value is None else str(shown)), name

    def test_parquet(self, tmp_path: Path) -> None:
        evaluation = make_evaluation()
        write_evaluation(evaluation, None, tmp_path / "out.parquet")
        table = pq.read_table(tmp_path / "out.parquet")
        rows = read_csv(show(evaluation, "csv"))
        assert table.column_names == list(rows[0])
        assert table["value"].to_pylist() == [float(row["value"]) for row in rows]
        assert {str(table.schema.field(name).type) for name in ("rows", "wins", "row")} == {"int64"}
        assert table["passed"].to_pylist()[-2:] == [True, False]
        assert table["ink_band"].null_count == 8

    def test_columns_are_those_that_were_asked_for(self) -> None:
        bare = make_evaluation(
            overall=(make_estimate("a", "mse", 1.0, interval=None),),
            slices=(), comparisons=(), worst=(), verdicts=(),
        )  # fmt: skip
        (row,) = read_csv(show(bare, "csv"))
        assert list(row) == [
            "record", "model", "loss", "value", "rows", "counted", "ignored", "masked", "omitted",
            "nan", "total", "denominator", "denominator_name",
        ]  # fmt: skip

    def test_names_that_are_taken_get_a_prefix(self) -> None:
        evaluation = make_evaluation(
            slices=(make_slice("x", 0.5, 10, by=("loss",)),),
            worst=(WorstRow("a", "ce", 1, 7, 2.0, None, {"row": "seven", "loss": "x"}),),
        )
        rows = read_csv(show(evaluation, "csv"))
        assert next(row for row in rows if row["record"] == "slice")["by_loss"] == "x"
        worst = next(row for row in rows if row["record"] == "worst")
        assert (worst["row"], worst["shown_row"], worst["shown_loss"]) == ("7", "seven", "x")

    @pytest.mark.parametrize("name", ["csv", "tsv"])
    def test_awkward_labels_read_back(self, name: str) -> None:
        evaluation = make_evaluation(slices=(make_slice(AWKWARD, 0.5, 10),))
        rows = read_csv(show(evaluation, name), "," if name == "csv" else "\t")
        assert next(row for row in rows if row["record"] == "slice")["ink_band"] == AWKWARD

    def test_bare_values(self) -> None:
        evaluation = make_evaluation()
        values = [float(line) for line in show(evaluation, "value").splitlines()]
        assert values == [one.value for one in evaluation.overall]


class TestFiles:
    @pytest.mark.parametrize("name", ["json", "jsonl", "csv", "tsv", "md"])
    def test_the_suffix_picks_the_format(self, tmp_path: Path, name: str) -> None:
        evaluation = make_evaluation()
        expected = show(evaluation, "markdown" if name == "md" else name)
        write_evaluation(evaluation, None, tmp_path / f"out.{name}")
        assert (tmp_path / f"out.{name}").read_bytes().decode() == expected
        write_evaluation(evaluation, None, tmp_path / f"out.{name}.gz")
        assert gzip.decompress((tmp_path / f"out.{name}.gz").read_bytes()).decode() == expected

    @pytest.mark.parametrize(
        ("format", "target", "words"),
        [
            ("jsn", None, "json"),
            (None, "out.npy", ".parquet .csv .tsv .json .jsonl .md"),
            (None, "out", "Valid suffixes"),
            ("json", "out.csv", "csv"),
        ],
    )
    def test_what_cannot_be_written_is_refused(
        self, format: str | None, target: str | None, words: str
    ) -> None:
        with pytest.raises(UsageError, match=re.escape(words)):
            check_output(format, target)


class TestTables:
    def test_in_a_pipe_nothing_is_cut(self) -> None:
        label = "a very long label " * 20
        evaluation = make_evaluation(slices=(make_slice(label, 0.4123456789, 299),))
        text = show(evaluation, "table", precision=10)
        assert label.strip() in text
        assert "0.4123456789" in text
        assert "\x1b" not in text

    def test_sections_are_those_that_there_are(self) -> None:
        text = show(make_evaluation(), "table")
        titles = [line for line in text.splitlines() if line and line[0] not in "│╭╰├…"]
        assert titles == [
            "899 rows",
            "Compared with network",
            "ce by ink_band: other compared with network",
            "ce by ink_band: network",
            "ce by ink_band: other",
            "Worst rows by ce: network",
            "Gates",
        ]
        bare = make_evaluation(slices=(), comparisons=(), worst=(), verdicts=())
        assert show(bare, "table").count("╭") == 1

    def test_the_heading_says_what_fell_away(self) -> None:
        evaluation = make_evaluation(matched=800, dropped=99, models=("network",))
        first = show(evaluation, "table").splitlines()[0]
        assert first == "network: 899 rows (joined on a key: 800, 99 unmatched)"

    def test_counts_of_what_was_left_out(self) -> None:
        estimate = make_estimate(
            "a", "ce", 0.25, ignored=89, denominator=275.662, denominator_name="Σ sample weight"
        )
        text = show(make_evaluation(overall=(estimate,)), "table")
        header, _, row = text.splitlines()[2:5]
        assert header.strip("│ ").split()[-3:] == ["counted", "ignored", "denominator"]
        assert row.split("89  ")[-1].strip(" │") == "275.662 (Σ sample weight)"

    def test_slices_that_are_not_shown_are_counted(self) -> None:
        text = show(make_evaluation(), "table", limit=2)
        assert text.count("… 1 more slice (--limit 0 shows all)") == 2
        assert "medium" not in text
        assert "medium" in show(make_evaluation(), "table", limit=0)

    def test_bars_of_all_models_have_one_scale(self) -> None:
        text = show(make_evaluation(), "table")
        bars = [line.split()[4] for line in text.splitlines() if re.search("│ (heavy|light)", line)]
        assert bars[2:] == ["████████", "█████▏", "████▉", "███▉"]

    def test_verdicts_of_slices(self) -> None:
        rows = show(make_evaluation(), "table").splitlines()
        heavy = next(row for row in rows if "heavy" in row and "-0.16" in row)
        assert heavy.split()[-2] == "better"

    def test_differences_come_worst_first(self) -> None:
        rows = show(make_evaluation(), "table").splitlines()
        light = next(place for place, row in enumerate(rows) if "+0.06" in row)
        heavy = next(place for place, row in enumerate(rows) if "-0.16" in row)
        assert light < heavy

    def test_80_columns(self, monkeypatch: pytest.MonkeyPatch) -> None:
        text = show_on_terminal(make_evaluation(), monkeypatch)
        assert "\x1b[1m" in text
        lines = strip_styles(text).splitlines()
        assert max(map(len, lines)) <= 80
        plain = show(make_evaluation(), "table").splitlines()
        assert [line.rstrip() for line in lines] == plain

    @pytest.mark.parametrize("columns", [80, 40, 20])
    def test_long_names_fold_and_digits_stay(
        self, monkeypatch: pytest.MonkeyPatch, columns: int
    ) -> None:
        label = "x" * 100
        evaluation = make_evaluation(slices=(make_slice(label, 0.4123456789, 299),))
        text = strip_styles(show_on_terminal(evaluation, monkeypatch, columns))
        assert "0.412346" in text
        assert "0.3535 … 0.4711" in text
        assert text.count("x") >= 100
        assert max(map(len, text.splitlines())) <= 80

    def test_bars_make_way_where_numbers_need_the_room(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        evaluation = make_evaluation(
            overall=(), slices=(make_slice("a", 0.5, 9),), comparisons=(), worst=(), verdicts=()
        )
        wide = max(map(len, show(evaluation, "table").splitlines()))
        for columns, bars in ((wide, True), (wide - 1, False)):
            text = strip_styles(show_on_terminal(evaluation, monkeypatch, columns))
            assert ("█" in text) == bars
            assert max(map(len, text.splitlines())) <= columns

    def test_a_failed_gate_is_red(self, monkeypatch: pytest.MonkeyPatch) -> None:
        text = show_on_terminal(make_evaluation(), monkeypatch)
        failed = next(line for line in text.splitlines() if "failed" in line)
        assert "\x1b[31m" in failed

    def test_names_are_no_markup(self) -> None:
        evaluation = make_evaluation(slices=(make_slice("[red]x[/x]", 0.5, 9),))
        assert "[red]x[/x]" in show(evaluation, "table")

    def test_ascii(self) -> None:
        data = io.BytesIO()
        stream = io.TextIOWrapper(data, encoding="ascii")
        write_evaluation(make_evaluation(), "table", stream)
        stream.flush()
        text = data.getvalue().decode("ascii")
        assert "########" in text
        assert "0.3535 ... 0.4711" in text


class TestMarkdown:
    def test_tables_are_well_formed(self) -> None:
        evaluation = make_evaluation(slices=(make_slice(AWKWARD, 0.5, 10),))
        text = show(evaluation, "markdown")
        for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(widths) == 1, block
        assert r"EU, " in text
        assert r"\[red\]\|\*x\*" in text

    def test_a_failed_gate_is_bold(self) -> None:
        evaluation = make_evaluation(
            verdicts=(Verdict("ce > 0.3", True, 0.2, 0.3), Verdict("ce > 0.1", False, 0.2, 0.1))
        )
        lines = show(evaluation, "markdown").splitlines()
        assert "| ce > 0.3 | passed | 0.2 | 0.3 |  |" in lines
        assert "| **ce > 0.1** | **failed** | **0.2** | **0.1** |  |" in lines

    def test_bold_cells_have_no_spaces_at_their_ends(self) -> None:
        grid = Grid([Column("a")], [Row(["0.2724 … 0.602 "], "bad")])
        stream = io.StringIO()
        write_markdown([], [grid], stream)
        assert "| **0.2724 … 0.602** |" in stream.getvalue()


class TestBars:
    @pytest.mark.parametrize(
        ("share", "bar"),
        [
            (0.0, ""),
            (1.0, "████"),
            (0.5, "██"),
            (0.53125, "██▏"),
            (2.0, "████"),
            (-1.0, ""),
            (math.nan, ""),
        ],
    )
    def test_lengths(self, share: float, bar: str) -> None:
        assert draw_bar(share, 4) == bar

    def test_where_there_are_no_blocks(self) -> None:
        assert draw_bar(0.5, 8, "latin-1") == "####"

    def test_losses_below_zero(self) -> None:
        slices = (make_slice("a", 1.0, 5), make_slice("b", -1.0, 5))
        text = show(make_evaluation(slices=slices), "table")
        bars = [re.findall("[█▏▎▍▌▋▊▉]+", line) for line in text.splitlines() if "│ a " in line]
        assert bars == [["████████"]]

    def test_a_slice_without_a_loss(self) -> None:
        slices = (make_slice("a", math.nan, 5), make_slice("b", 1.0, 5))
        assert "nan" in show(make_evaluation(slices=slices), "table")


def test_intervals_stand_below_each_other() -> None:
    texts = format_intervals([make_interval(0.3), None, make_interval(10.0)], 6)
    assert texts == ["0.2758 … 0.3242", "", "9.976 … 10.02 "]
