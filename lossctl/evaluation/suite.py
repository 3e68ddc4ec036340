"""Suites: many evaluations described in one TOML file, with defaults and overrides.

    [defaults]
    loss = ["ce", "zero_one"]
    ci = 0.95

    [job.digits]
    dataset = "digits.parquet"
    pred = "logit_0:logit_9"
    target = "label"
    fail-if = "ce > 0.4"

The keys are the names of the flags of ``lossctl evaluate``.
"""

from __future__ import annotations

import contextlib
import tomllib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from os.path import realpath
from pathlib import Path
from typing import Any

from lossctl.data.streams.files import explain_os_error
from lossctl.errors import (
    Exit,
    FileError,
    LossctlError,
    LossctlWarning,
    OverwriteError,
    UsageError,
    did_you_mean,
    nearest,
    warn,
)
from lossctl.evaluation.request.evaluation_options import Value, list_required, list_specs
from lossctl.evaluation.result import Evaluation
from lossctl.findings import OptionName, Sentence

DEFAULTS, JOB = "defaults", "job"

_WORDS = {
    Value.STRING: "a string",
    Value.STRINGS: "a string or a list of strings",
    Value.LIST: "a string or a list of strings",
    Value.NAMES: "a string or a list of strings",
    Value.NUMBER: "a number",
    Value.INTEGER: "an integer",
    Value.SWITCH: "true or false",
}

KEYS = {name.replace("_", "-"): spec.value for name, spec in list_specs().items()}
"""The keys of a job, and the types of their values."""

OF_THE_COMMAND = ("format", "output", "limit", "precision", "progress", "debug")
"""Flags that control the output of the whole run: they are not keys of a job."""


@dataclass(frozen=True, slots=True)
class Job:
    """One evaluation of a suite: its name, and the keyword arguments of ``evaluate``."""

    name: str
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Suite:
    """The jobs of a file, in its order."""

    file: str
    jobs: tuple[Job, ...]

    def pick(self, names: Sequence[str]) -> Suite:
        """Return the suite with the jobs of these names only; no names mean all."""
        known = [job.name for job in self.jobs]
        for name in names:
            if name not in known:
                raise UsageError(f"{self.file} has no job {name!r}", did_you_mean(name, known))
        return Suite(self.file, tuple(job for job in self.jobs if not names or job.name in names))

    def list_elements(self) -> list[str | None]:
        """Return the file of rows that each job writes, or None."""
        paths = (job.settings.get("elements") for job in self.jobs)
        folder = Path(self.file).parent
        return [None if path is None else realpath(folder / path) for path in paths]

    def check_written(self) -> None:
        """Raise OverwriteError if two jobs write the same file."""
        written: dict[str, str] = {}
        for job, place in zip(self.jobs, self.list_elements(), strict=True):
            if place is None:
                continue
            path = job.settings["elements"]
            other = written.setdefault(place, job.name)
            if other != job.name:
                raise OverwriteError(
                    f"{self.file}: the jobs {other!r} and {job.name!r} both write {path}",
                    "Give each its own file of elements.",
                )


@dataclass(frozen=True, slots=True)
class JobResult:
    """The result of a job: an evaluation, an error, or neither if it was only checked."""

    name: str
    evaluation: Evaluation | None = None
    error: LossctlError | None = None

    @property
    def passed(self) -> bool:
        """Whether there was no error and no gate failed."""
        return self.error is None and (self.evaluation is None or self.evaluation.passed)


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """The results of the jobs of a suite."""

    file: str
    jobs: tuple[JobResult, ...]

    @property
    def passed(self) -> bool:
        """Whether every job passed."""
        return all(job.passed for job in self.jobs)

    @property
    def exit_code(self) -> Exit:
        """The exit code: that of the first error, else 1 if a gate failed, or 5.

        An error goes before a gate, because the gates of its job were not judged.
        """
        codes = [job.error.exit_code for job in self.jobs if job.error is not None]
        if codes or self.passed:
            return next(iter(codes), Exit.DONE)
        verdicts = [
            one
            for job in self.jobs
            if job.evaluation is not None
            for one in job.evaluation.verdicts
        ]
        failed = any(not (one.passed or one.inconclusive) for one in verdicts)
        return Exit.CHECK_FAILED if failed else Exit.INCONCLUSIVE


def read_suite(path: str | PathLike[str]) -> Suite:
    """Return the jobs that a file describes; raises FileError and UsageError."""
    file = fspath(path)
    document = _read_document(file)
    for key in document:
        if key not in (DEFAULTS, JOB):
            hint = "Put keys under [defaults] or [job.NAME]." if key in KEYS else ""
            hint = hint or did_you_mean(key, (DEFAULTS, JOB))
            raise UsageError(f"{file}: a suite has no table {key!r}", hint)
    tables = document.get(JOB, {})
    if not isinstance(tables, dict) or not tables:
        raise UsageError(f"{file} has no jobs", "Describe each under [job.NAME].")
    defaults = _read_table(document.get(DEFAULTS, {}), f"{file}: [{DEFAULTS}]")
    jobs = []
    for name, table in tables.items():
        place = f"{file}: [{JOB}.{name}]"
        settings = defaults | _read_table(table, place)
        missing = [key for key in list_required() if not settings.get(key)]
        if missing:
            raise UsageError(
                f"{place} needs {' and '.join(missing)}", "Add them to the job, or to [defaults]."
            )
        jobs.append(Job(name, settings))
    return Suite(file, tuple(jobs))


def _read_document(file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise explain_os_error(Path(file), error) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file} is not valid TOML: {error}", "See toml.io for the syntax."
        ) from error


def _read_table(table: Any, place: str) -> dict[str, Any]:
    """Return the settings of a table under the names of keyword arguments."""
    if not isinstance(table, dict):
        raise UsageError(f"{place} must be a table, but is {table!r}")
    settings = {}
    for given, value in table.items():
        key = given.replace("_", "-")
        if key not in KEYS:
            raise UsageError(f"{place} has an unknown key {given!r}", _suggest(key))
        name = key.replace("-", "_")
        if name in settings:
            raise UsageError(f"{place} has the key {key!r} twice")
        settings[name] = _read_value(value, KEYS[key], f"{place}: {key}")
    return settings


def _suggest(key: str) -> str | Sentence:
    if key in OF_THE_COMMAND:
        said = "It belongs to the command: lossctl run SUITE {option} …"
        return Sentence(said, {"option": OptionName(key)})
    close = nearest(key, list(KEYS))
    return f"Did you mean {' or '.join(close)}?" if close else f"Available: {', '.join(KEYS)}."


def _read_value(value: Any, kind: Value, place: str) -> Any:
    if kind in (Value.STRINGS, Value.LIST, Value.NAMES):
        strings = value if isinstance(value, list) else [value]
        if all(isinstance(one, str) for one in strings):
            named = kind == Value.NAMES
            return [name for one in strings for name in one.split(",")] if named else strings
    elif kind == Value.SWITCH:
        if isinstance(value, bool):
            return value
    elif not isinstance(value, bool) and isinstance(value, _TYPES[kind]):
        return float(value) if kind == Value.NUMBER else value
    raise UsageError(f"{place} must be {_WORDS[kind]}, but is {value!r}")


_TYPES: Mapping[Value, Any] = {Value.STRING: str, Value.NUMBER: int | float, Value.INTEGER: int}


def run_suite(
    suite: Suite, work: Callable[..., Evaluation | None], **overrides: Any
) -> SuiteResult:
    """Run the jobs one after another; one that fails does not stop the others.

    ``work`` is called with the settings of each job in the directory of the file, so that paths
    are relative to it; ``overrides`` take precedence over the settings of the file.
    """
    with contextlib.chdir(Path(suite.file).absolute().parent):
        jobs = tuple(_run_job(job, work, overrides) for job in suite.jobs)
    return SuiteResult(suite.file, jobs)


def _run_job(job: Job, work: Callable[..., Evaluation | None], overrides: Any) -> JobResult:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", LossctlWarning)
        result = _try_job(job, work, overrides)
    for one in caught:
        if issubclass(one.category, LossctlWarning):
            warn(f"job {job.name}: {one.message}")
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    return result


def _try_job(job: Job, work: Callable[..., Evaluation | None], overrides: Any) -> JobResult:
    try:
        return JobResult(job.name, work(**(job.settings | overrides)))
    except LossctlError as error:
        return JobResult(job.name, error=error)
    except MemoryError:
        return JobResult(job.name, error=FileError("not enough memory", "Use fewer threads."))
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return JobResult(job.name, error=FileError(f"{place}{error.strerror}"))
