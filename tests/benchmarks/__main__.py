"""The command: ``python -m tests.benchmarks --help``."""

from __future__ import annotations

import argparse
import fnmatch
import importlib.util
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.array_cases import ARRAY_CASES
from tests.benchmarks.comparison import SIZES, Comparison, Settings, Size, report_progress
from tests.benchmarks.file_cases import FILE_CASES
from tests.benchmarks.machine import count_threads, describe_machine
from tests.benchmarks.plots import plot
from tests.benchmarks.report import write_json, write_markdown
from tests.benchmarks.summary import write_summary

ROUNDS, QUICK_ROUNDS = 5, 3
QUICK_SIZES = SIZES[:2]
OUTPUT = Path("build/benchmarks")
CASES = (*FILE_CASES, *ARRAY_CASES)


def main(words: Sequence[str] | None = None) -> int:
    """Run the comparison; return 1 if contestants disagree on a value."""
    asked = make_parser().parse_args(words)
    machine = describe_machine()
    with ExitStack() as stack:
        temporary = asked.data is None
        data = Path(stack.enter_context(tempfile.TemporaryDirectory()) if temporary else asked.data)
        data.mkdir(parents=True, exist_ok=True)
        settings = Settings(
            data=data,
            sizes=asked.sizes or (QUICK_SIZES if asked.quick else SIZES),
            rounds=asked.rounds or (QUICK_ROUNDS if asked.quick else ROUNDS),
            threads=count_threads(),
            keep=not temporary,
        )
        comparison = run(settings, asked.only or list(CASES))
    write_report(comparison, machine, asked.output)
    return 1 if comparison.disagreements else 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Compare lossctl with PyTorch, NumPy, pandas, scikit-learn and DuckDB, "
        "each where it is installed, and write tables and plots of time and memory.",
        epilog=f"Cases of files (whole processes): {', '.join(FILE_CASES)}. "
        f"Cases of arrays (within a process): {', '.join(ARRAY_CASES)}.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="two sizes and three rounds: about two minutes"
    )
    parser.add_argument(
        "--only", metavar="NAME", action="extend", type=parse_only,
        help="this case only, or all that a pattern such as 'ce-*' matches; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--sizes", metavar="LIST", type=parse_sizes,
        help="small, medium, large (1, 10 and 100 hundredths of the full size), "
        "or shares of the full size such as 0.5 (default: all three)",
    )  # fmt: skip
    parser.add_argument("--rounds", type=parse_rounds, metavar="N", help="default: 5")
    parser.add_argument(
        "--data", metavar="DIR", help="where data are made and kept (default: temporary)"
    )
    parser.add_argument(
        "-o", "--output", metavar="DIR", type=Path, default=OUTPUT,
        help=f"where results are written (default: {OUTPUT})",
    )  # fmt: skip
    return parser


def parse_only(text: str) -> list[str]:
    """Return the cases that a pattern names."""
    found = fnmatch.filter(CASES, text)
    if not found:
        raise argparse.ArgumentTypeError(f"there is no case {text!r}; --help lists them")
    return found


def parse_sizes(text: str) -> list[Size]:
    """Return the sizes of a comma list, the smallest first."""
    named = {size.name: size for size in SIZES}
    sizes = [named.get(word) or Size(f"{word} of large", parse_share(word))
             for word in text.split(",")]  # fmt: skip
    return sorted(sizes, key=lambda size: size.share)


def parse_share(word: str) -> float:
    """Return a share of the full size."""
    try:
        share = float(word)
    except ValueError:
        share = 0.0
    if not 0 < share <= 10:
        raise argparse.ArgumentTypeError(f"{word!r} is neither a size nor a share of one")
    return share


def parse_rounds(word: str) -> int:
    """Return a number of rounds."""
    if not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is no number of rounds")
    return int(word)


def run(settings: Settings, names: Sequence[str]) -> Comparison:
    """Compare the cases named, files first."""
    comparison = Comparison(settings)
    for name in FILE_CASES:
        if name in names:
            comparison.compare_files(FILE_CASES[name])
    for name in ARRAY_CASES:
        if name in names:
            comparison.compare_arrays(ARRAY_CASES[name])
    return comparison


def write_report(comparison: Comparison, machine: dict[str, str], output: Path) -> None:
    """Write the tables, the numbers and, where matplotlib is installed, the plots."""
    output.mkdir(parents=True, exist_ok=True)
    table = write_markdown(comparison, machine)
    (output / "benchmarks.md").write_text(table, encoding="utf-8")
    (output / "summary.md").write_text(write_summary(comparison, machine), encoding="utf-8")
    (output / "benchmarks.json").write_text(write_json(comparison, machine), encoding="utf-8")
    if importlib.util.find_spec("matplotlib") is None:
        report_progress("no plots: matplotlib is not installed")
    else:
        if any(one.count for one in comparison.files):
            plot(comparison.files, "Whole processes", output / "whole-process.png")
        if comparison.arrays:
            plot(comparison.arrays, "Within a process", output / "in-process.png")
    print(table, end="")
    report_progress(f"written to {output}/")


if __name__ == "__main__":
    sys.exit(main())
