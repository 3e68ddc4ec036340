"""What the machine offers: cores, and memory that is not given back too soon."""

from __future__ import annotations

import functools
import os

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # the parameters' numbers in malloc.h
KEPT_BYTES = 64 * 2**20
LARGEST_ARENA_BLOCK = 32 * 2**20


def available_threads() -> int:
    """Return the number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def keep_freed_memory() -> None:
    """Let the allocator keep freed blocks for the next ones, where it is glibc's.

    Temporaries of a block are large enough that it would give each back to the system at once;
    in threads, a run over 800 MB then took 180,000 page faults instead of 17,000, and twice the
    time.
    """
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(M_MMAP_THRESHOLD, LARGEST_ARENA_BLOCK)
