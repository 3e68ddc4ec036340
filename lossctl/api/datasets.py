"""The public Python API for datasets: what the commands evaluate and run are one call of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from os import PathLike
from os.path import realpath
from typing import TYPE_CHECKING, Any

from lossctl.api.writers import check_rows, open_rows
from lossctl.engine.plan.plan import Settings
from lossctl.engine.run.threads import available_threads
from lossctl.errors import OverwriteError, UsageError

if TYPE_CHECKING:
    from lossctl.evaluation.request.request import Request
    from lossctl.evaluation.result import Evaluation
    from lossctl.evaluation.suite import SuiteResult

Path = str | PathLike[str]


def evaluate(
    dataset: Any = None,
    *,
    pred: Any,
    loss: Any,
    target: Any = None,
    by: Any = None,
    where: str | None = None,
    on: str | None = None,
    how: str | None = None,
    sample_weight: Any = None,
    mask: Any = None,
    id: Any = None,
    classes: Any = None,
    ci: float | None = None,
    ci_method: str = "normal",
    cluster_by: Any = None,
    replicates: int = 1000,
    seed: int = 0,
    baseline: str | None = None,
    worst: int = 0,
    show: Any = None,
    elements: Path | None = None,
    min_size: int = 0,
    fail_if: Any = None,
    class_axis: int = 1,
    squeeze: bool = False,
    nan: str = "propagate",
    dtype: str = "float64",
    threads: int | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Evaluation:
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
    arguments = dict(locals())
    for name in ("progress", "elements"):
        del arguments[name]
    request = _request(**arguments)
    from lossctl.evaluation.evaluator import Evaluator

    if elements is None:
        return Evaluator(request).run(progress)
    from lossctl.evaluation.rows.dataset import refuse_input

    refuse_input(elements, request.dataset, request.asked)
    with open_rows(elements) as write:
        return Evaluator(request).run(progress, write)


def check_evaluation(dataset: Any = None, **arguments: Any) -> None:
    """Raise what :func:`evaluate` would raise before its work: names, conditions, files."""
    from lossctl.evaluation.rows.dataset import open_columns, refuse_input

    elements = arguments.pop("elements", None)
    if elements is not None:
        check_rows(elements)
    arguments.pop("progress", None)
    request = _request(dataset=dataset, **arguments)
    if elements is not None:
        refuse_input(elements, request.dataset, request.asked)
    for source in open_columns(request.dataset, request.asked).values():
        source.close()


def check_written(path: Path, **arguments: Any) -> None:
    """Raise OverwriteError if a file to write is one that :func:`evaluate` reads or writes."""
    from lossctl.evaluation.rows.dataset import refuse_input

    elements = arguments.pop("elements", None)
    if elements is not None and realpath(path) == realpath(elements):
        raise OverwriteError(f"{path} would be written twice", "Write the rows to another file.")
    request = _request(**arguments)
    refuse_input(path, request.dataset, request.asked)


def check_suite_written(target: Path, path: Path, jobs: Sequence[str] = ()) -> None:
    """Raise OverwriteError if a file to write is the suite, or one that a job reads or writes."""
    from lossctl.evaluation import suite

    chosen = suite.read_suite(path).pick(jobs)
    place = realpath(target)
    if place == realpath(path):
        raise OverwriteError(f"{target} is the suite itself", "Write to another file.")
    for job in suite.run_suite(chosen, partial(check_written, place)).jobs:
        if isinstance(job.error, OverwriteError):
            raise job.error


def run_suite(
    path: Path,
    *,
    jobs: Sequence[str] = (),
    check: bool = False,
    threads: int | None = None,
    progress: Callable[[int, int | None], None] | None = None,
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


def _request(
    dataset: Any = None,
    *,
    ci: float | None = None,
    ci_method: str = "normal",
    replicates: int = 1000,
    seed: int = 0,
    class_axis: int = 1,
    squeeze: bool = False,
    nan: str = "propagate",
    dtype: str = "float64",
    threads: int | None = None,
    **asked: Any,
) -> Request:
    from lossctl.evaluation.request.request import make_request
    from lossctl.evaluation.uncertainty.uncertainty import Method

    settings = Settings(
        class_axis=class_axis,
        squeeze=squeeze,
        nan=nan,
        dtype=dtype,
        threads=available_threads() if threads is None else threads,
    )
    if ci is None and ci_method != "normal":
        raise UsageError(
            f"--ci-method {ci_method} needs the level of the intervals", "Add --ci 0.95."
        )
    level = 0.95 if ci is None else ci
    method = Method(ci_method, level, replicates, seed)  # type: ignore[arg-type]
    return make_request(dataset, settings, method=None if ci is None else method, **asked)
