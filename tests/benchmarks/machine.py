"""The machine that the numbers come from."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from tests.benchmarks import memory
from tests.benchmarks.contestants import list_versions

PROCESSORS = Path("/proc/cpuinfo")


def count_threads() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_machine() -> dict[str, str]:
    """Return what a reader needs to compare the numbers with others."""
    installed = memory.read_installed()
    load, *_ = os.getloadavg()
    return {
        "processor": read_processor(),
        "cores": str(count_threads()),
        "memory": "unknown" if installed is None else f"{installed / 1e9:.0f} GB",
        "system": platform.platform(terse=True),
        "Python": platform.python_version(),
        "load before": f"{load:.1f}",
        "versions": ", ".join(f"{name} {text}" for name, text in list_versions().items()),
    }


def read_processor() -> str:
    """Return the name of the processor."""
    if PROCESSORS.exists():
        for line in PROCESSORS.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
