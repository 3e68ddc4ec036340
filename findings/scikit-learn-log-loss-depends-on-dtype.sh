#!/usr/bin/env bash
# scikit-learn 1.9.1: log_loss of the same probabilities depends on the dtype they are stored in.
#
# Probabilities are clipped to the machine epsilon of their dtype, so a confident mistake costs 36.0
# in float64, 15.9 in float32 and 6.9 in float16. 0, 0.5 and 1 are exact in all three: no rounding
# of the numbers explains the difference. Two models whose predictions were saved with different
# dtypes cannot be compared by log_loss once one of them is sure and wrong.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install --quiet --disable-pip-version-check scikit-learn==1.9.1 numpy==2.4.6

cat > expected <<'EXPECTED'
float64 24.2602
float32 10.8593
float16 4.8516
EXPECTED

env/bin/python > seen <<'PROGRAM'
import numpy as np
from sklearn.metrics import log_loss

labels = [0, 1, 0]
probabilities = np.array([1.0, 0.0, 0.5])
for dtype in (np.float64, np.float32, np.float16):
    print(dtype.__name__, round(float(log_loss(labels, probabilities.astype(dtype))), 4))
PROGRAM

cat seen
diff expected seen || { echo "the behaviour has changed" >&2; exit 1; }
