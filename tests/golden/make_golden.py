"""Write the golden values of the losses: ``python -m tests.golden.make_golden``.

Needs the reference libraries, which the tests that read the values do not. The same versions
write the same files; losses may be named as arguments, else all are written.
"""

from __future__ import annotations

import sys
import warnings
import zlib

import numpy as np

from tests.losses.golden_values import Golden, dump_golden
from tests.losses.matrix import KEYS, draw_cases, reductions
from tests.losses.references.references import find_library

SEED = 20261121
DIGITS = 6


def make_golden(key: str) -> list[Golden]:
    """Return the cases of a loss with the answers of its reference library."""
    answer = find_library(key).answer
    rng = np.random.default_rng([SEED, zlib.crc32(key.encode())])
    return [
        Golden(case, {name: answer(key, case, name) for name in reductions(key, case)})
        for case in draw_cases(key, rng, DIGITS)
    ]


def write_all(keys: tuple[str, ...]) -> None:
    """Write a file for each loss, and say how large it is."""
    unknown = [key for key in keys if key not in KEYS]
    if unknown:
        sys.exit(f"no loss {', '.join(unknown)}; 'lossctl list' shows the keys")
    for key in keys:
        library = find_library(key)
        name = f"{library.NAME} {library.VERSION}".strip()
        header = {"loss": key, "reference": name, "seed": SEED}
        golden = make_golden(key)
        path = dump_golden(key, header, golden)
        print(f"{path.name}: {len(golden)} cases, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    write_all(tuple(sys.argv[1:]) or KEYS)
