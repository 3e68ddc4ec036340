"""Which states are merged: copies, names of inputs, and patterns."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.engine.sums.merge import find_states
from lossctl.errors import FileError, LossctlWarning, UsageError
from tests.support.command_line import run


class TestCopies:
    """A state of a whole run counts once."""

    @pytest.fixture
    def files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.chdir(tmp_path)
        for name in ("a", "b", "y"):
            np.save(f"{name}.npy", np.arange(5.0))
        return tmp_path

    def test_a_copy_is_refused(self, files: Path) -> None:
        lossctl.compute("mse", "a.npy", "y.npy", save_state="1.json")
        (files / "2.json").write_text((files / "1.json").read_text())
        with pytest.raises(UsageError, match=r"2.json is the same run as 1.json.*of a.npy, y"):
            lossctl.merge(["1.json", "2.json"])
        done = run("merge", "1.json", "2.json", "-f", "value")
        assert (done.code, done.out) == (2, "")
        assert lossctl.merge(["2.json"]).value == 0

    def test_a_run_done_twice_is_refused(self, files: Path) -> None:
        for state in ("1.json", "2.json"):
            lossctl.compute("mse", "a.npy", "y.npy", sample_weight="b.npy", save_state=state)
        with pytest.raises(UsageError, match=r"the same sums of a.npy, y.npy, b.npy"):
            lossctl.merge(["1.json", "2.json"])

    def test_other_runs_with_the_same_sums_merge(self, files: Path) -> None:
        lossctl.compute("mse", "a.npy", "y.npy", save_state="1.json")
        lossctl.compute("mse", "b.npy", "y.npy", save_state="2.json")
        (files / "deeper").mkdir()
        with contextlib.chdir(files / "deeper"):
            for name in ("a", "y"):
                np.save(f"{name}.npy", np.zeros(5))
            lossctl.compute("mse", "a.npy", "y.npy", save_state="../3.json")
        for weight in ("a.npy", "b.npy"):
            state = f"w-{weight}.json"
            lossctl.compute("mse", "a.npy", "y.npy", sample_weight=weight, save_state=state)
        assert lossctl.merge(["1.json", "2.json", "3.json"]).samples == 15
        assert lossctl.merge(["w-*.json"]).samples == 10

    def test_the_same_files_with_other_content_merge(self, files: Path) -> None:
        lossctl.compute("mse", "a.npy", "y.npy", save_state="1.json")
        np.save("a.npy", np.arange(5.0) + 1)
        lossctl.compute("mse", "a.npy", "y.npy", save_state="2.json")
        assert lossctl.merge(["1.json", "2.json"]).value == 0.5

    def test_arrays_have_no_names_so_that_it_is_a_warning(self, tmp_path: Path) -> None:
        paths = [tmp_path / f"{number}.json" for number in range(3)]
        for path in paths:
            lossctl.compute("l1", np.ones(4), np.zeros(4), save_state=path)
        said = (
            r"1.json contains the same sums as .*0.json; if it is a copy.*\(and 1 more like this\)"
        )
        with pytest.warns(LossctlWarning, match=said) as caught:
            merged = lossctl.merge(paths)
        assert (merged.samples, len(caught), len(merged.warnings)) == (12, 1, 1)
        assert lossctl.merge(paths[:1]).warnings == ()


class TestNamesOfParts:
    """Parts should be of the same files, wherever these are mounted."""

    @pytest.fixture
    def save(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        monkeypatch.chdir(tmp_path)

        def save(part: int, *inputs: str, **options: Any) -> None:
            for name in (*inputs, *options.values()):
                Path(name).parent.mkdir(exist_ok=True)
                np.save(name, np.arange(5.0))
            state = f"{part}.json"
            lossctl.compute("l1", *inputs, part=(part, 2), save_state=state, **options)

        return save

    def test_directories_may_differ(self, save: Callable[..., None]) -> None:
        save(1, "here/a.npy", "here/y.npy")
        save(2, "there/a.npy", "y.npy")
        assert lossctl.merge(["*.json"]).warnings == ()

    def test_names_that_differ_are_told(self, save: Callable[..., None]) -> None:
        save(1, "a.npy", "y.npy")
        save(2, "b.npy", "y.npy")
        said = "input is a.npy in 1.json and b.npy in 2.json"
        with pytest.warns(LossctlWarning, match=said):
            merged = lossctl.merge(["1.json", "2.json"])
        assert len(merged.warnings) == 1
        done = run("merge", "*.json", "-f", "value")
        assert (done.code, len(done.warnings)) == (0, 1)

    def test_names_of_weights_are_compared(self, save: Callable[..., None]) -> None:
        save(1, "a.npy", "y.npy", sample_weight="v.npy", mask="m.npy")
        save(2, "a.npy", "y.npy", sample_weight="w.npy", mask="n.npy")
        said = r"sample weight is v.npy in 1.json and w.npy in 2.json \(and 1 more like this\)"
        with pytest.warns(LossctlWarning, match=said):
            lossctl.merge(["1.json", "2.json"])


class TestPatterns:
    """Names of states may be patterns."""

    def test_natural_order(self, tmp_path: Path) -> None:
        for number in (1, 2, 10):
            (tmp_path / f"s-{number}.json").touch()
        found = find_states([f"{tmp_path}/s-*.json"])
        assert [path.name for path in found] == ["s-1.json", "s-2.json", "s-10.json"]

    def test_a_name_that_looks_like_a_pattern(self, tmp_path: Path) -> None:
        for name in ("[1].json", "1.json"):
            (tmp_path / name).touch()
        assert find_states([tmp_path / "[1].json"]) == [tmp_path / "[1].json"]

    def test_no_match(self, tmp_path: Path) -> None:
        (tmp_path / "part-1.json").touch()
        done = run("merge", "z*.json", cwd=tmp_path)
        assert (done.code, done.out) == (4, "")
        assert "z*.json: no such file, and no file matches the pattern" in done.err
        assert "part-1.json" in done.err.splitlines()[1]

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(FileError, match=r"(?s)z.json: No such file.*--save-state wrote"):
            lossctl.merge([tmp_path / "z.json"])
        with pytest.raises(FileError, match=r"(?s)is a directory.*/\*.json'"):
            lossctl.merge([tmp_path])
