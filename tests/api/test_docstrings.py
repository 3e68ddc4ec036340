"""The docstrings of the public functions: every parameter, its default, and the errors."""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import FunctionType

import pytest

import lossctl
from lossctl.api.docstrings import compose, split_sections
from lossctl.api.shared_settings import ERRORS, REDUCED, SETTINGS
from lossctl.cli.shared import SHARED
from lossctl.engine.plan.plan import NAN_POLICIES, REDUCTIONS
from lossctl.evaluation.request.evaluation_options import list_defaults, list_specs

FUNCTIONS = {
    name: found
    for name in lossctl.__all__
    if isinstance(found := getattr(lossctl, name), FunctionType)
}
VERBS = {
    "check", "compare_definitions", "compute", "describe", "describe_all", "elements", "evaluate",
    "explain", "explain_difference", "gradient", "merge", "run_suite",
}  # fmt: skip
DECLARATIONS = {"describe", "describe_all", "compare_definitions"}
"""The verbs whose results have no losses."""


def list_lacking(function: FunctionType, text: str) -> list[str]:
    """Return what the docstring of a function does not say."""
    _, sections = split_sections(text)
    said, lacking = sections.get("Args", {}), []
    for one in inspect.signature(function).parameters.values():
        sentence = said.get(one.name, "").strip(". ")
        if len(sentence.split()) < 2:
            lacking.append(one.name)
        elif one.default is not one.empty and not sentence.endswith(f"Default: {one.default!r}"):
            lacking.append(f"default of {one.name}")
    lacking += [f"{name} is no parameter" for name in said
                if name not in inspect.signature(function).parameters]  # fmt: skip
    if not sections.get("Returns", {}).get("", ""):
        lacking.append("what is returned")
    errors = sections.get("Raises", {})
    if not errors or not all(errors.values()):
        lacking.append("errors")
    return lacking


def test_the_verbs_are_among_the_functions() -> None:
    assert set(FUNCTIONS) >= VERBS | {"loss", "load_array", "real", "either"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_docstring_says_everything(name: str) -> None:
    assert list_lacking(FUNCTIONS[name], FUNCTIONS[name].__doc__ or "") == []
    assert "Takes what" not in (FUNCTIONS[name].__doc__ or "")


@pytest.mark.parametrize("name", sorted(VERBS - DECLARATIONS))
def test_a_result_with_losses_names_their_unit(name: str) -> None:
    text = " ".join((FUNCTIONS[name].__doc__ or "").split())
    assert "unit of" in text or "as :func:`compute` returns" in text


def test_a_lack_is_found() -> None:
    def plain(first: int, second: int = 2, third: int = 3) -> None:
        """Do.

        Args:
            second: how many there are.
            third: how many there are. Default: 3.
            fourth: how many there are.
        """

    text = inspect.getdoc(plain) or ""
    assert list_lacking(plain, text) == [
        "first", "default of second", "fourth is no parameter", "what is returned", "errors",
    ]  # fmt: skip
    assert "first" in list_lacking(plain, compose(plain))


def test_help_shows_the_composed_docstring_and_examples_stay() -> None:
    program = "import lossctl; help(lossctl.check)"
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    flat = " ".join(shown.stdout.split())
    assert " ".join((lossctl.check.__doc__ or "").split()) in flat
    assert SETTINGS["class_axis"].text in flat
    assert "Default: 'propagate'." in flat
    assert ">>> found = lossctl.check(" in flat


def test_the_words_are_those_of_the_flags() -> None:
    flags = {one.name: one.annotation.__metadata__[0].help for one in SHARED}
    shared = {name: one.help for name, one in SETTINGS.items() if one.help}
    assert len(shared) > 10
    assert {name: flags[name].replace("\\[", "[") for name in shared} == shared


def test_the_valid_values_are_named() -> None:
    assert SETTINGS["reduction"].help == f"none, {REDUCED}" == ", ".join(REDUCTIONS)
    assert all(one in SETTINGS["nan"].text for one in NAN_POLICIES)
    assert all(hasattr(lossctl.errors, name) for name in ERRORS)


def test_an_option_of_an_evaluation_has_words() -> None:
    parameters = inspect.signature(lossctl.evaluate).parameters
    assert set(parameters) == {*list_specs(), "progress"}
    assert {name: one.default for name, one in parameters.items()
            if one.default is not one.empty} == list_defaults()  # fmt: skip


def test_nothing_is_composed_before_it_is_asked_for() -> None:
    program = (
        "import sys, lossctl.api.checks, lossctl.cli.root\n"
        "assert 'lossctl.api.docstrings' not in sys.modules\n"
        "import lossctl; lossctl.check\n"
        "assert 'lossctl.api.docstrings' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
