"""Files that cannot be read: one clear message with place and remedy, and no output file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.command_line import save
from tests.support.small_files import DATA, FILE, FORMATS, LABELS, LOGITS, USAGE, Refuse


class TestFiles:
    @pytest.mark.parametrize("suffix", ["npy", "npz#x", "csv", "tsv", "parquet#a"])
    def test_missing(self, refuse: Refuse, suffix: str) -> None:
        name = f"nowhere.{suffix.partition('#')[0]}"
        refuse("mse", f"nowhere.{suffix}", "v.npy", code=FILE, words=(name, "no such file"))

    def test_missing_names_the_nearest(self, refuse: Refuse) -> None:
        refuse("ce", "logit.npy", "labels.npy", code=FILE, words=("Did you mean logits.npy",))

    def test_missing_file_of_an_option(self, refuse: Refuse) -> None:
        command = ("ce", "logits.npy", "labels.npy", "--weight", "nowhere.npy")
        refuse(*command, code=FILE, words=("nowhere.npy",))

    def test_a_directory(self, here: Path, refuse: Refuse) -> None:
        (here / "shards").mkdir()
        refuse("mse", "shards", "v.npy", code=FILE, words=("shards", "directory"))

    @pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
    def test_missing_column(self, here: Path, refuse: Refuse, suffix: str) -> None:
        name = save(here, "table", LOGITS, suffix)
        refuse(
            "mse", f"{name}#c9", f"{name}#c1",
            code=USAGE, words=(name, "'c9'", "Did you mean"),
        )  # fmt: skip
        refuse("mse", f"{name}#c0:zzz", f"{name}#c1", code=USAGE, words=(name, "'zzz'", "c0"))

    def test_missing_array_of_an_archive(self, here: Path, refuse: Refuse) -> None:
        np.savez(here / "run.npz", logits=LOGITS, labels=LABELS)
        refuse(
            "ce", "run.npz#logit", "run.npz#labels",
            code=USAGE, words=("run.npz", "'logit'", "Did you mean logits"),
        )  # fmt: skip
        refuse("ce", "run.npz", "run.npz#labels", code=USAGE, words=("logits, labels", "#"))

    def test_columns_of_a_file_that_has_none(self, refuse: Refuse) -> None:
        refuse("mse", "v.npy#x", "w.npy", code=USAGE, words=("v.npy", "#x"))

    @pytest.mark.parametrize("suffix", FORMATS)
    def test_empty(self, here: Path, refuse: Refuse, suffix: str) -> None:
        (here / f"x.{suffix}").touch()
        refuse("mse", f"x.{suffix}", "v.npy", code=DATA, words=(f"x.{suffix}", "empty"))

    @pytest.mark.parametrize("suffix", ["csv", "tsv"])
    def test_cell_that_is_no_number(self, here: Path, refuse: Refuse, suffix: str) -> None:
        delimiter = "," if suffix == "csv" else "\t"
        rows = ["a,b", "1,2", "3,4", "5,six"]
        (here / f"x.{suffix}").write_text("\n".join(rows).replace(",", delimiter) + "\n")
        words = (f"x.{suffix}", "'b'", "row 2", "line 4", "'six'")
        refuse("mse", f"x.{suffix}#a", f"x.{suffix}#b", code=DATA, words=words)

    def test_a_row_that_is_too_short(self, here: Path, refuse: Refuse) -> None:
        (here / "x.csv").write_text("a,b\n1,2\n3\n")
        refuse("mse", "x.csv#a", "x.csv#b", code=DATA, words=("x.csv", "line 3"))

    @pytest.mark.parametrize("keep", [-1, 100, 20, 3])
    def test_truncated_npy(self, here: Path, refuse: Refuse, keep: int) -> None:
        whole = (here / "logits.npy").read_bytes()
        (here / "x.npy").write_bytes(whole[:keep])
        refuse("ce", "x.npy", "labels.npy", code=DATA, words=("x.npy",))

    def test_truncated_npy_says_what_is_missing(self, here: Path, refuse: Refuse) -> None:
        whole = (here / "logits.npy").read_bytes()
        (here / "x.npy").write_bytes(whole[:-8])
        words = ("x.npy", "cut off", "(4, 3)", "96 bytes", "88")
        refuse("ce", "x.npy", "labels.npy", code=DATA, words=words)

    @pytest.mark.parametrize("at", [0, 7, 12, 40])
    def test_corrupt_npy(self, here: Path, refuse: Refuse, at: int) -> None:
        broken = bytearray((here / "v.npy").read_bytes())
        broken[at : at + 4] = b"\xff\xfe\xff\xff"
        (here / "x.npy").write_bytes(broken)
        refuse("mse", "x.npy", "w.npy", code=DATA, words=("x.npy",))

    @pytest.mark.parametrize("compressed", [False, True])
    def test_truncated_and_corrupt_npz(
        self, here: Path, refuse: Refuse, *, compressed: bool
    ) -> None:
        write = np.savez_compressed if compressed else np.savez
        write(here / "whole.npz", x=np.random.default_rng(0).normal(size=200))
        whole = (here / "whole.npz").read_bytes()
        (here / "x.npz").write_bytes(whole[: len(whole) // 2])
        refuse("l1", "x.npz", "whole.npz", code=DATA, words=("x.npz", "cut off"))
        if compressed:
            middle = len(whole) // 2
            (here / "x.npz").write_bytes(whole[:middle] + b"\0" * 30 + whole[middle + 30 :])
            refuse("l1", "x.npz", "whole.npz", code=DATA, words=("x.npz", "broken"))

    @pytest.mark.parametrize("part", [slice(0, -6), slice(0, 300), slice(0, 10)])
    def test_truncated_parquet(self, here: Path, refuse: Refuse, part: slice) -> None:
        save(here, "whole", LOGITS, "parquet")
        (here / "x.parquet").write_bytes((here / "whole.parquet").read_bytes()[part])
        words = ("x.parquet", "broken or cut off")
        refuse("mse", "x.parquet#c0", "v.npy", code=DATA, words=words)

    def test_corrupt_parquet(self, here: Path, refuse: Refuse) -> None:
        save(here, "whole", np.random.default_rng(0).normal(size=(500, 2)), "parquet")
        broken = bytearray((here / "whole.parquet").read_bytes())
        broken[4:60] = b"\xff" * 56
        (here / "x.parquet").write_bytes(broken)
        refuse("mse", "x.parquet#c0", "x.parquet#c1", code=DATA, words=("x.parquet", "broken"))

    def test_text_that_calls_itself_npy(self, here: Path, refuse: Refuse) -> None:
        (here / "x.npy").write_text("1\n2\n")
        refuse("mse", "x.npy", "v.npy", code=DATA, words=("x.npy", "NPY", ".csv"))

    @pytest.mark.parametrize("suffix", ["npy", "npz"])
    def test_pickled_objects(self, here: Path, refuse: Refuse, suffix: str) -> None:
        class Trap:
            def __reduce__(self) -> Any:
                return Path.mkdir, (here / "sprung",)

        objects = np.array([Trap(), 1], object)
        if suffix == "npy":
            np.save(here / "x.npy", objects, allow_pickle=True)
        else:
            np.savez(here / "x.npz", x=objects)
        words = (f"x.{suffix}", "pickle can run code", "dtype=float")
        refuse("mse", f"x.{suffix}", "v.npy", code=DATA, words=words)
        assert not (here / "sprung").exists()

    @pytest.mark.parametrize(
        ("array", "kind"), [([1 + 2j] * 4, "complex"), (list("abcd"), "text"), ([b"a"] * 4, "text")]
    )
    @pytest.mark.parametrize("suffix", ["npy", "npz"])
    def test_dtypes_that_are_no_numbers(
        self, here: Path, refuse: Refuse, array: Any, kind: str, suffix: str
    ) -> None:
        name = save(here, "x", array, suffix)
        refuse("mse", name, "v.npy", code=DATA, words=(f"x.{suffix}", kind))

    def test_text_columns_of_parquet(self, here: Path, refuse: Refuse) -> None:
        pq.write_table(pa.table({"a": [1.0, 2.0], "name": ["x", "y"]}), here / "x.parquet")
        words = ("x.parquet", "'name'", "string")
        refuse("mse", "x.parquet#name", "x.parquet#a", code=DATA, words=words)
        refuse("mse", "x.parquet", "x.parquet#a", code=USAGE, words=(*words, "x.parquet#a"))

    def test_lists_of_different_lengths_in_parquet(self, here: Path, refuse: Refuse) -> None:
        ragged = pa.table({"x": [[1.0, 2.0], [1.0]], "y": [0, 1]})
        pq.write_table(ragged, here / "x.parquet")
        refuse("ce", "x.parquet#x", "x.parquet#y", code=DATA, words=("x.parquet", "'x'", "row 1"))
