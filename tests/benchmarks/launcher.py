"""Run a command, and tell how long it took and how much memory it had, as JSON.

A process of its own, run as a script with the standard library alone: the peak that the system
keeps for a child begins with the size of the process that started it, so that one must be small.
"""

from __future__ import annotations

import json
import os
import sys
import time

UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in one unit of ``ru_maxrss``."""


def launch(words: list[str]) -> dict[str, object]:
    """Run the command to its end."""
    ours, theirs = os.pipe()
    started = time.perf_counter()
    child = os.posix_spawnp(
        words[0], words, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, theirs, 1)]
    )
    os.close(theirs)
    with open(ours, encoding="utf-8") as output:  # noqa: PTH123 - a descriptor has no path
        out = output.read()
    _, status, usage = os.wait4(child, 0)
    return {
        "seconds": time.perf_counter() - started,
        "peak": usage.ru_maxrss * UNIT,
        "code": os.waitstatus_to_exitcode(status),
        "out": out,
    }


if __name__ == "__main__":
    print(json.dumps(launch(sys.argv[1:])))
