"""Losses of installed packages: found, listed, computed; and broken ones that break nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.command_line import command, environment, read_json, run_process
from tests.support.own_code import WING, own_loss, write_package

FAMILY = WING.replace('real("target", "*")),', 'real("target", "*")), family="landmarks",')
PREDICTED = np.array([0.0, 1.0, 4.0])


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory of packages, and two arrays to compute on."""
    write_package(tmp_path, "acme-losses", FAMILY, {"any": "acme_losses"})
    np.save(tmp_path / "p.npy", PREDICTED)
    np.save(tmp_path / "y.npy", 0 * PREDICTED)
    return tmp_path


def lossctl(site: Path, *words: object):  # noqa: ANN201 - a Run
    path = environment()["PYTHONPATH"]
    return run_process(*words, cwd=site, PYTHONPATH=f"{site}:{path}")


@pytest.mark.parametrize("name", ["acme_losses.wing", "wing", "acme-losses.Wing", "WingLoss"])
def test_is_found_by_name(site: Path, name: str) -> None:
    done = lossctl(site, "compute", name, "p.npy", "y.npy", "--omega", 5, "-f", "json")
    assert (done.code, done.err) == (0, "")
    assert read_json(done.out)["name"] == "acme_losses.wing(omega=5.0)"


def test_is_listed_with_its_package(site: Path) -> None:
    done = lossctl(site, "list")
    assert (done.code, done.err) == (0, "")
    section = done.out.partition("acme_losses (package acme-losses)\n")[2]
    assert section.startswith("  landmarks\n    acme_losses.wing ")
    assert "acme_losses.wing" in lossctl(site, "compute", "--help").out
    shown = lossctl(site, "show", "wing", "-f", "json")
    assert read_json(shown.out)["losses"][0]["package"] == "acme-losses"
    listed = lossctl(site, "list", "--library", "acme_losses", "-f", "json")
    assert [one["key"] for one in read_json(listed.out)["losses"]] == ["acme_losses.wing"]


def test_has_a_command(site: Path) -> None:
    done = lossctl(site, "compute", "acme_losses.wing", "--help")
    assert (done.code, "--omega" in done.out) == (0, True)


def test_an_entry_point_may_be_one_loss(site: Path) -> None:
    both = own_loss("return input") + own_loss("return target", key="two").replace("f mine", "f t")
    write_package(site, "one", both, {"mine": "one:mine"})
    done = lossctl(site, "list", "-f", "json")
    keys = [one["key"] for one in read_json(done.out)["losses"]]
    assert [key for key in keys if "." in key and key.startswith(("acme", "one"))] == [
        "acme_losses.wing",
        "one.mine",
    ]


def test_a_name_in_two_packages_must_say_which(site: Path) -> None:
    write_package(site, "rival", WING, {"wing": "rival:wing"})
    done = lossctl(site, "compute", "wing", "p.npy", "y.npy")
    assert (done.code, "Use acme_losses.wing or rival.wing" in done.err) == (2, True)
    assert lossctl(site, "compute", "rival.wing", "p.npy", "y.npy").code == 0


def test_does_not_take_a_name_of_lossctl(site: Path) -> None:
    write_package(site, "thief", own_loss("return 0 * input - 1", key="mse"), {"mse": "thief"})
    done = lossctl(site, "compute", "mse", "p.npy", "y.npy", "-f", "value")
    assert float(done.out) == np.mean(PREDICTED**2)
    assert float(lossctl(site, "compute", "thief.mse", "p.npy", "y.npy", "-f", "value").out) == -1


BROKEN = {
    "import": ("import nowhere_at_all\n", "broken", "nowhere_at_all"),
    "exception": ("one = 1\nraise RuntimeError('no licence')\n", "broken", "no licence"),
    "gone": ("", "broken:gone", "gone"),
    "no module": ("", "elsewhere", "elsewhere"),
    "nothing": ("", "broken", "declares no loss"),
    "number": ("one = 1\n", "broken:one", "broken:one is not a loss"),
    "declaration": (own_loss("return input", "a: dict = {}"), "broken", "of type dict"),
    "clash": (WING + WING.replace('"wing",', '"wing2",').replace("f wing", "f w2"), "broken",
              "means both"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_package_is_told_of_and_left_out(site: Path, kind: str) -> None:
    code, value, text = BROKEN[kind]
    write_package(site, "broken", code, {"one": value})
    done = lossctl(site, "list")
    assert done.code == 0
    assert "acme_losses.wing" in done.out
    assert "broken." not in done.out
    (warning,) = done.warnings
    assert warning.startswith("the losses of the package broken are skipped: ")
    assert text in done.err
    assert "Traceback" not in done.err
    done = lossctl(site, "compute", "wing", "p.npy", "y.npy", "-f", "value")
    assert (done.code, len(done.warnings)) == (0, 1)
    done = lossctl(site, "compute", "mse", "p.npy", "y.npy", "-f", "value")
    assert (done.code, done.err) == (0, "")


def test_an_error_at_work_names_the_package(site: Path) -> None:
    write_package(site, "late", own_loss("return input + 1 / 0"), {"mine": "late"})
    done = lossctl(site, "compute", "late.mine", "p.npy", "y.npy")
    assert done.code == 2
    assert "line 7, in mine: ZeroDivisionError" in done.err
    assert "in the package late, not in lossctl" in done.err


def test_an_unknown_name_is_answered_with_theirs(site: Path) -> None:
    done = lossctl(site, "compute", "wign", "p.npy", "y.npy")
    assert (done.code, "acme_losses.wing" in done.err) == (2, True)


def test_a_name_of_lossctl_is_found_without_looking_at_packages(site: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command("compute", "mse", "p.npy", "y.npy")[1:]],
        cwd=site, env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "lossctl.losses.core.registry" in names
    assert not {"importlib.metadata", "lossctl.losses.custom.plugins"} & names
