"""An evaluation made by hand, with everything in it that an evaluation may have."""

from __future__ import annotations

from typing import Any

from lossctl.evaluation.result import (
    Comparison,
    Estimate,
    Evaluation,
    Interval,
    SliceRow,
    Verdict,
    WorstRow,
)


def make_interval(middle: float, error: float = 0.0123456789, level: float = 0.95) -> Interval:
    half = 1.959963984540054 * error
    return Interval(level, middle - half, middle + half, "normal", error)


def make_estimate(model: str, loss: str, value: float, **changes: Any) -> Estimate:
    facts: dict[str, Any] = {
        "total": value * 899,
        "denominator": 899.0,
        "denominator_name": "elements",
        "counted": 899,
        "interval": make_interval(value),
    }
    return Estimate(model, loss, value, **(facts | changes))


def make_slice(label: str, value: float, rows: int, **changes: Any) -> SliceRow:
    facts: dict[str, Any] = {
        "by": ("ink_band",),
        "labels": (label,),
        "model": "network",
        "loss": "ce",
        "share": value * rows / (0.2977794006308699 * 899),
        "gap": value - 0.2977794006308699,
        "interval": make_interval(value, 0.03),
    }
    return SliceRow(value=value, rows=rows, counted=rows, **(facts | changes))


def make_evaluation(**changes: Any) -> Evaluation:
    """Return two models, two losses, slices, comparisons, worst rows and gates."""
    estimates = tuple(
        make_estimate(model, loss, value)
        for model, loss, value in (
            ("network", "ce", 0.29777940063086994),
            ("network", "zero_one", 0.0711902113459399),
            ("other", "ce", 0.1977794006308699),
            ("other", "zero_one", 0.05672969966629588),
        )
    )
    slices = (
        make_slice("heavy", 0.4123456789, 299),
        make_slice("light", 0.2612345678, 300),
        make_slice("medium", 0.22, 300),
        make_slice("heavy", 0.25, 299, model="other", gap=0.05),
        make_slice("light", 0.2, 300, model="other", gap=0.0),
        make_slice("medium", 0.15, 300, model="other", gap=-0.05),
    )
    facts: dict[str, Any] = {
        "rows": 899,
        "matched": None,
        "dropped": 0,
        "models": ("network", "other"),
        "losses": ("ce", "zero_one"),
        "overall": estimates,
        "slices": slices,
        "comparisons": (
            Comparison(
                "ce", "other", "network", (), (), -0.1, make_interval(-0.1), 1.5e-7, 500, 0, 399
            ),
            Comparison(
                "ce",
                "other",
                "network",
                ("ink_band",),
                ("heavy",),
                -0.16,
                make_interval(-0.16),
                0.001,
                200,
                9,
                90,
                True,
                0.003,
            ),
            Comparison(
                "ce",
                "other",
                "network",
                ("ink_band",),
                ("light",),
                0.06,
                make_interval(0.06),
                0.3,
                150,
                0,
                150,
                False,
                0.3,
            ),
        ),
        "worst": (
            WorstRow("network", "ce", 1, 831, 6.487767277340142, "1662", {"label": "8"}),
            WorstRow("network", "ce", 2, 813, 5.0335143785190235, "1627", {"label": "9"}),
        ),
        "verdicts": (
            Verdict("ce > 0.3", True, 0.29777940063086994, 0.3, "network"),
            Verdict("max(ce by ink_band) > 0.4", False, 0.4123456789, 0.4, "ink_band=heavy"),
        ),
        "settings": {"pred": ["network=preds.npy", "other=b.npy"], "ci": 0.95},
    }
    return Evaluation(**(facts | changes))
