"""Findings about label sequences: samples whose labels are too long for their frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lossctl.checks.findings.catalogue import Evidence, finding_type
from lossctl.checks.findings.context import CheckContext
from lossctl.checks.repairs.remedies import RepairKind
from lossctl.checks.result import Severity
from lossctl.engine.plan.plan import Plan
from lossctl.findings import Location
from lossctl.kinds import Kind
from lossctl.losses.core.declaration import Role
from lossctl.losses.sequence.losses import IMPOSSIBLE

MOST_LISTED = 5


@dataclass(frozen=True, slots=True)
class Lengths:
    """For each sample: its number of frames, and how many its labels need."""

    frames: NDArray[np.int64]
    needed: NDArray[np.int64]
    labels: NDArray[np.int64]


def measure_lengths(plan: Plan) -> Lengths | None:
    """Return the lengths of the samples of a loss of label sequences.

    Labels need a frame each, and equal ones in a row a blank between them. Without lengths, all
    frames count, and as many labels as are not 0.
    """
    rows = next((one.array for one in plan.inputs if one.kind == Kind.LABELS), None)
    if rows is None or rows.ndim != 2:
        return None
    arrays = [one.array for one in plan.inputs if one.kind == Kind.LENGTH]
    given = [one.reshape(-1).astype(np.int64) for one in arrays if one is not None]
    steps = plan.sizes.get("T") or 0
    if len(given) == 2:
        frames, counts = given
    else:
        frames, counts = np.full(len(rows), steps), np.count_nonzero(rows, axis=1)
    slots = np.arange(1, rows.shape[1])
    repeats = (rows[:, 1:] == rows[:, :-1]) & (slots < counts[:, np.newaxis])
    return Lengths(frames, counts + repeats.sum(axis=1), counts)


@finding_type(
    IMPOSSIBLE,
    Severity.ERROR,
    "label sequences that are too long for their frames: the loss is infinite",
    hides=("infinite_loss",),
)
def find_impossible_alignments(context: CheckContext) -> Iterator[Evidence]:
    """Find samples without any alignment, with their lengths."""
    lengths = measure_lengths(context.plan)
    if lengths is None:
        return
    bad = lengths.needed > lengths.frames
    mask = context.plan.mask
    if mask is not None:
        bad &= mask.source.whole().reshape(-1) != 0
    rows = np.flatnonzero(bad)
    if not len(rows):
        return
    listed = [
        {
            "sample": int(row),
            "frames": int(lengths.frames[row]),
            "labels": int(lengths.labels[row]),
            "needed": int(lengths.needed[row]),
        }
        for row in rows[:MOST_LISTED]
    ]
    shown = "; ".join(
        f"sample {one['sample']} has {one['frames']} frames and needs {one['needed']}"
        for one in listed
    )
    more = f"; and {len(rows) - MOST_LISTED} more" if len(rows) > MOST_LISTED else ""
    zero = bool(context.plan.loss.read_role(Role.INFINITE_AS_ZERO, context.plan.options))
    name = next(one.name for one in context.plan.inputs if one.kind == Kind.LABELS)
    left_out = f"~np.isin(np.arange({len(bad)}), {rows.tolist()})"
    yield Evidence(
        name,
        f"the labels of {len(rows)} of {len(bad)} samples are too long for their frames"
        f"{' (their loss counts as 0)' if zero else ''}: {shown}{more}",
        {"count": len(rows), "samples": listed},
        context.call.keep(RepairKind.LEAVE_OUT_IMPOSSIBLE, left_out),
        Severity.WARNING if zero else None,
        Location(sample=int(rows[0])),
    )
