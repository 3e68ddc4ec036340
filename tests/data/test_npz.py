"""NPZ archives as sources."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossctl.data import ArraySource, open_sources
from lossctl.errors import DataError, UsageError
from tests.data.test_npy import NUMBERS, open_one, read_in_blocks


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz_members(tmp_path: Path, save: Any, order: Any) -> None:
    array = np.asarray(NUMBERS, order=order)
    save(tmp_path / "run.npz", logits=array, target=np.arange(101), rate=np.float64(0.5))
    logits, target, rate = open_sources(
        [f"{tmp_path}/run.npz#{name}" for name in ("logits", "target", "rate")]
    )
    assert logits.shape == array.shape
    assert np.array_equal(read_in_blocks(logits, 9), array)
    assert np.array_equal(logits.whole(), array)
    assert np.array_equal(target.whole(), np.arange(101))
    assert rate.shape == ()
    assert float(rate.whole()) == 0.5
    for source in (logits, target, rate):
        source.close()


def test_stored_member_is_mapped(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=NUMBERS)
    source = open_one(tmp_path / "x.npz")
    assert isinstance(source, ArraySource)
    assert not source.array.flags.owndata


def test_npz_with_one_member_needs_no_fragment(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", NUMBERS)
    for fragment in ("", "#arr_0", "#arr_0.npy"):
        source = open_one(f"{tmp_path}/x.npz{fragment}")
        assert np.array_equal(source.whole(), NUMBERS)
        source.close()


def test_npz_choices(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", logits=NUMBERS, target=NUMBERS)
    with pytest.raises(UsageError, match=r"(?s)contains 2 arrays: logits, target.*x.npz#logits"):
        open_sources([tmp_path / "x.npz"])
    with pytest.raises(UsageError, match=r"(?s)no array 'logit'.*Did you mean logits"):
        open_sources([f"{tmp_path}/x.npz#logit"])
    with pytest.raises(UsageError, match="several arrays"):
        open_sources([f"{tmp_path}/x.npz#logits,target"])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_broken_npz(tmp_path: Path, save: Any) -> None:
    path = tmp_path / "x.npz"
    save(path, x=NUMBERS)
    content = path.read_bytes()
    path.write_bytes(content[:-30])
    with pytest.raises(DataError, match="broken or cut off"):
        open_sources([path])


def test_compressed_member_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x=NUMBERS)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    source = open_one(path)
    with pytest.raises(DataError, match=r"x\.npz"):
        source.whole()
    source.close()


def test_archives_of_other_kinds(tmp_path: Path) -> None:
    for name, what in (("archive/data.pkl", "PyTorch"), ("[Content_Types].xml", "office")):
        with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
            archive.writestr(name, b"")
        with pytest.raises(DataError, match=what):
            open_sources([tmp_path / "x.npz"])
