"""The public names: one list, which type checkers and the package itself read."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import lossctl
from lossctl.api import writers
from lossctl.api.renamed import RENAMED
from lossctl.errors import LossctlWarning

PACKAGE = Path(lossctl.__file__).parent
STUB = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
IMPORTS = [node for node in STUB.body if isinstance(node, ast.ImportFrom)]


def test_every_name_of_the_stub_is_handed_on_from_where_it_says() -> None:
    assert len(IMPORTS) > 40
    for node in IMPORTS:
        for one in node.names:
            assert one.name == one.asname, "type checkers take `x as x` for public"
            assert one.name in lossctl.__all__
            found = getattr(lossctl, one.name)
            module = sys.modules[str(node.module)]
            assert found is getattr(module, one.name)


def test_there_is_no_second_list() -> None:
    source = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    words = {one.value for one in ast.walk(source) if isinstance(one, ast.Constant)}
    names = {alias.name for one in ast.walk(source) if isinstance(one, ast.ImportFrom)
             for alias in one.names}  # fmt: skip
    assert (words | names) & (set(lossctl.__all__) - {"__version__"}) == set()
    assert {name.name for node in IMPORTS for name in node.names} | {"__version__"} == (
        set(lossctl.__all__)
    )


def test_all_names_are_shown_and_no_others_are_there() -> None:
    assert set(lossctl.__all__) <= set(dir(lossctl))
    with pytest.raises(AttributeError, match="'lossctl' has no attribute 'computed'"):
        _ = lossctl.computed  # type: ignore[attr-defined]


def test_every_writer_that_a_call_may_need_is_registered() -> None:
    source = (PACKAGE / "api" / "writers.py").read_text(encoding="utf-8")
    needed = {
        node.args[0].value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.args[:1], list)
        and isinstance(node.func, ast.Name) and node.func.id == "find_writer"
        and isinstance(node.args[0], ast.Constant)
    }  # fmt: skip
    assert needed >= {"open_text", "open_gradient", "open_rows"}
    for name in needed:
        found = writers.find_writer(str(name))
        assert callable(found)
        assert found.__module__.startswith("lossctl.output.")


def test_a_loss_called_is_a_call_of_the_api() -> None:
    result = lossctl.losses.mse([1.0, 2.0], [1.0, 4.0], reduction="sum")
    assert result.value == lossctl.compute("mse", [1.0, 2.0], [1.0, 4.0], reduction="sum").value


def test_names_of_the_version_before_work_and_warn() -> None:
    assert set(RENAMED.values()) <= set(lossctl.__all__)
    for name, found in RENAMED.items():
        assert name not in lossctl.__all__
        with pytest.warns(LossctlWarning, match=f"lossctl.{name} is now called lossctl.{found}"):
            assert getattr(lossctl, name) is getattr(lossctl, found)
