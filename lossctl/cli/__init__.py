"""The command line: which call of the public API does a command line mean?"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
import threading

# Imports make many objects and no garbage: fewer collections save a tenth of the start-up time.
gc.set_threshold(100_000, 50, 50)

from lossctl.cli import stopping  # noqa: E402
from lossctl.cli.root import app  # noqa: E402


def main() -> None:
    """Run the command line and exit."""
    stopping.listen()
    for name in ("stdout", "stderr"):  # a shell may have closed them (1>&-)
        if getattr(sys, name) is None:
            sink = open(os.devnull, "w")  # noqa: PTH123, SIM115 - open to the end
            atexit.register(sink.close)
            setattr(sys, name, sink)
    try:
        app(prog_name="lossctl")
    except SystemExit as leaving:
        if "pyarrow" not in sys.modules and threading.active_count() == 1:
            raise
        _leave_at_once(leaving.code)


def _leave_at_once(code: object) -> None:
    """End the process without the destructors of pyarrow.

    Its idle threads are sometimes still there when they run, and the system then ends a run that
    has succeeded ("terminate called without an active exception", one in some thirty here).
    Nor is a thread waited for that reads from a silent pipe.
    """
    atexit._run_exitfuncs()  # noqa: SLF001 - what others registered still runs
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


__all__ = ["app", "main"]
