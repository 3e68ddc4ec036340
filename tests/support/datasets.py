"""Small datasets for the evaluator, in memory and in files of every format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FORMATS = ("parquet", "csv", "tsv", "jsonl", "arrow", "csv.gz")
REGIONS = ("EU", "US", "Asia, South")


def make_frame(rows: int = 500, seed: int = 0) -> pd.DataFrame:
    """Return predictions of two models with targets, and columns to slice by."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, 3))
    return pd.DataFrame(
        {
            "id": [f"row-{number}" for number in range(rows)],
            "pred": rng.normal(size=rows),
            "other": rng.normal(size=rows),
            "target": rng.normal(size=rows),
            "label": rng.integers(0, 3, rows),
            "logit_0": logits[:, 0],
            "logit_1": logits[:, 1],
            "logit_2": logits[:, 2],
            "weight": rng.uniform(0.1, 2, rows),
            "region": rng.choice(REGIONS, rows),
            "device": rng.choice(["phone", "desk"], rows),
            "age": rng.integers(1, 90, rows),
            "patient": rng.integers(0, 40, rows),
        }
    )


def write(frame: pd.DataFrame, path: Path) -> str:
    """Write a frame in the format of a file's suffix."""
    name = path.name
    if name.endswith(".parquet"):
        frame.to_parquet(path, row_group_size=70)
    elif name.endswith(".jsonl"):
        frame.to_json(path, orient="records", lines=True, double_precision=15)
    elif name.endswith(".arrow"):
        frame.to_feather(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if ".tsv" in name else ",")
    return str(path)


def by_label(evaluation: Any, loss: str | None = None, model: str | None = None) -> dict[Any, Any]:
    """Return the slices of an evaluation by their labels."""
    return {
        row.labels: row
        for row in evaluation.slices
        if (loss is None or row.loss == loss) and (model is None or row.model == model)
    }
