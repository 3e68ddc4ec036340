"""The public Python API for datasets: what the commands evaluate and run are one call of."""

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
    from lossctl.evaluation.suite import SuiteResult

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
    """Let a function of options have each of them as a parameter, with its type and default."""
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
    """An evaluation that is known to make sense, as far as can be told without the data."""

    def __init__(self, options: EvaluationOptions) -> None:
        from lossctl.evaluation.request.request import make_request

        self.options = options
        self.request = make_request(options)

    def check_written(self, path: Path) -> None:
        """Raise OverwriteError if a file to write is one that the evaluation reads or writes."""
        from lossctl.evaluation.rows.dataset import refuse_input

        rows = self.options.elements
        if rows is not None and realpath(path) == realpath(rows):
            raise OverwriteError(
                f"{path} would be written twice", "Write the rows to another file."
            )
        refuse_input(path, self.request.dataset, self.request.asked)

    def check_columns(self) -> None:
        """Raise what reading would raise at its beginning."""
        from lossctl.evaluation.rows.dataset import open_columns, refuse_input

        if self.options.elements is not None:
            refuse_input(self.options.elements, self.request.dataset, self.request.asked)
        for source in open_columns(self.request.dataset, self.request.asked).values():
            source.close()

    def run(self, progress: Progress | None = None) -> Evaluation:
        """Read the data, and say what the losses say."""
        from lossctl.evaluation.evaluator import Evaluator
        from lossctl.evaluation.rows.dataset import refuse_input

        rows = self.options.elements
        if rows is None:
            return Evaluator(self.request).run(progress)
        refuse_input(rows, self.request.dataset, self.request.asked)
        with open_rows(rows) as write:
            return Evaluator(self.request).run(progress, write)


@take_options(EvaluationOptions)
def evaluate(options: EvaluationOptions) -> Evaluation:
    """Evaluate predictions of one model or several over a dataset, in one pass.

    ``dataset`` is a table file, its shards, or a DataFrame; ``pred``, ``target``, ``by`` and so
    on name columns of it, or are files, references or arrays with the same rows in the same
    order. ``on`` names the column by which rows of several tables are matched: all of them, or
    with ``how="inner"`` those that every table has. ``pred`` may be a list, or a dict by the
    names of the models; ``loss`` is one or a list, such as ``["ce", "huber:delta=2"]``, where
    ``"gaussian_nll:var=sigma2"`` names the column of a further input.

    ``by`` makes slices: a column, columns crossed (``"region,device"``), bins of equal width
    (``"age:10"``) or quantiles (``"score:q4"``), or a list of such; those of fewer than
    ``min_size`` rows are not listed. ``where`` filters rows (``"age >= 30 and region == 'EU'"``).
    ``classes`` are the names of the classes where labels are texts.

    ``ci`` asks for intervals at that level, by ``ci_method`` (normal, bootstrap, jackknife,
    cluster). Models are compared with ``baseline``, or the first. ``worst`` rows are listed with
    ``id`` and the columns ``show``; ``elements`` is a file for every row's losses. ``fail_if``
    are conditions that must not hold (``"ce > 0.3"``).

    Returns an :class:`~lossctl.evaluation.result.Evaluation`. Warns with LossctlWarning. Raises
    UsageError, DataError or FileError.
    """
    return PlannedEvaluation(options).run(options.progress)


@take_options(EvaluationOptions)
def plan_evaluation(options: EvaluationOptions) -> PlannedEvaluation:
    """Take the options of :func:`evaluate`, and raise what is wrong with them without the data."""
    return PlannedEvaluation(options)


@take_options(EvaluationOptions)
def check_evaluation(options: EvaluationOptions) -> None:
    """Raise what :func:`evaluate` would raise before its work: names, conditions, files."""
    if options.elements is not None:
        check_rows(options.elements)
    PlannedEvaluation(options).check_columns()


def check_suite_written(target: Path, path: Path, jobs: Sequence[str] = ()) -> None:
    """Raise OverwriteError if a file to write is the suite, or one that a job reads or writes."""
    from lossctl.evaluation import suite

    chosen = suite.read_suite(path).pick(jobs)
    place = realpath(target)
    if place == realpath(path):
        raise OverwriteError(f"{target} is the suite itself", "Write to another file.")

    def check(**settings: Any) -> None:
        plan_evaluation(**settings).check_written(place)

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

    Under ``[job.NAME]`` stand the arguments of :func:`evaluate` as keys, with hyphens, under
    ``[defaults]`` those of all jobs. ``jobs`` picks some by name. Jobs run in the directory of
    the file, so that its paths are relative to it; one that fails does not stop the others.

    Returns a :class:`~lossctl.evaluation.suite.SuiteResult` with a result or an error for each
    job. Raises UsageError or FileError if the file itself is wrong.
    """
    from lossctl.evaluation import suite

    chosen = suite.read_suite(path).pick(jobs)
    chosen.check_written()
    given = {} if threads is None else {"threads": threads}
    if check:
        return suite.run_suite(chosen, check_evaluation, **given)
    return suite.run_suite(chosen, evaluate, progress=progress, **given)
