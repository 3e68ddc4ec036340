"""Options under names of their own, known by their roles: labels that do not count, smoothing."""

from __future__ import annotations

import ast
import json
import textwrap
from pathlib import Path

import numpy as np
import pytest

import lossctl
from lossctl.errors import CustomLossError, DataError
from lossctl.losses.core.options import Option, Role
from lossctl.losses.core.registry import list_losses
from tests.support.command_line import read_table, run

LOGITS = np.array([[2.0, 0.5, 0.1], [0.2, 1.5, 0.3], [0.1, 0.2, 3.0], [1.0, 0.0, 0.5]])
LABELS = np.array([0, 1, 2, 0])

CODE = """
from typing import Annotated
import numpy as np
import lossctl

@lossctl.loss(
    "{key}", inputs=[lossctl.logit("input", "N C"), lossctl.index("target", "N")]
)
def {key}(
    input, target, *,
    {skip}: Annotated[
        int | None, lossctl.Option("label of no class", role=lossctl.Role.IGNORED_LABEL)
    ] = None,
    {spread}: Annotated[float, lossctl.Option("smoothing", role=lossctl.Role.SMOOTHING)] = 0.0,
):
    left_out = None if {skip} is None else target == {skip}
    known = target if left_out is None else np.where(left_out, 0, target)
    logs = input - np.log(np.exp(input).sum(1, keepdims=True))
    picked = logs[np.arange(len(logs)), known]
    losses = -(1 - {spread}) * picked - {spread} * logs.mean(1)
    if left_out is None:
        return lossctl.Terms(losses)
    return lossctl.Terms(
        np.where(left_out, 0, losses), weights=(~left_out) * 1.0, ignored=left_out,
        denominator="labels kept",
    )
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    names = {"key": "cross", "skip": "without", "spread": "softness"}
    (tmp_path / "mine.py").write_text(CODE.format(**names), encoding="utf-8")
    names = {"key": "entropy", "skip": "unlabelled", "spread": "blur"}
    (tmp_path / "theirs.py").write_text(CODE.format(**names), encoding="utf-8")
    np.save("x.npy", LOGITS)
    np.save("y.npy", LABELS)
    return tmp_path


def test_every_option_called_so_has_the_role() -> None:
    names = {
        role: {loss.roles[role].name for loss in list_losses() if role in loss.roles}
        for role in Role
    }
    assert names == {
        Role.IGNORED_LABEL: {"ignore_index", "ignore_class"},
        Role.SMOOTHING: {"label_smoothing"},
        Role.INFINITE_AS_ZERO: {"zero_infinity"},
    }
    for loss in list_losses():
        for one in loss.parameters:
            if one.name in set().union(*names.values()):
                assert one.option.role is not None, (loss.key, one.name)


def test_no_other_room_knows_the_options_by_name() -> None:
    package = Path(lossctl.__file__).parent
    names = {one.name for loss in list_losses() for one in loss.roles.values()}
    assert len(names) >= 4
    known = [
        f"{path.relative_to(package)}: {node.value}"
        for path in package.rglob("*.py")
        if path.relative_to(package).parts[0] != "losses"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node.value.removeprefix("--").replace("-", "_") in names
    ]
    assert known == []


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("ce", "--ignore-index"),
        ("keras.sparse_categorical_crossentropy", "--ignore-class"),
        ("./mine.py:cross", "--without"),
    ],
)
def test_a_label_that_was_named_is_counted_though_it_never_occurs(
    folder: Path, name: str, flag: str
) -> None:
    scores = "x.npy"
    if name.startswith("keras"):
        np.save("p.npy", np.full((4, 3), 1 / 3))
        scores = "p.npy"
    done = run("compute", name, scores, "y.npy", flag, 77)
    assert (done.code, read_table(done.out)["ignored"]) == (0, "0")
    assert "the value to ignore, 77, never occurs among 4 labels" in done.err
    plain = run("compute", name, scores, "y.npy")
    assert (plain.code, "ignored" in read_table(plain.out)) == (0, False)
    counted = run("compute", name, scores, "y.npy", flag, 0)
    assert (counted.err, read_table(counted.out)["ignored"]) == ("", "2")


def test_ignored_labels_may_be_out_of_range(folder: Path) -> None:
    np.save("y.npy", [0, 1, 99, 0])
    done = run("compute", "./mine.py:cross", "x.npy", "y.npy", "--without", 99)
    assert (done.code, done.err, read_table(done.out)["ignored"]) == (0, "", "1")


def test_the_remedy_names_the_option(folder: Path) -> None:
    np.save("y.npy", [0, 1, 99, 0])
    done = run("compute", "./mine.py:cross", "x.npy", "y.npy")
    assert done.code == 3
    assert "1 value is outside [0, 3)" in done.err
    assert "leave it out with --without." in done.err
    with pytest.raises(DataError, match=r"leave it out with --without\."):
        lossctl.compute("mine.py:cross", LOGITS, [0, 1, 99, 0])
    np.savez("all.npz", x=LOGITS, y=np.array([0, 1, 99, 0]))
    done = run("evaluate", "--loss", "./mine.py:cross", "--pred", "x.npy", "--target", "y.npy")
    assert done.code == 3
    assert ":without=VALUE." in done.err


def test_the_check_advises_the_option(folder: Path) -> None:
    found = lossctl.check("mine.py:cross", "x.npy", np.array([0, 1, 99, 0]))
    (finding,) = [one for one in found.findings if one.code == "label_out_of_range"]
    assert finding.repair == "if 99 means 'no label', use --without 99; else correct the labels"
    (command,) = finding.commands
    assert command.endswith("without=99)")
    never = lossctl.check("mine.py:cross", LOGITS, LABELS, without=77)
    assert [one.code for one in never.findings if one.code == "ignore_never"] == ["ignore_never"]


def test_parts_remember_the_label(folder: Path) -> None:
    words = ("compute", "./mine.py:cross", "x.npy", "y.npy", "--without", 77)
    for part in (1, 2):
        done = run(*words, "--part", f"{part}/2", "--save-state", f"{part}.json")
        assert (done.code, read_table(done.out)["ignored"]) == (0, "0")
    done = run("merge", "1.json", "2.json")
    assert (done.code, read_table(done.out)["ignored"]) == (0, "0")
    assert "77, never occurs" in done.err
    state = json.loads(Path("1.json").read_text(encoding="utf-8"))
    del state["ignored_label"]  # as it was stored before
    Path("1.json").write_text(json.dumps(state), encoding="utf-8")
    assert run("merge", "1.json", "2.json").code == 0


@pytest.mark.parametrize("other", ["theirs.py:entropy", "ce"])
def test_explain_lends_options_by_their_roles(folder: Path, other: str) -> None:
    found = lossctl.explain_difference(
        "mine.py:cross", other, LOGITS, LABELS, row=1, without=0, softness=0.25
    )
    assert "=0" in found.right.name
    assert "=0.25" in found.right.name
    assert found.left.result == pytest.approx(found.right.result, rel=1e-12)


def test_two_options_of_one_role_are_refused(tmp_path: Path) -> None:
    code = """
    from typing import Annotated
    import lossctl

    ROLE = lossctl.Role.SMOOTHING

    @lossctl.loss("twice", inputs=[lossctl.real("a", "*"), lossctl.real("b", "*")])
    def twice(
        a, b, *, one: Annotated[float, lossctl.Option("one", role=ROLE)] = 0.0,
        two: Annotated[float, lossctl.Option("two", role=ROLE)] = 0.0,
    ):
        return abs(a - b) * (1 + one + two)
    """
    (tmp_path / "twice.py").write_text(textwrap.dedent(code), encoding="utf-8")
    with pytest.raises(
        CustomLossError, match="several options with the role 'smoothing': one, two"
    ):
        lossctl.compute(f"{tmp_path / 'twice.py'}:twice", [1.0], [2.0])


def test_a_role_may_be_said_in_words() -> None:
    assert Option("labels", role="ignored label").role is Role.IGNORED_LABEL  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nothing"):
        Option("labels", role="nothing")  # type: ignore[arg-type]
