"""Running the command line: in process, as a real process, and on a terminal."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from typer.testing import CliRunner

import lossctl
from lossctl.cli import app
from tests.support.starter import Starter

Array = NDArray[Any]

ROOT = Path(lossctl.__file__).resolve().parents[1]
SAMPLE_DATA = ROOT / "sample_data"
DECIDES_OUTPUT = (
    "NO_COLOR", "FORCE_COLOR", "COLORTERM", "COLUMNS", "LINES", "TERM", "TTY_COMPATIBLE",
    "PYTHONWARNINGS", "PYTHONIOENCODING",
)  # fmt: skip
SECONDS = 60
"""How long a process may take."""


@dataclass(frozen=True)
class Run:
    """What a command line left behind."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> float:
        """The bare number that ``-f value`` prints."""
        assert self.code == 0, self.err
        return float(self.out)

    @property
    def warnings(self) -> list[str]:
        """The warnings on standard error, without the word itself."""
        return re.findall(r"^warning: (.*)$", self.err, re.MULTILINE)


def run(*words: object, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Run:
    """Run ``lossctl`` in this process."""
    with contextlib.chdir(cwd or Path.cwd()):
        result = CliRunner().invoke(
            app, [str(word) for word in words], env=env, prog_name="lossctl"
        )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Run(result.exit_code, result.stdout, result.stderr)


def compute(*words: object, cwd: Path | None = None) -> Run:
    """Run ``lossctl compute`` in this process."""
    return run("compute", *words, cwd=cwd)


def command(*words: object) -> list[str]:
    """Return the words that start ``lossctl`` as a process, with warnings as errors."""
    return [sys.executable, "-W", "error", "-m", "lossctl", *map(str, words)]


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a process in which nothing steers lossctl but ``more``."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in DECIDES_OUTPUT and not key.startswith("LOSSCTL_")
    }
    path = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH"))))
    return {**kept, "PYTHONPATH": path, **more}


def run_process(
    *words: object, cwd: Path | None = None, given: bytes | None = None, **env: str
) -> Run:
    """Run ``lossctl`` as a process of its own, with what is given in a pipe on standard input."""
    out, theirs = os.pipe()
    if given is None:
        return _run_process(words, cwd, environment(**env), (0, theirs), lambda: read_pipe(out))
    stdin, ours = os.pipe()
    with ThreadPoolExecutor(1) as writer:
        writer.submit(_write_pipe, ours, given)
        streams = (stdin, theirs)
        return _run_process(words, cwd, environment(**env), streams, lambda: read_pipe(out))


def run_merged(*words: object, cwd: Path) -> str:
    """Run ``lossctl`` as a process of its own; return what it prints on either stream, in order."""
    out, theirs = os.pipe()
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        process = starter().start(
            [*map(str, words)], cwd, environment(), [nothing.fileno(), theirs, theirs]
        )
    os.close(theirs)
    with ThreadPoolExecutor(1) as reader:
        shown = reader.submit(read_pipe, out)
        process.wait(SECONDS)
        return shown.result()


def _run_process(
    words: Sequence[object],
    cwd: Path | None,
    env: dict[str, str],
    streams: tuple[int, int],
    read_out: Callable[[], str],
) -> Run:
    """Run a process with two streams that are given, and standard error in a pipe."""
    err, theirs = os.pipe()
    stdin, stdout = streams
    wait: Callable[[float], int]
    if starter().can_start(env):
        wait = starter().start([*map(str, words)], cwd, env, [stdin, stdout, theirs]).wait
    else:
        process = subprocess.Popen(
            command(*words), cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=theirs
        )
        wait = process.wait
    for one in {stdin, stdout, theirs} - {0}:
        os.close(one)
    with ThreadPoolExecutor(2) as readers:
        shown, errors = readers.submit(read_out), readers.submit(read_pipe, err)
        return Run(wait(SECONDS), shown.result(), errors.result())


@cache
def starter() -> Starter:
    """Return what starts the processes of these tests."""
    made = Starter(environment())
    atexit.register(made.close)
    return made


def run_shell(line: str, cwd: Path) -> Run:
    """Run a line of shell in which ``lossctl`` is the program under test."""
    program = " ".join(command())
    done = subprocess.run(
        ["bash", "-c", f'lossctl() {{ {program} "$@"; }}; {line}'],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr)


def run_on_terminal(*words: object, cwd: Path, columns: int = 80, **env: str) -> Run:
    """Run ``lossctl`` with standard output on a terminal, and standard error in a pipe."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    surroundings = environment(TERM="xterm-256color") | env
    return _run_process(words, cwd, surroundings, (theirs, theirs), lambda: read_terminal(ours))


def read_pipe(ours: int) -> str:
    """Return what comes through a pipe until its other end is closed, and close ours."""
    with open(ours, encoding="utf-8") as pipe:
        return pipe.read()


def read_terminal(ours: int) -> str:
    """Return what a terminal is shown until its other end is closed, and close ours."""
    received = bytearray()
    with contextlib.suppress(OSError):  # how Linux says that the other end has closed
        while part := os.read(ours, 65536):
            received += part
    os.close(ours)
    return received.decode().replace("\r\n", "\n")


def _write_pipe(ours: int, content: bytes) -> None:
    """Write into a pipe until its other end is closed, and close ours."""
    with contextlib.suppress(BrokenPipeError), open(ours, "wb") as pipe:
        pipe.write(content)


def strip_styles(text: str) -> str:
    """Return what a terminal shows, without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def read_table(text: str) -> dict[str, str]:
    """Return the rows of a printed table of two columns."""
    return dict(re.findall(r"^[│|] (\S.*?) +[│|] (.*?) +[│|]$", text, re.MULTILINE))


def read_json(text: str) -> Any:
    """Return what strict JSON says."""
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not strict JSON")


def save(directory: Path, name: str, array: Any, suffix: str = "npy") -> str:
    """Write an array to a file of a format, and return the reference to it."""
    values = np.asarray(array)
    path = directory / f"{name}.{suffix}"
    match suffix:
        case "npy":
            np.save(path, values)
        case "npz":
            np.savez(path, other=np.zeros(2), **{name: values})
            return f"{path.name}#{name}"
        case "csv" | "tsv":
            delimiter = "," if suffix == "csv" else "\t"
            rows = [delimiter.join(map(repr, row)) for row in _matrix(values).tolist()]
            path.write_text("\n".join([delimiter.join(_columns(values)), *rows]) + "\n")
        case "parquet":
            matrix = _matrix(values)
            columns = {key: matrix[:, at] for at, key in enumerate(_columns(values))}
            pq.write_table(pa.table(columns), path)
        case _:
            raise ValueError(suffix)
    return path.name


def _matrix(values: Array) -> Array:
    return values[:, np.newaxis] if values.ndim == 1 else values


def _columns(values: Array) -> list[str]:
    return ["value"] if values.ndim == 1 else [f"c{at}" for at in range(values.shape[1])]
