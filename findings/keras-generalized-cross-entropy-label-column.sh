#!/usr/bin/env bash
# Keras 3.15.1: a column of labels (N, 1) gives CategoricalGeneralizedCrossEntropy N x N losses.
#
# SparseCategoricalCrossentropy takes integer labels as (N,) and as (N, 1) alike. The generalized
# cross entropy takes both too, but with (N, 1) the probability of every label is taken in every
# row: (N, N) losses, and a mean that is another number than that of (N,).
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install --quiet --disable-pip-version-check keras==3.15.1 torch==2.13.0 numpy==2.4.6

cat > expected <<'EXPECTED'
SparseCategoricalCrossentropy (3,) (3,) 0.3635 0.3635
CategoricalGeneralizedCrossEntropy (3,) (3, 3) 0.3295 0.9342
EXPECTED

KERAS_BACKEND=torch env/bin/python > seen <<'PROGRAM'
import keras
import numpy as np

labels = np.array([[0], [1], [2]])
probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]], np.float32)
for name in ("SparseCategoricalCrossentropy", "CategoricalGeneralizedCrossEntropy"):
    loss = getattr(keras.losses, name)
    shapes = [tuple(loss(reduction=None)(y, probabilities).shape) for y in (labels[:, 0], labels)]
    means = [round(float(loss()(y, probabilities)), 4) for y in (labels[:, 0], labels)]
    print(name, *shapes, *means)
PROGRAM

cat seen
diff expected seen || { echo "the behaviour has changed" >&2; exit 1; }
