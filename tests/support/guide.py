"""Which page to read where a test of a loss fails, and which commands write what is generated."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import pytest

from lossctl.losses.core.registry import registry
from tests.losses.declare import GUIDE, home

REGISTRY_TESTS = ("tests/losses/test_registry.py", "tests/losses/test_names.py", "tests/docs/")
"""Tests of all losses at once."""


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
    if loss is None:
        return f"How a loss is added: {GUIDE}." if test.startswith(REGISTRY_TESTS) else ""
    return (
        f"How a loss is added: {GUIDE}.\n"
        f"The test file of {key} is {home(loss)}.\n"
        f"`.ci/task golden {key}` writes its golden values, `.ci/task docs` the table of losses."
    )
