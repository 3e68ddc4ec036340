#!/usr/bin/env bash
# Keras 3.15.1: where every label is ignored, the mean loss is 0, that of a perfect model.
#
# The sum of no losses is divided by a denominator that is kept above 0. PyTorch 2.13.0 gives NaN
# for the same data. A wrong ignore_class, or labels that were never filled in, therefore looks
# like a model without any error, and passes a gate that asks for a loss below some number.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install --quiet --disable-pip-version-check keras==3.15.1 torch==2.13.0 numpy==2.4.6

cat > expected <<'EXPECTED'
keras 0.0
torch nan
EXPECTED

KERAS_BACKEND=torch env/bin/python > seen <<'PROGRAM'
import keras
import numpy as np
import torch

labels = np.zeros(3, np.int64)
probabilities = np.array([[0.01, 0.99], [0.02, 0.98], [0.03, 0.97]], np.float32)
loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=0)
print("keras", float(loss(labels, probabilities)))
logs = torch.tensor(probabilities).log()
print("torch", float(torch.nn.functional.nll_loss(logs, torch.tensor(labels), ignore_index=0)))
PROGRAM

cat seen
diff expected seen || { echo "the behaviour has changed" >&2; exit 1; }
