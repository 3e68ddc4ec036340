"""Write the Arrow and Parquet files of other writers that tests read; needs polars and arro3-io.

Run it as ``python make_files.py`` in its folder. The files at hand are of Polars 2.1.0 and
arro3-io 0.9.1 (arrow-rs).
"""

from __future__ import annotations

from typing import Any

NAMES = ["bird", "cat", "dog"]


def main() -> None:
    """Write the files."""
    import arro3.io
    import polars as pl

    frame = pl.DataFrame(
        {
            "p": [1.0, 0.25, -2.0],
            "t": [2.0, 0.5, -1.0],
            "l0": [0.1, 0.2, 0.3],
            "l1": [1.0, 2.0, 0.1],
            "l2": [1.5, 2.5, 0.2],
            "text": ["cat", "dog", "bird"],
            "category": pl.Series(["cat", "dog", "bird"], dtype=pl.Categorical),
            "enum": pl.Series(["cat", "dog", "bird"], dtype=pl.Enum(NAMES)),
            "big": pl.Series([1, 2, 3], dtype=pl.Int128),
        }
    )

    codecs: tuple[Any, ...] = ("uncompressed", "lz4", "zstd")
    for codec in codecs:
        frame.write_ipc(f"polars-{codec}.arrow", compression=codec)
        frame.write_ipc_stream(f"polars-{codec}.arrows", compression=codec)
    frame.write_parquet("polars.parquet")
    table = frame.drop("big", "category", "enum")
    arro3.io.write_ipc(table, "arrow-rs.arrow", compression=None)
    arro3.io.write_ipc_stream(table, "arrow-rs.arrows", compression=None)


if __name__ == "__main__":
    main()
