"""The public Python API for datasets, which the commands evaluate and run call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from os import PathLike
from os.path import realpath
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, get_type_hints

from lossctl.api.writers import check_rows, open_rows
from lossctl.errors import OverwriteError
from lossctl.evaluation.request.evaluation_options import (
    EvaluationOptions,
    OptionSpec,
    Value,
    list_defaults,
    list_required,
    list_specs,
)

if TYPE_CHECKING:
    from lossctl.evaluation.result import Evaluation
    from lossctl.evaluation.suite import Suite, SuiteResult

__all__ = [
    "OptionSpec",
    "PlannedEvaluation",
    "Value",
    "check_evaluation",
    "check_suite_written",
    "evaluate",
    "list_defaults",
    "list_required",
    "list_specs",
    "plan_evaluation",
    "run_suite",
]

Path = str | PathLike[str]
Progress = Callable[[int, "int | None"], None]
P = ParamSpec("P")
R = TypeVar("R")


def take_options(
    options: Callable[P, EvaluationOptions],
) -> Callable[[Callable[[EvaluationOptions], R]], Callable[P, R]]:
    """Give a function of options a parameter for each of them, with its type and default."""
    hints = get_type_hints(options)
    declared = inspect.signature(options).parameters.values()
    parameters = [one.replace(annotation=hints[one.name]) for one in declared]

    def spread(function: Callable[[EvaluationOptions], R]) -> Callable[P, R]:
        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            return function(options(*args, **kwargs))

        returned = inspect.signature(function).return_annotation
        shown = inspect.Signature(parameters, return_annotation=returned)
        called.__signature__ = shown  # type: ignore[attr-defined]
        return called

    return spread


class PlannedEvaluation:
    """An evaluation whose options are checked, as far as possible without the data."""

    def __init__(self, options: EvaluationOptions) -> None:
        from lossctl.evaluation.request.request import make_request

        self.options = options
        self.request = make_request(options)

    @property
    def files(self) -> list[Any]:
        """Everything given that may be a file that is read."""
        from lossctl.evaluation.rows.dataset import list_references

        specs = self.request.specs
        origins = (one.loss.origin for one in specs)
        return [
            *list_references(self.request.dataset, self.request.asked),
            self.options.classes,
            *(value for one in specs for value in one.options.values()),
            *(one.file for one in origins if one is not None),
        ]

    def check_written(self, paths: Sequence[Path] = ()) -> None:
        """Raise OverwriteError if a file to write, of rows too, is read, or is written twice."""
        from lossctl.data import reject_overwriting

        rows = self.options.elements
        reject_overwriting([*paths, *([] if rows is None else [rows])], self.files)

    def check_columns(self) -> None:
        """Raise the errors that opening the data would raise."""
        from lossctl.evaluation.rows.dataset import open_columns

        self.check_written()
        for source in open_columns(self.request.dataset, self.request.asked).values():
            source.close()

    def run(self, progress: Progress | None = None) -> Evaluation:
        """Read the data and return the evaluation."""
        from lossctl.evaluation.evaluator import Evaluator

        rows = self.options.elements
        if rows is None:
            return Evaluator(self.request).run(progress)
        self.check_written()
        with open_rows(rows) as write:
            return Evaluator(self.request).run(progress, write)


@take_options(EvaluationOptions)
def evaluate(options: EvaluationOptions) -> Evaluation:
    """Evaluate predictions of one model or several over a dataset, in one pass.

    Args:
        dataset: a table file, a glob of its shards, or a DataFrame; None if every other input is a
            file or an array.
        pred: predictions: a column or columns of the dataset, a file, a reference or an array;
            several models are a list, or a dict by their names.
        target: targets, given like ``pred``; here and below, files and arrays must have the same
            rows in the same order.
        id: row id column, shown with the worst rows.
        on: column by which the rows of several tables are joined; None pairs them by position.
        how: join: inner keeps the keys that all files have; exact requires the same keys; None is
            exact.
        where: keep only matching rows, such as ``"age >= 30 and region == 'EU'"``; or a list, of
            which all must match.
        loss: a loss or a list, with options, such as ``["ce", "huber:delta=2"]``;
            ``"gaussian_nll:var=sigma2"`` gives the column of a further input.
        by: group into slices by a column, crossed columns (``"region,device"``), bins of equal
            width (``"age:10"``) or quantiles (``"score:q4"``); or a list of such.
        min_size: omit slices of fewer rows; at least 0.
        ci: confidence level of intervals, above 0 and below 1; None computes no intervals.
        cluster_by: cluster of each row, given like ``target``; for ``ci_method="cluster"``.
        replicates: bootstrap resamples; at least 2.
        baseline: the model to compare with; None is the first.
        fail_if: conditions that must not hold, such as ``"ce > 0.3"``, ``"ce[region=EU] > 0.4"``,
            ``"max(ce by region) > 0.5"``, ``"ce worse than baseline"``; the result says which do.
        worst: list this many rows with the highest loss; at least 0.
        show: list of columns to show beside the worst rows.
        elements: file for the losses of every row: .csv, .parquet and others.

    Returns:
        An :class:`~lossctl.evaluation.result.Evaluation`: means with counts, intervals, slices,
        comparisons, worst rows and verdicts; losses are in the unit of each loss. Doubtful inputs
        are reported with LossctlWarning.

    Raises:
        UsageError: a missing ``pred`` or ``loss``, an unknown column, model or loss; a value that
            is not valid.
        DataError: inputs that do not fit, rows that cannot be joined, or values that an input may
            not have.
        FileError:
        CustomLossError:

    """
    return PlannedEvaluation(options).run(options.progress)


@take_options(EvaluationOptions)
def plan_evaluation(options: EvaluationOptions) -> PlannedEvaluation:
    """Take the options of :func:`evaluate`, and raise the errors found without the data."""
    return PlannedEvaluation(options)


@take_options(EvaluationOptions)
def check_evaluation(options: EvaluationOptions) -> None:
    """Raise the errors of names, conditions and files that :func:`evaluate` would raise."""
    if options.elements is not None:
        check_rows(options.elements)
    PlannedEvaluation(options).check_columns()


def check_suite_written(targets: Sequence[Path], path: Path, jobs: Sequence[str] = ()) -> None:
    """Raise OverwriteError if a file to write is the suite, or one that a job reads or writes."""
    from lossctl.evaluation import suite

    _check_suite(suite.read_suite(path).pick(jobs), targets)


def _check_suite(chosen: Suite, targets: Sequence[Path] = ()) -> None:
    """Raise OverwriteError if a file to write is read, or is written twice.

    A job may read what an earlier one writes, but not what a later one writes.
    """
    from lossctl.data import reject_overwriting
    from lossctl.evaluation import suite

    chosen.check_written()
    rows = chosen.list_elements()
    places = [realpath(target) for target in targets]
    if not places and not any(rows):
        return
    if realpath(chosen.file) in places:
        raise OverwriteError(f"{chosen.file} is the suite itself", "Write to another file.")
    reject_overwriting([*places, *filter(None, rows)], [chosen.file])
    numbers = iter(range(len(rows)))

    def check(**settings: Any) -> None:
        later = rows[next(numbers) :]
        reject_overwriting([*places, *filter(None, later)], plan_evaluation(**settings).files)

    for job in suite.run_suite(chosen, check).jobs:
        if isinstance(job.error, OverwriteError):
            raise job.error


def run_suite(
    path: Path,
    *,
    jobs: Sequence[str] = (),
    check: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> SuiteResult:
    """Run the evaluations that a TOML file describes, or only check that they can be run.

    ``[job.NAME]`` has the arguments of :func:`evaluate` as keys, with hyphens; ``[defaults]`` has
    those of all jobs. Paths in the file are relative to it. A job that fails does not stop the
    others.

    Args:
        path: the TOML file.
        jobs: names of the jobs to run; none runs all.
        check: whether jobs are only checked, up to the columns that they name.
        threads: worker threads of each job, an integer of at least 1; None is what the job says,
            or all cores.

    Returns:
        A :class:`~lossctl.evaluation.suite.SuiteResult` with a result or an error for each job;
        the losses are in the unit of each loss.

    Raises:
        UsageError: a file that is not valid TOML, an unknown key, or an unknown job.
        OverwriteError: a file that several jobs would write.
        FileError: a suite file that cannot be read.

    """
    from lossctl.evaluation import suite

    chosen = suite.read_suite(path).pick(jobs)
    _check_suite(chosen)
    given = {} if threads is None else {"threads": threads}
    if check:
        return suite.run_suite(chosen, check_evaluation, **given)
    return suite.run_suite(chosen, evaluate, progress=progress, **given)
