"""A process that has loaded lossctl, and starts a process like itself for every command line.

To load Python, NumPy and lossctl takes ten times as long as a small command does. What starts here
is a process of its own all the same, from the arguments, the environment, the directory and the
standard streams that it is given to its exit code; only the imports are done. What is about the
start itself (imports, encodings, signals) starts Python anew.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

LOADED = (
    "numpy", "rich.console", "rich.markdown", "rich.panel", "rich.table", "rich.text",
    "lossctl.api.checks", "lossctl.api.computation", "lossctl.api.datasets",
    "lossctl.api.explanations", "lossctl.api.gradients", "lossctl.cli.check", "lossctl.cli.compute",
    "lossctl.cli.evaluate", "lossctl.cli.explain", "lossctl.cli.grad", "lossctl.output.catalogue",
    "lossctl.output.results",
)  # fmt: skip
"""What most commands import; not pyarrow, with which a process ends in another way."""
READ_AT_START = ("PYTHON", "LC_", "LANG", "OMP_", "OPENBLAS_")
"""Beginnings of the names of variables that Python or NumPy read only when they start."""
READ_LATER = "PYTHONPATH"
"""The one of them that can be followed later."""
LONGEST = 1 << 20


@dataclass(frozen=True)
class Started:
    """A process under way."""

    pid: int
    starter: Starter

    def wait(self, seconds: float) -> int:
        """Return the exit code, minus the number of the signal that ended the process."""
        self.starter.connection.settimeout(seconds)
        try:
            return int(self.starter.connection.recv(LONGEST))
        except TimeoutError:
            os.kill(self.pid, signal.SIGKILL)
            self.starter.connection.settimeout(None)
            self.starter.connection.recv(LONGEST)
            raise


class Starter:
    """The process that starts others, one at a time."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._read = _select(environment)
        self.connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", __name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=dict(environment),
                pass_fds=[theirs.fileno()],
            )

    def can_start(self, environment: Mapping[str, str]) -> bool:
        """Whether a process with this environment differs in nothing that is read at the start."""
        return _select(environment) == self._read

    def start(
        self, words: Sequence[str], cwd: Path | None, env: Mapping[str, str], streams: Sequence[int]
    ) -> Started:
        """Start ``lossctl`` with these words, and with copies of three descriptors."""
        request = {"words": list(words), "cwd": str(cwd or Path.cwd()), "env": dict(env)}
        socket.send_fds(self.connection, [json.dumps(request).encode()], list(streams))
        self.connection.settimeout(None)
        return Started(int(self.connection.recv(LONGEST)), self)

    def close(self) -> None:
        """Let the process end."""
        self.connection.close()
        self._process.wait()


def _select(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(READ_AT_START) and name != READ_LATER
    }


def serve(connection: socket.socket) -> None:
    """Start a process for every request; return in that process, and exit at the last."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, LONGEST, 3)
        if not message:
            connection.close()
            sys.exit()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's idle threads do not matter to the new process
            pid = os.fork()
        if pid == 0:
            connection.close()
            become(descriptors, **json.loads(message))
            return
        connection.send(str(pid).encode())
        for one in descriptors:
            os.close(one)
        _, status = os.waitpid(pid, 0)
        connection.send(str(os.waitstatus_to_exitcode(status)).encode())


def become(descriptors: Sequence[int], words: list[str], cwd: str, env: dict[str, str]) -> None:
    """Make this process one that was started with these words, streams and surroundings."""
    main = Path(sys.modules["lossctl"].__file__ or "").with_name("__main__.py")
    kept = sys.path[1 + len(_split(os.environ)) :]
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.path[:] = [cwd, *_split(env), *kept]
    importlib.invalidate_caches()
    sys.argv[:] = [str(main), *words]
    for target, one in enumerate(descriptors):
        os.dup2(one, target)
        os.close(one)
    sys.stdin = sys.__stdin__ = open_stream(0, sys.stdin)
    sys.stdout = sys.__stdout__ = open_stream(1, sys.stdout)
    sys.stderr = sys.__stderr__ = open_stream(2, sys.stderr)


def _split(environment: Mapping[str, str]) -> list[str]:
    return list(filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)))


def open_stream(descriptor: int, like: TextIO) -> TextIO:
    """Open a standard stream anew, as Python does at its start."""
    raw = io.FileIO(descriptor, "w" if descriptor else "r", closefd=False)
    buffer: Any = io.BufferedWriter(raw) if descriptor else io.BufferedReader(raw)
    return io.TextIOWrapper(
        buffer,
        encoding=like.encoding,
        errors=like.errors,
        newline="\n" if descriptor else None,
        line_buffering=descriptor == 2 or raw.isatty(),
    )


if __name__ == "__main__":
    from lossctl.cli import main
    from lossctl.losses.core.registry import built_in, registry

    for name in LOADED:
        importlib.import_module(name)
    registry()
    built_in()
    gc.collect()
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))
    main()
