"""Names as the libraries spell them: whose loss is meant, and which warning names another's."""

from __future__ import annotations

import itertools
import os
import warnings
from pathlib import Path

import numpy as np
import pytest

import lossctl
from lossctl.errors import LossctlWarning, UsageError
from lossctl.losses.core.names import LIBRARIES
from lossctl.losses.core.registry import built_in, choose, find, registry, tell_who_has
from tests.support.command_line import run, save

os.environ.setdefault("KERAS_BACKEND", "torch")
MODULES = {
    "torch": ("torch.nn.functional", "torch.nn"),
    "scikit-learn": ("sklearn.metrics",),
    "keras": ("keras.losses",),
    "torchvision": ("torchvision.ops",),
    "optax": ("optax.losses",),
}
SPELLINGS = {
    library: {
        name for loss in registry().values() if loss.library == library for name in loss.spellings
    }
    for library in LIBRARIES
}
ORDER = ("torch", "scikit-learn", "keras", "optax")
SPELLED = sorted({name for names in SPELLINGS.values() for name in names})


def find_all(name: str) -> dict[str, str]:
    """Return the losses that a name with each prefix means, by library."""
    found = {library: built_in().find(f"{library}.{name}") for library in LIBRARIES}
    found["scikit-learn"] = built_in().find(f"sklearn.{name}")
    return {library: loss.key for library, loss in found.items() if loss is not None}


def catch(name: str) -> list[str]:
    """Return the warnings that the choice of a name gives."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        choose(name)
    return [str(one.message) for one in caught]


class TestSpelling:
    def test_the_libraries_stand_in_the_documented_order(self) -> None:
        assert [name for name in LIBRARIES if name in ORDER] == list(ORDER)

    @pytest.mark.parametrize("library", MODULES)
    def test_every_public_name_of_a_library_means_its_own_loss(self, library: str) -> None:
        """Unless a library before it has the name too, or it is the key of another's loss."""
        modules = [pytest.importorskip(module) for module in MODULES[library]]
        public = {name for module in modules for name in dir(module) if not name.startswith("_")}
        mine = {name: find_all(name).get(library) for name in public}
        found = {name: key for name, key in mine.items() if key is not None}
        assert len(found) > 0
        for name, key in sorted(found.items()):
            before = [
                one
                for one in itertools.takewhile(lambda one: one != library, LIBRARIES)
                if name in SPELLINGS[one]
            ]
            if not before and name not in registry():
                assert find(name).key == key, name

    @pytest.mark.parametrize("library", MODULES)
    def test_a_library_spells_its_losses_as_declared(self, library: str) -> None:
        """PyTorch's mse and l1 are those of scikit-learn, too."""
        homes = MODULES[library] + (MODULES["scikit-learn"] if library == "torch" else ())
        modules = [pytest.importorskip(module) for module in homes]
        assert SPELLINGS[library] <= {name for module in modules for name in dir(module)}
        assert SPELLINGS[library]

    @pytest.mark.parametrize("name", SPELLED)
    def test_a_name_means_the_first_library_that_spells_it_so(self, name: str) -> None:
        spellers = [one for one in LIBRARIES if name in SPELLINGS[one]]
        expected = name if name in registry() else find_all(name)[spellers[0]]
        assert find(name).key == expected

    @pytest.mark.parametrize(
        ("name", "key"),
        [
            ("BinaryCrossentropy", "keras.binary_crossentropy"),
            ("binary_crossentropy", "keras.binary_crossentropy"),
            ("binary-crossentropy", "keras.binary_crossentropy"),
            ("BCELoss", "bce"),
            ("binary_cross_entropy", "bce"),
            ("BCE", "bce"),
            ("mean_absolute_percentage_error", "mape"),
            ("MeanAbsolutePercentageError", "keras.mean_absolute_percentage_error"),
            ("mean_squared_logarithmic_error", "keras.mean_squared_logarithmic_error"),
            ("Huber", "keras.huber"),
            ("HuberLoss", "huber"),
            ("l2_loss", "optax.l2"),
            ("hinge_loss", "optax.hinge"),
            ("hinge", "keras.hinge"),
            ("dice_loss", "optax.dice"),
            ("CTC", "keras.ctc"),
            ("CTCLoss", "ctc"),
        ],
    )
    def test_examples(self, name: str, key: str) -> None:
        assert find(name).key == key


class TestWarning:
    @pytest.mark.parametrize(
        "name",
        [
            "BinaryCrossentropy", "binary_crossentropy", "BCELoss", "bce", "ce", "mse", "mae",
            "MeanSquaredError", "huber", "huber_loss", "log_cosh", "hinge", "dice_loss",
            "ctc", "CTC", "mape",
            "MeanAbsolutePercentageError", "keras.mape", "sklearn.mape", "optax.l2", "l2_loss",
        ],
    )  # fmt: skip
    def test_none_for_a_key_a_name_of_one_library_or_equal_numbers(self, name: str) -> None:
        assert catch(name) == []

    @pytest.mark.parametrize(
        ("name", "others"),
        [
            ("mean_absolute_percentage_error", ["keras.mean_absolute_percentage_error"]),
            ("MAPE", ["keras.mean_absolute_percentage_error"]),
            ("binarycrossentropy", ["keras.binary_crossentropy"]),
            ("l2", ["optax.l2"]),
            ("kl_divergence", ["optax.kl_divergence"]),
            ("sigmoid_focal_loss", ["optax.sigmoid_focal"]),
        ],
    )
    def test_names_the_others(self, name: str, others: list[str]) -> None:
        (said,) = catch(name)
        assert "\n" not in said
        assert f"{name!r} is read as " in said
        assert find(name).key in said
        assert all(other in said for other in others)

    def test_agreeing_means_are_equal(self) -> None:
        """And those of the other pairs, which take the same inputs, are not."""
        generator = np.random.default_rng(5)
        arrays = [generator.uniform(0.5, 4, size=(6, 5)) for _ in range(2)]
        agreeing = [loss for loss in registry().values() if loss.agrees]
        assert agreeing
        for loss in agreeing:
            for other in built_in().namesakes(loss):
                values = [float(one(*arrays).value) for one in (loss, other)]
                assert values[0] == pytest.approx(values[1], rel=1e-12), loss
        for one, other in (("mse", "optax.l2"), ("mape", "keras.mape")):
            values = [float(find(key)(*arrays).value) for key in (one, other)]
            assert values[0] != pytest.approx(values[1], rel=0.01), one

    def test_in_every_command_and_once(self, here: Path) -> None:
        files = [save(here, name, [1.0, 2.0, 4.0], "npy") for name in ("a", "b")]
        words = [
            ["compute", "MAPE", *files],
            ["grad", "MAPE", *files, "-o", "grad.npy"],
            ["explain", "MAPE", *files, "--row", "1"],
            ["check", "MAPE", *files],
            ["evaluate", "--pred", files[0], "--target", files[1], "--loss", "MAPE"],
        ]
        for one in words:
            done = run(*one)
            assert done.code == 0, done
            assert done.err.count("is read as scikit-learn's mape") == 1, done

    def test_in_python(self) -> None:
        with pytest.warns(LossctlWarning, match=r"Keras's keras\.mean_absolute_percentage_error"):
            lossctl.compute("MAPE", [1.0], [2.0])
        assert float(lossctl.losses.mape([1.0], [2.0]).value) == 0.5


class TestOptionOfAnother:
    @pytest.mark.parametrize(
        "words",
        [
            ["compute", "bce", "a.npy", "b.npy", "--label-smoothing", "0.1"],
            ["compute", "bce", "a.npy", "b.npy", "--label_smoothing=0.1"],
            ["grad", "bce", "a.npy", "b.npy", "--label-smoothing", "0.1"],
            ["explain", "bce", "a.npy", "b.npy", "--label-smoothing", "0.1"],
            ["check", "bce", "a.npy", "b.npy", "--label-smoothing", "0.1"],
            ["evaluate", "--pred", "a.npy", "--target", "b.npy",
             "--loss", "bce:label_smoothing=0.1"],
        ],
    )  # fmt: skip
    def test_is_answered_with_it(self, here: Path, words: list[str]) -> None:
        for name in ("a", "b"):
            save(here, name, [0.5, 1.0], "npy")
        done = run(*words)
        assert done.code == 2
        assert "keras.binary_crossentropy has --label-smoothing" in done.err

    def test_in_python(self) -> None:
        with pytest.raises(UsageError) as caught:
            lossctl.compute("bce", [0.5], [1.0], label_smoothing=0.1)
        assert "keras.binary_crossentropy has --label-smoothing" in caught.value.remedy

    def test_of_every_pair(self) -> None:
        told = 0
        for loss in registry().values():
            own = {one.name for one in loss.parameters}
            for other in built_in().namesakes(loss):
                for one in other.parameters:
                    if one.name not in own:
                        assert f"{other.key} has {one.flag}." in tell_who_has(loss, one.name)
                        told += 1
        assert told > 10
