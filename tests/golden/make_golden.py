"""Write the golden values of the losses of torch.nn: ``python -m tests.golden.make_golden``.

Needs torch, which the tests that read the values do not. The same version of torch writes the
same files; losses may be named as arguments, else all are written.
"""

from __future__ import annotations

import sys
import warnings
import zlib

import numpy as np

from tests.golden_values import Golden, dump_golden
from tests.matrix import KEYS, cases, reductions
from tests.torch_reference import answer, torch

SEED = 20261121
DIGITS = 6


def make_golden(key: str) -> list[Golden]:
    """Return the cases of a loss with torch's answers."""
    rng = np.random.default_rng([SEED, zlib.crc32(key.encode())])
    return [
        Golden(case, {name: answer(key, case, name) for name in reductions(key, case)})
        for case in cases(key, rng, DIGITS)
    ]


def write_all(keys: tuple[str, ...]) -> None:
    """Write a file for each loss, and say how large it is."""
    for key in keys:
        header = {"loss": key, "reference": f"torch {torch.__version__}", "seed": SEED}
        golden = make_golden(key)
        path = dump_golden(key, header, golden)
        print(f"{path.name}: {len(golden)} cases, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    write_all(tuple(sys.argv[1:]) or KEYS)
