"""Which page to read where a test of a loss fails, and which commands write what is generated."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import pytest

from lossctl.losses.core.registry import registry
from tests.losses.declare import GUIDE, home

REGISTRY_TESTS = (
    "tests/losses/test_declare.py",
    "tests/losses/test_golden.py",
    "tests/losses/test_names.py",
    "tests/losses/test_registry.py",
    "tests/docs/test_pages.py::test_table_of_losses",
    "tests/docs/test_sample_data.py",
)
"""Tests of all losses at once."""
COMMANDS = (
    "`.ci/task golden {}` writes golden values, `.ci/task docs losses sample_data` the tables."
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the page to the report of a test that failed."""
    report = yield
    text = find_page(item.nodeid, getattr(getattr(item, "callspec", None), "params", {}))
    add = getattr(report.longrepr, "addsection", None)
    if report.failed and text and add is not None:
        add("Where to read on", text)
    return report


def find_page(test: str, parameters: Mapping[str, Any]) -> str:
    """Return where to read on about the losses that a test is of; nothing for other tests."""
    key = parameters.get("key")
    loss = registry().get(key) if isinstance(key, str) else None
    if loss is not None:
        place = f"The test file of {key} is {home(loss)}."
        return f"How a loss is added: {GUIDE}.\n{place}\n{COMMANDS.format(key)}"
    if test.startswith(REGISTRY_TESTS):
        return f"How a loss is added: {GUIDE}.\n{COMMANDS.format('LOSS')}"
    return ""
