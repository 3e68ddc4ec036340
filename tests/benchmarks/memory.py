"""The memory of this process and of this machine, as Linux tells it; None elsewhere."""

from __future__ import annotations

from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
MACHINE = Path("/proc/meminfo")
RESET_PEAK = "5"


def read_field(path: Path, field: str) -> int | None:
    """Return a field of a file of ``/proc`` in bytes."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, rest = line.partition(":")
        if name == field:
            return int(rest.split()[0]) * 1024
    return None


def read_peak() -> int | None:
    """Return the most memory that was resident since the peak was reset."""
    return read_field(STATUS, "VmHWM")


def reset_peak() -> int | None:
    """Begin a new peak at what is resident now, and return that."""
    try:
        CLEAR.write_text(RESET_PEAK, encoding="ascii")
    except OSError:
        return None
    return read_peak()


def read_available() -> int | None:
    """Return how much memory programs can still have on this machine."""
    return read_field(MACHINE, "MemAvailable")


def read_installed() -> int | None:
    """Return how much memory this machine has."""
    return read_field(MACHINE, "MemTotal")
