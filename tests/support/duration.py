"""How long a run of all tests takes, said at its start."""

from __future__ import annotations

import importlib.util
import math
import os
from typing import Any

import pytest

SECONDS = 300
"""What all tests take of one core, measured without the reference libraries."""
WITH_REFERENCES = 100
"""What those with the reference libraries take in addition."""
SLOW = 700
"""What those that are marked as slow take in addition; some of them wait for pip."""


def announce(seconds: float, cores: int) -> str:
    """Say how long tests take that take so many seconds of one core."""
    minutes = math.ceil(seconds / cores / 60)
    return (
        f"All tests: about {minutes} minute{'s' * (minutes > 1)} on {cores} idle "
        f"core{'s' * (cores > 1)}; each line ends with the share that is done"
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Say how long it takes, where all tests are run."""
    config = session.config
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if not whole or reporter is None or hasattr(config, "workerinput"):
        return
    workers = len(config.getoption("tx", None) or [None])
    cores = min(workers, os.cpu_count() or 1)
    seconds = SECONDS
    if importlib.util.find_spec("torch") is not None:
        seconds += WITH_REFERENCES
    if "not slow" not in config.getoption("markexpr").partition(" or ")[0]:
        seconds += SLOW
    reporter.write_line(announce(seconds, cores))
