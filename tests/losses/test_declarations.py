"""What a declaration of lossctl must hold, where it stands, and the docstring made of it."""

from __future__ import annotations

import inspect
import pydoc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.losses.core import declaration, inputs
from lossctl.losses.core.declaration import Loss, real
from lossctl.losses.core.names import LIBRARIES
from lossctl.losses.core.registry import family_modules, registry
from tests.support.command_line import run

LOSSES = registry()
FOLDER = Path(lossctl.__file__).parent / "losses"
PAIR = (real("input", "*", help="predictions"), real("target", "*", help="true values"))
SAID: dict[str, Any] = {
    "inputs": PAIR,
    "library": "torch",
    "formula": "x − y",
    "source": "https://example.org",
    "example": "a.npy b.npy",
    "range": declaration.UNBOUNDED,
}
READ = "read .github/CONTRIBUTING.md, 'A loss'"

every_loss = pytest.mark.parametrize("key", LOSSES)


def declare(module: str = "lossctl.losses.ranking.planted", **changes: Any) -> Loss:
    """Declare a loss as a module of that name would."""

    def planted(input: Any, target: Any, *, scale: float = 1.0) -> Any:
        """Difference of both.

        input and target have the same shape.
        """
        return (input - target) * scale

    planted.__module__ = module
    said = {name: value for name, value in {**SAID, **changes}.items() if value is not None}
    return declaration.loss("planted", **said)(planted)


@pytest.fixture(autouse=True)
def _nothing_stays_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declaration, "DECLARED", {})


def find_faults(loss: Loss) -> Iterator[str]:
    """Yield what is wrong with where a loss stands, and what stands beside its kernel."""
    kernel: Any = loss.kernel
    place = Path(kernel.__code__.co_filename)
    if place.parent != FOLDER / loss.family:
        yield f"it stands in {place.parent.name}, not in {loss.family}"
    if loss.library not in LIBRARIES:
        yield f"{loss.library} is not a library"
    if loss.declared_steps is None:
        yield "it has no steps"
    if loss.declared_gradient is None and not loss.undifferentiable:
        yield "it has no gradient"
    for part in (loss.declared_gradient and loss.declared_gradient.function, loss.declared_steps):
        if (
            part is not None
            and f"{FOLDER.parent.name}.losses.{loss.family}." not in part.__module__
        ):
            yield f"{part.__name__} is in another family: {part.__module__}"


@every_loss
def test_stands_in_one_place_with_gradient_and_steps(key: str) -> None:
    assert list(find_faults(LOSSES[key])) == [], READ


def test_what_is_missing_is_found() -> None:
    assert list(find_faults(declare())) == [
        "it stands in losses, not in ranking", "it has no steps", "it has no gradient",
    ]  # fmt: skip


def test_another_family_is_found() -> None:
    planted = declare(library="nowhere")
    assert "nowhere is not a library" in list(find_faults(planted))
    mse: Any = LOSSES["mse"].declared_steps
    planted.steps(mse)
    planted.gradient(LOSSES["giou"].declared_gradient.function)  # type: ignore[union-attr]
    assert list(find_faults(planted))[2:] == [
        "giou_gradient is in another family: lossctl.losses.boxes.losses",
        "mse_steps is in another family: lossctl.losses.regression.losses",
    ]


def test_the_family_is_the_folder() -> None:
    with pytest.raises(TypeError, match="family"):
        declare(family="boxes")
    assert declare("lossctl.losses.boxes.any_name").family == "boxes"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"library": None}, "'library'"),
        ({"library": ""}, "does not say whose definition it is"),
        ({"range": None}, "does not say in which range"),
        ({"source": None}, "'source'"),
        ({"formula": None}, "'formula'"),
        ({"module": "somewhere.else"}, "use lossctl.loss"),
    ],
)
def test_a_declaration_that_lacks_something_is_not_imported(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        declare(**changes)


def test_a_module_without_library_is_not_imported(tmp_path: Path) -> None:
    """As it would be in a folder of the house: with the error at import."""
    code = (FOLDER / "deviance" / "losses.py").read_text(encoding="utf-8")
    planted = code.replace('    library="scikit-learn",\n', "", 1)
    assert planted != code
    names = {"__name__": "lossctl.losses.deviance.planted"}
    with pytest.raises(TypeError, match="'library'"):
        exec(compile(planted, "planted.py", "exec"), names)  # noqa: S102 - the planted module


def test_steps_and_keys_are_declared_once() -> None:
    planted = declare()
    planted.steps(lambda *_: iter(()))
    with pytest.raises(ValueError, match="the steps of planted are declared twice"):
        planted.steps(lambda *_: iter(()))
    with pytest.raises(ValueError, match="'planted' is declared twice"):
        declare()


def test_every_module_of_a_family_declares_losses() -> None:
    homes = {loss.kernel.__module__ for loss in LOSSES.values()}
    assert set(family_modules()) == homes, READ


def find_missing(loss: Loss, text: str) -> list[str]:
    """Return what a docstring lacks of the declaration, line breaks aside."""
    flat = " ".join(text.split())
    wanted = [loss.summary, "Formula:", loss.formula, "Inputs:", "Returns:", "Raises:", "Source:"]
    wanted += [loss.source, f"by {loss.reduction} unless", "UsageError: ", "DataError: "]
    wanted += [f"Their unit: {loss.unit}."] if loss.unit else []
    for one in loss.inputs:
        wanted += [f"{one.name}: {one.help}; shape {one.shapes}; {one.kinds}"]
    for option in loss.parameters:
        bounds = f", {option.option.bounds}" if option.option.bounds else ""
        wanted += ["Options:", f"{option.name}: {option.type_name}{bounds}, ", option.option.help]
        if isinstance(option.default, int | float) and not isinstance(option.default, bool):
            wanted.append(f"{option.default} by default")
    wanted += loss.traps
    wanted += [f"with respect to {loss.prediction_inputs[0]}"] if loss.declared_gradient else []
    return [part for part in wanted if " ".join(part.split()) not in flat]


@every_loss
def test_the_docstring_has_all_that_is_declared(key: str) -> None:
    loss = LOSSES[key]
    assert find_missing(loss, loss.__doc__ or "") == [], READ
    lines = (loss.__doc__ or "").splitlines()
    assert [one for one in lines if len(one) > 100 and "https:" not in one] == []
    assert inspect.getdoc(loss) == loss.__doc__


@every_loss
def test_show_says_the_same(key: str) -> None:
    """The page of a loss on the command line has the formula, bounds and defaults of help()."""
    described = lossctl.describe(key)
    flat = " ".join((LOSSES[key].__doc__ or "").split())
    facts = [described["formula"], described["source"], described["unit"], *described["traps"]]
    for one in described["options"]:
        facts += [one["bounds"], f"{one['shown_default']} by default", one["help"]]
    facts += [word for one in described["inputs"] for word in (one["shown_shapes"], one["help"])]
    assert [fact for fact in facts if " ".join(fact.split()) not in flat] == []


@pytest.mark.parametrize("heading", ["Formula:", "Inputs:", "Options:", "Raises:", "Source:"])
def test_a_part_that_is_missing_is_found(heading: str) -> None:
    huber = LOSSES["huber"]
    text = huber.__doc__ or ""
    assert find_missing(huber, text.replace(heading, "")) == [heading]


def test_help_and_signature_see_the_loss() -> None:
    huber = LOSSES["huber"]
    shown = pydoc.plain(pydoc.render_doc(huber))
    assert "huber(input, target, delta=1.0)" in shown
    flat = " ".join(shown.split())
    described = "error at which the loss turns from quadratic to linear"
    assert f"delta: float, above 0, 1.0 by default: {described}" in flat
    assert [*inspect.signature(huber).parameters] == ["input", "target", "delta"]
    assert (Loss.__doc__ or "").startswith("A declared loss.")


def test_units_are_those_of_the_definition() -> None:
    expected = {"ce": "nats", "mse": "the square of the unit of the values", "giou": ""}
    assert {key: LOSSES[key].unit for key in expected} == expected


def test_a_custom_loss_has_a_docstring_too() -> None:
    @lossctl.loss("gap", inputs=PAIR, unit="metres")
    def gap(input: Any, target: Any, *, power: int = 1) -> Any:
        """Distance of both."""
        return np.abs(input - target) ** power

    text = gap.__doc__ or ""
    assert text.startswith(
        "Distance of both.\n\nInputs:\n    input: predictions; shape (*); real\n"
    )
    assert "power: int, 1 by default" in text
    assert "Their unit: metres." in text
    assert "Formula:" not in text


def test_list_shows_the_families_of_folders() -> None:
    families = {loss.family for loss in LOSSES.values()}
    folders = {one.name for one in FOLDER.iterdir() if (one / "__init__.py").is_file()}
    assert folders - families == {"core", "maths", "custom"}
    assert "ranking_softmax" in run("list", "--family", "ranking").out


OF_INPUTS = [one for one in lossctl.__all__ if one in vars(inputs)]


@pytest.mark.parametrize("name", OF_INPUTS)
def test_what_declares_inputs_says_what_it_takes(name: str) -> None:
    function = getattr(lossctl, name)
    text = inspect.getdoc(function) or ""
    assert function.__name__ == name
    assert [one for one in inspect.signature(function).parameters if f"{one}: " not in text] == []
    assert "Returns:" in text
