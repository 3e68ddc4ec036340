"""The same name in several libraries: which loss is meant, and in what definitions differ."""

from __future__ import annotations

import dataclasses
import re

import pytest

import lossctl
from lossctl.errors import UsageError
from lossctl.losses.core.declaration import FACTS, Loss
from lossctl.losses.core.names import LIBRARIES, Names, fold, spell, split
from lossctl.losses.core.registry import find, names, namesakes, registry
from tests.support.command_line import (
    SAMPLE_DATA,
    read_json,
    run,
    run_on_terminal,
    run_process,
    strip_styles,
)

LOSSES = registry()
DIALECT = [loss for loss in LOSSES.values() if split(loss.key)[0]]
PREFIXES = {
    "torch": ("torch.", "nn.", "F.", "torch.nn.", "torch.nn.functional."),
    "keras": ("keras.", "keras.losses.", "tf.keras.losses."),
    "optax": ("optax.", "optax.losses."),
    "scikit-learn": ("sklearn.", "sklearn.metrics."),
    "torchvision": ("torchvision.", "torchvision.ops."),
    "literature": ("literature.",),
}
COLUMNS = 80


def make(key: str, library: str, *aliases: str) -> Loss:
    """Return a loss of that name: l1 under another one."""
    return dataclasses.replace(LOSSES["l1"], key=key, library=library, aliases=aliases)


class TestNames:
    def test_every_library_is_known(self) -> None:
        assert {loss.library for loss in LOSSES.values()} <= set(LIBRARIES)
        assert set(PREFIXES) == set(LIBRARIES)

    @pytest.mark.parametrize("key", LOSSES)
    def test_every_name_is_taken_with_the_prefixes_of_its_library(self, key: str) -> None:
        loss = LOSSES[key]
        for name in spell(loss):
            assert find(name) is loss
            library, bare = split(name)
            for prefix in PREFIXES[library or loss.library]:
                assert find(prefix + bare) is loss

    def test_a_key_with_a_prefix_has_that_of_its_library(self) -> None:
        assert [one.key for one in DIALECT if split(one.key)[0] != one.library] == []
        assert len(DIALECT) > 5

    @pytest.mark.parametrize("name", sorted({fold(name) for name in names()}))
    def test_a_bare_name_means_the_claim_or_the_first_library(self, name: str) -> None:
        found = find(name)
        holders = [one for one in LOSSES.values() if name in {fold(n) for n in spell(one)}]
        claims = [
            one for one in holders if name in {fold(n) for n in spell(one) if not split(n)[0]}
        ]
        order = list(LIBRARIES)
        assert found in holders
        if claims:
            assert [found] == claims
        else:
            assert order.index(found.library) == min(order.index(one.library) for one in holders)

    def test_the_prefix_decides(self) -> None:
        known = Names(
            [make("gap", "torch"), make("optax.gap", "optax"), make("keras.gap", "keras")]
        )
        found = {name: known.find(name) for name in ("gap", "nn.GapLoss", "optax.gap", "keras.Gap")}
        assert {name: one.key for name, one in found.items() if one} == {
            "gap": "gap",
            "nn.GapLoss": "gap",
            "optax.gap": "optax.gap",
            "keras.Gap": "keras.gap",
        }
        assert known.find("sklearn.gap") is None

    def test_without_a_claim_the_first_library_is_meant(self) -> None:
        known = Names([make("optax.gap", "optax", "hole"), make("keras.gap", "keras")])
        assert known.find("gap").key == "keras.gap"
        assert known.find("hole").key == "optax.gap"

    @pytest.mark.parametrize(
        ("first", "second", "name"),
        [
            (make("gap", "torch"), make("gap_loss", "torch"), "gap_loss"),
            (make("gap", "torch"), make("hole", "optax", "Gap"), "Gap"),
            (make("keras.gap", "keras"), make("keras.hole", "keras", "gap"), "keras.gap"),
            (make("gap", "keras"), make("keras.gap", "keras"), "keras.gap"),
            (make("gap", "torch"), make("hole", "literature", "torch.gap"), "torch.gap"),
        ],
    )
    def test_a_name_for_two_losses_is_refused(self, first: Loss, second: Loss, name: str) -> None:
        with pytest.raises(ValueError, match=f"'{name}' means both {first.key} and {second.key}"):
            Names([first, second])
        Names([first])
        Names([second])

    @pytest.mark.parametrize("name", ["torch.smape", "optax.smooth_l1", "keras.nll", "sklearn.ctc"])
    def test_a_library_without_it_is_answered_with_one_that_has(self, name: str) -> None:
        with pytest.raises(UsageError, match=f"no loss named '{name}'") as caught:
            find(name)
        assert re.search(rf"\b{split(name)[1]}\b", caught.value.remedy)

    @pytest.mark.parametrize(
        ("name", "hints"),
        [
            ("optax.hinge_los", ("optax.hinge",)),
            ("optax.kl_divergense", ("optax.kl_divergence",)),
            ("torch.hubre", ("torch.huber",)),
            ("l22", ("optax.l2",)),
            ("sklearn.pinbal", ("pinball",)),
        ],
    )
    def test_a_near_miss_is_answered_across_dialects(
        self, name: str, hints: tuple[str, ...]
    ) -> None:
        with pytest.raises(UsageError) as caught:
            find(name)
        assert all(re.search(rf"\b{re.escape(hint)}\b", caught.value.remedy) for hint in hints)

    def test_dialects_are_attributes(self) -> None:
        assert lossctl.losses.optax.l2 is find("optax.l2")
        assert lossctl.losses.torch.mse is lossctl.losses.mse
        assert lossctl.losses.sklearn.brier is find("brier")
        with pytest.raises(AttributeError, match="optax has no loss 'smooth_l1'"):
            _ = lossctl.losses.optax.smooth_l1


class TestShow:
    @pytest.mark.parametrize("key", LOSSES)
    def test_says_whose_definition_it_is_and_who_differs(self, key: str) -> None:
        shown = run("show", key).out
        loss = LOSSES[key]
        assert LIBRARIES[loss.library].title in shown
        for other in namesakes(loss):
            assert f"not the same as {other.key} (" in shown
        assert ("not the same as " in shown) is bool(namesakes(loss))

    def test_namesakes_are_mutual_and_share_a_name(self) -> None:
        for loss in LOSSES.values():
            for other in namesakes(loss):
                assert loss in namesakes(other)
                assert {fold(n) for n in spell(loss)} & {fold(n) for n in spell(other)}
                assert other.library != loss.library
        assert [one.key for one in namesakes(find("mse"))].count("optax.l2") == 1

    def test_several_at_once(self) -> None:
        done = run("show", "mse", "optax.l2")
        assert re.findall(r"^(\S+)(?=  \(|$)", done.out, re.MULTILINE)[0] == "mse"
        assert "\noptax.l2" in done.out
        document = read_json(run("show", "mse", "optax.l2", "-f", "json").out)
        assert [one["key"] for one in document["losses"]] == ["mse", "optax.l2"]


class TestCompare:
    def test_tells_what_differs_and_what_does_not(self) -> None:
        compared = lossctl.compare_definitions("mse", "optax.l2")
        assert compared["losses"] == ["mse", "optax.l2"]
        differences = {one["fact"]: one["values"] for one in compared["differences"]}
        assert differences["formula"] == ["(x − y)²", "½ (x − y)²"]
        assert set(differences) == {"library", "formula"}
        same = {one["fact"]: one["value"] for one in compared["same"]}
        assert {"denominator", "clipping", "reduction", "axis", "losses"} <= set(same)
        assert same["clipping"] == "none"

    def test_of_the_same_is_nothing(self) -> None:
        compared = lossctl.compare_definitions("mse", "MSELoss")
        assert compared["differences"] == []
        assert "do not differ" in run("show", "--compare", "mse", "mse").out

    def test_losses_of_elements_and_of_vectors_differ(self) -> None:
        compared = lossctl.compare_definitions("mse", "keras.mse", "keras.dice")
        differences = {one["fact"]: one["values"] for one in compared["differences"]}
        per_vector, ratio = "(N, *D) or one number", "what --axis leaves, or one number"
        assert differences["losses"] == ["one per element", per_vector, ratio]

    def test_options_inputs_and_facts(self) -> None:
        compared = lossctl.compare_definitions("ce", "nll", "bce")
        differences = {one["fact"]: one["values"] for one in compared["differences"]}
        assert differences["--label-smoothing"] == ["0.0 (at least 0, at most 1)", "-", "-"]
        assert differences["clipping"] == ["none", "none", "logarithms at least −100"]
        assert differences["denominator"][1] == "Σ weight[target] over the targets not ignored"
        assert "log-probability" in differences["input 1"][1]
        facts = [one["fact"] for one in compared["differences"]]
        assert facts.index("input 1") < facts.index("--label-smoothing") < facts.index("clipping")

    def test_is_the_union_of_what_each_declares(self) -> None:
        for one, other in (("ce", "bce"), ("ctc", "huber")):
            compared = lossctl.compare_definitions(one, other)
            told = [row["fact"] for row in [*compared["differences"], *compared["same"]]]
            assert len(set(told)) == len(told)
            flags = {p.flag for key in (one, other) for p in LOSSES[key].parameters}
            assert {fact for fact in told if fact.startswith("--")} == flags
            assert set(FACTS) <= set(told)

    def test_as_json(self) -> None:
        document = read_json(run("show", "--compare", "bce", "ce", "-f", "json").out)
        assert document["format"] == "lossctl.comparison/1"
        assert document["version"] == lossctl.__version__
        body = {key: document[key] for key in ("losses", "differences", "same")}
        assert body == lossctl.compare_definitions("bce", "ce")
        assert read_json(run("show", "--compare", "bce", "ce", "--json").out) == document

    def test_fits_a_terminal(self) -> None:
        done = run_on_terminal("show", "--compare", "bce", "ce", cwd=SAMPLE_DATA, columns=COLUMNS)
        lines = strip_styles(done.out).splitlines()
        assert max(map(len, lines)) <= COLUMNS
        assert any(re.match(r"│ clipping +│ logarithms", line) for line in lines)

    def test_needs_two(self) -> None:
        done = run_process("show", "--compare", "bce")
        assert (done.code, done.out) == (2, "")
        assert "needs at least two losses" in done.err

    @pytest.mark.parametrize("key", LOSSES)
    def test_denominators_are_declared(self, key: str) -> None:
        """What an example is divided by is the usual case, or the declaration says what is."""
        loss = LOSSES[key]
        words = lossctl.describe(key)["example"].split()[1:]
        if loss.reduction != "mean" or "-r" in words:
            return
        divided = read_json(run(*words, "-f", "json", cwd=SAMPLE_DATA).out)["denominator_name"]
        assert divided == "elements" or "denominator" in loss.facts

    @pytest.mark.parametrize("key", LOSSES)
    def test_facts_are_known_ones(self, key: str) -> None:
        assert set(LOSSES[key].facts) <= set(FACTS)
        assert all(text.strip() for text in LOSSES[key].facts.values())


class TestList:
    def test_of_a_library(self) -> None:
        for label, asked in (
            ("optax", "optax"),
            ("scikit-learn", "sklearn"),
            ("torch", "torch"),
            ("literature", "other"),  # as the list calls it
        ):
            document = read_json(run("list", "--library", asked, "-f", "json").out)
            listed = [one["key"] for one in document["losses"]]
            assert listed == [key for key, one in LOSSES.items() if one.library == label]

    def test_of_a_library_and_a_family(self) -> None:
        document = read_json(run("list", "--library", "optax", "--family", "margin", "--json").out)
        assert {(one["library"], one["family"]) for one in document["losses"]} == {
            ("optax", "margin")
        }

    def test_of_what_is_not_there(self) -> None:
        done = run_process("list", "--library", "kears")
        assert (done.code, "there is no library 'kears'" in done.err) == (2, True)
        done = run("list", "--library", "torch", "--family", "rankng")
        assert (done.code, "there is no family 'rankng'" in done.err) == (2, True)

    def test_formats(self) -> None:
        assert run("list", "-f", "json").out == run("list", "--json").out
        assert run("list", "-f", "markdown").out == run("list", "--markdown").out
        assert run("list", "-f", "table").out == run("list").out
        done = run("list", "-f", "jsn")
        assert (done.code, "Did you mean json?" in done.err) == (2, True)
        assert run("list", "-f", "json", "--markdown").code == 2
        assert run("list", "--json", "--markdown").code == 2

    def test_fits_a_terminal(self) -> None:
        done = run_on_terminal("list", cwd=SAMPLE_DATA, columns=COLUMNS)
        lines = strip_styles(done.out).splitlines()
        assert max(map(len, lines)) <= COLUMNS
        titles = [LIBRARIES[name].title for name in LIBRARIES]
        assert [line for line in lines if line in titles] == [
            title for title in titles if title in lines
        ]
        for key, loss in LOSSES.items():
            (place,) = [n for n, line in enumerate(lines) if line.split()[:1] == [key]]
            what = " ".join(" ".join(lines[place : place + 6]).split())
            assert loss.summary in what

    def test_reads_well(self) -> None:
        done = run_on_terminal("list", "--library", "torch", cwd=SAMPLE_DATA, columns=COLUMNS)
        expected = """\
PyTorch, torch.nn
  binary
    bce                           Binary cross entropy of probabilities.
                                  (binary_cross_entropy)
"""
        assert "\n".join(line.rstrip() for line in strip_styles(done.out).splitlines()).startswith(
            expected.rstrip()
        )

    def test_in_a_pipe_each_loss_has_one_line(self) -> None:
        done = run("list")
        for key, loss in LOSSES.items():
            assert re.search(
                rf"^    {re.escape(key)} +{re.escape(loss.summary)}", done.out, re.MULTILINE
            )

    def test_markdown_has_a_table_for_each_library(self) -> None:
        shown = run("list", "--markdown").out
        held = dict.fromkeys(loss.library for loss in LOSSES.values())
        assert re.findall(r"^\*\*([^*`]+)\*\*$", shown, re.MULTILINE) == [
            LIBRARIES[name].title for name in held
        ]
        assert shown.count("|---|---|---|---|") == len(held)
        for family in {loss.family for loss in LOSSES.values()}:
            assert f"| *{family}* | | | |" in shown
