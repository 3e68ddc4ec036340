"""``lossctl run``: a suite of evaluations described in one file."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

from lossctl.cli.evaluate import list_output_options, make_command
from lossctl.cli.gates import leave_pipe, report
from lossctl.cli.shared import SHARED, make_option, take_output
from lossctl.errors import CheckError, InconclusiveError, LossctlError

EXAMPLE = "lossctl run suite.toml"

HELP = (
    "Run a suite: many evaluations described in one TOML file.\n\n"
    "A table [job.NAME] has the flags of 'lossctl evaluate' as keys, [defaults] those that all "
    "jobs share; paths are relative to the file. A job that fails does not stop the others."
)
JOBS = "Jobs"


def build_command() -> Any:
    """Return the command."""
    suite = inspect.Parameter(
        "suite",
        inspect.Parameter.KEYWORD_ONLY,
        annotation=Annotated[str, typer.Argument(metavar="SUITE", help="A TOML file.")],
    )
    options = [
        make_option(
            "job", list[str], [], "run only this job (repeatable)", JOBS, metavar="NAME",
            envvar=None,
        ),
        make_option(
            "check", bool, False, "validate the suite without running it", JOBS, "--check",
            envvar=None,
        ),
        *(one for one in SHARED if one.name in ("threads", "progress", "debug")),
        *(one for one in list_output_options("") if one.name != "limit"),
    ]  # fmt: skip
    help_text = HELP.replace("[", "\\[")
    return make_command("run", _run, help_text, EXAMPLE, [suite, *options])


def _run(values: dict[str, Any]) -> None:
    """Call the public API, write the result, and exit by the results of the jobs."""
    from lossctl.api import datasets
    from lossctl.output.evaluation.suite import check_output, write_suite
    from lossctl.output.text.messages import print_error
    from lossctl.output.text.progress import show_progress

    output = take_output({**values, "limit": 0})
    for target in output.targets:
        check_output(output.format, target)
    targets = [one for one in output.targets if one is not None]
    datasets.check_suite_written(targets, values["suite"], values["job"])
    with show_progress(values["progress"]) as progress:
        result = datasets.run_suite(
            values["suite"],
            jobs=values["job"],
            check=values["check"],
            threads=values["threads"],
            progress=progress,
        )
    gates = [
        (f"{job.name}: {one.condition}", one)
        for job in result.jobs
        if job.evaluation is not None
        for one in job.evaluation.verdicts
    ]
    errors = [(job.name, job.error) for job in result.jobs if job.error is not None]

    def write() -> None:
        for target in output.targets:
            write_suite(result, output.format, target, output.precision)

    try:
        report(write, gates)
    except (CheckError, InconclusiveError) as failed:
        if not errors:
            raise
        print_error(failed)
    except BrokenPipeError:
        if not errors:
            raise
        leave_pipe()
    for name, error in errors:
        print_error(LossctlError(f"job {name}: {error.message}", error.remedy))
    if errors:
        raise typer.Exit(int(result.exit_code))
