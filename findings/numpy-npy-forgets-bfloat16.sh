#!/usr/bin/env bash
# NumPy 2.4.6 and ml-dtypes 0.6.0: an NPY file forgets that its numbers are bfloat16.
#
# numpy.save writes the arrays of JAX's small dtypes without a word, and numpy.load returns raw
# bytes of the same size (|V2, |V1). The file does not say which dtype it was: two dtypes of one
# size can no longer be told apart.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 ml-dtypes==0.6.0

cat > expected <<'EXPECTED'
bfloat16 is read as |V2 False
float8_e4m3fn is read as |V1 False
int4 is read as |V1 False
EXPECTED

env/bin/python > seen <<'PROGRAM'
import ml_dtypes
import numpy as np

for name in ("bfloat16", "float8_e4m3fn", "int4"):
    written = np.array([1, 2, 3], getattr(ml_dtypes, name))
    np.save("array.npy", written)
    read = np.load("array.npy")
    print(name, "is read as", read.dtype.str, bool(read.dtype == written.dtype))
PROGRAM

cat seen
diff expected seen || { echo "the behaviour has changed" >&2; exit 1; }
