"""The registry: what each loss must declare, and that nothing else lists the losses."""

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import lossctl
from lossctl.errors import UsageError
from lossctl.losses.core.declaration import Loss
from lossctl.losses.core.description import describe
from lossctl.losses.core.names import fold, split
from lossctl.losses.core.registry import find, names, registry
from tests.losses.declare import GOLDEN, GUIDE, known
from tests.losses.golden_values import FOLDER, load_golden
from tests.losses.matrix import keys_of
from tests.support.command_line import SAMPLE_DATA, run

PACKAGE = Path(lossctl.__file__).parent
LOSSES = registry()
KEYS = tuple(LOSSES)
TORCH = keys_of("torch")
SOURCE = re.compile(r"^https://\S+$|^\S.* \d{4}, .*(doi:10\.\d{4,}/\S+|arXiv:\d{4}\.\d{4,5})$")
LONGEST_SUMMARY = 90
MENTIONED_AT_MOST = 3
"""How many losses a file that declares none may name in its texts: in an example or a remedy."""

every_loss = pytest.mark.parametrize("key", KEYS)


def test_the_losses_of_torch_are_there() -> None:
    classes = {find_class(key) for key in TORCH}
    assert len(classes) == len(TORCH) > 20


def find_class(key: str) -> str:
    """Return the name of torch's class of a loss."""
    reference = known(key).reference
    assert reference is not None
    assert re.fullmatch(r"[A-Z]\w+Loss", reference.class_name)
    return reference.class_name


@every_loss
def test_has_golden_values(key: str) -> None:
    there = (FOLDER / f"{key}.json").is_file()
    assert there, f"write the golden values of {key}: {GOLDEN} {key}. Read {GUIDE}."
    assert load_golden(key)


@every_loss
def test_says_what_it_is(key: str) -> None:
    loss = LOSSES[key]
    assert re.fullmatch(r"[A-Z].*\.", loss.summary)
    assert len(loss.summary) <= LONGEST_SUMMARY
    assert loss.formula.strip()
    assert loss.family
    assert SOURCE.match(loss.source), loss.source
    assert all(trap.strip() for trap in loss.traps)


@every_loss
def test_says_what_to_mind_or_why_nothing(key: str) -> None:
    assert bool(LOSSES[key].traps) is not bool(known(key).no_pitfalls)


@every_loss
def test_inputs_and_options_are_explained(key: str) -> None:
    loss = LOSSES[key]
    assert loss.inputs
    for one in loss.inputs:
        assert one.help, one.name
        assert one.forms, one.name
    for parameter in loss.parameters:
        assert parameter.option.help, parameter.name
        if parameter.default is not None:
            assert parameter.option.objection(parameter.default) is None, parameter.name
    told = [one.name for one in loss.inputs] + [parameter.name for parameter in loss.parameters]
    assert len(set(told)) == len(told)


@every_loss
def test_example_runs(key: str) -> None:
    program, *words = shlex.split(lossctl.describe(key)["example"])
    done = run(*words, "-f", "json", cwd=SAMPLE_DATA)
    assert (program, done.code, done.err) == ("lossctl", 0, "")
    assert json.loads(done.out)["loss"] == key


@every_loss
def test_is_an_attribute_and_documented_as_a_function(key: str) -> None:
    loss = getattr(lossctl.losses, key)
    assert loss is LOSSES[key]
    assert loss.__wrapped__ is loss.kernel
    assert loss.__doc__.startswith(loss.summary)
    assert key in dir(lossctl.losses)
    dialect = getattr(lossctl.losses, loss.library)
    assert getattr(dialect, split(key)[1]) is loss
    assert split(key)[1] in dir(dialect)


@every_loss
def test_description_is_plain_data_and_complete(key: str) -> None:
    described = lossctl.describe(key)
    assert json.loads(json.dumps(described)) == described
    loss = LOSSES[key]
    assert described["traps"] == list(loss.traps)
    assert [one["name"] for one in described["inputs"]] == [one.name for one in loss.inputs]
    assert [one["flag"] for one in described["options"]] == [p.flag for p in loss.parameters]


@every_loss
def test_show_prints_all_of_it(key: str) -> None:
    described = lossctl.describe(key)
    done = run("show", key)
    assert (done.code, done.err) == (0, "")
    facts = [key, described["summary"], described["source"], described["example"]]
    facts += described["aliases"] + described["traps"] + described["formula"].split(";  ")
    facts += [one["help"] for one in described["inputs"]]
    for option in described["options"]:
        facts += [option["flag"], option["help"], option["bounds"]]
    assert [fact for fact in facts if fact not in done.out] == []
    unit = re.findall(r"^Unit of the losses\n  (.+)$", done.out, re.MULTILINE)
    assert unit == ([described["unit"]] if LOSSES[key].unit else [])


def test_units_are_declared() -> None:
    assert {"huber", "mse", "ce"} <= {key for key in KEYS if LOSSES[key].unit}


def test_list_prints_every_loss_in_each_form() -> None:
    table, markdown, data = (run("list", *flags).out for flags in ([], ["--markdown"], ["--json"]))
    assert re.findall(r"^    ([\w.]+)  ", table, re.MULTILINE) == list(KEYS)
    assert re.findall(r"^\| \*\*`([\w.]+)`\*\*", markdown, re.MULTILINE) == list(KEYS)
    assert [one["key"] for one in json.loads(data)["losses"]] == list(KEYS)
    for loss in LOSSES.values():
        assert loss.summary in table
        aliases = describe(loss)["aliases"]
        assert all(alias in table and f"`{alias}`" in markdown for alias in aliases)


@pytest.mark.parametrize("family", sorted({loss.family for loss in LOSSES.values()}))
def test_list_of_a_family_has_its_losses(family: str) -> None:
    done = run("list", "--family", family, "--json")
    listed = [one["key"] for one in json.loads(done.out)["losses"]]
    assert listed == [key for key, loss in LOSSES.items() if loss.family == family]


@pytest.mark.parametrize("key", TORCH)
def test_is_found_by_the_names_of_torch(key: str) -> None:
    class_name, function = find_class(key), known(key).reference.path.rpartition(".")[2]
    spellings = [class_name, f"nn.{class_name}", f"torch.nn.{class_name}", class_name.lower()]
    spellings += [function, f"F.{function}", f"torch.nn.functional.{function}", function.upper()]
    spellings += [key.replace("_", "-"), f"{key}_loss", f"{key}-loss"]
    assert {name: find(name).key for name in spellings} == dict.fromkeys(spellings, key)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("MAE", "l1"),
        ("mean_squared_error", "mse"),
        ("mean-absolute-error", "l1"),
        ("bce-logits", "bce_with_logits"),
        ("Cross_Entropy", "ce"),
        ("F.mse_loss", "mse"),
    ],
)
def test_is_found_by_other_names(name: str, key: str) -> None:
    assert find(name).key == key
    assert find(name) is find(key) is find(LOSSES[key])


def test_no_name_means_two_losses() -> None:
    owners: dict[tuple[str, str], set[str]] = {}
    for loss in LOSSES.values():
        for name in (loss.key, *describe(loss)["aliases"]):
            owners.setdefault((split(name)[0], fold(name)), set()).add(loss.key)
    assert {name: keys for name, keys in owners.items() if len(keys) > 1} == {}
    assert len(set(names())) == len(list(names()))


@pytest.mark.parametrize(
    ("name", "hint"),
    [("crossentropi", "cross_entropy"), ("hubre", "huber"), ("tripletmargn", "triplet_margin")],
)
def test_unknown_name_is_answered_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"no loss named '{name}'") as caught:
        find(name)
    assert hint in caught.value.remedy


@pytest.mark.parametrize("name", ["", "loss", "_", "nn.", "torch.nn.functional."])
def test_what_is_no_name_finds_nothing(name: str) -> None:
    with pytest.raises(UsageError):
        find(name)


def find_strings(path: Path) -> list[str]:
    """Return every string of a file, docstrings and the pieces of f-strings included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def home(loss: Loss) -> Path:
    """Return the file that declares a loss."""
    kernel: Any = loss.kernel
    return Path(kernel.__code__.co_filename)


def test_nothing_else_lists_losses() -> None:
    """Outside the file that declares it, no loss is named by a string or an import."""
    listed = []
    for path in sorted(PACKAGE.rglob("*.py")):
        foreign = {key for key, loss in LOSSES.items() if home(loss) != path}
        foreign -= {n for loss in LOSSES.values() if home(loss) == path for n in loss.aliases}
        text = find_strings(path)
        listed += [f"{path.name}: {word!r}" for word in text if word in foreign]
        mentioned = foreign & set(re.findall(r"\w+", " ".join(text)))
        if len(mentioned) > MENTIONED_AT_MOST:
            listed.append(f"{path.name}: {sorted(mentioned)}")
    homes = {home(loss) for loss in LOSSES.values()}
    assert all(PACKAGE / "losses" in path.parents for path in homes)
    assert listed == []
