#!/usr/bin/env bash
# Keras 3.15.1: the loss and the metric of one name differ by a factor under sample_weight.
#
# keras.losses.MeanSquaredError divides the weighted sum by the number of samples, and
# keras.metrics.MeanSquaredError by the sum of the weights. With weights that leave three of four
# samples out, one prints 0.25 and the other 1.0 for the same four errors of 1.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install --quiet --disable-pip-version-check keras==3.15.1 torch==2.13.0 numpy==2.4.6

cat > expected <<'EXPECTED'
MeanSquaredError loss 0.25 metric 1.0
MeanAbsoluteError loss 0.25 metric 1.0
EXPECTED

KERAS_BACKEND=torch env/bin/python > seen <<'PROGRAM'
import keras
import numpy as np

targets, predictions = np.zeros((4, 1)), np.ones((4, 1))
weights = np.array([0.0, 0.0, 0.0, 1.0])
for name in ("MeanSquaredError", "MeanAbsoluteError"):
    loss = getattr(keras.losses, name)()(targets, predictions, sample_weight=weights)
    metric = getattr(keras.metrics, name)()
    metric.update_state(targets, predictions, sample_weight=weights)
    print(name, "loss", float(loss), "metric", float(metric.result()))
PROGRAM

cat seen
diff expected seen || { echo "the behaviour has changed" >&2; exit 1; }
