#!/usr/bin/env bash
# torchmetrics 1.8.2: the accuracy of logits depends on how they are cut into batches.
#
# Scores are taken for logits where a batch holds one outside [0, 1], and for probabilities
# elsewhere. Logits of 0.3 and 0.4 mean the positive class beside a logit of 2.0, and the negative
# one in a batch of their own: the same three samples have an accuracy of 1/3 or of 1.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install --quiet --disable-pip-version-check torchmetrics==1.8.2 torch==2.13.0 numpy==2.4.6

cat > expected <<'EXPECTED'
batches of 3 0.3333
batches of 1 1.0
EXPECTED

env/bin/python > seen <<'PROGRAM'
import torch
from torchmetrics.classification import BinaryAccuracy

logits, labels = torch.tensor([0.3, 0.4, 2.0]), torch.tensor([0, 0, 1])
for size in (3, 1):
    accuracy = BinaryAccuracy()
    for start in range(0, 3, size):
        accuracy.update(logits[start : start + size], labels[start : start + size])
    print("batches of", size, round(float(accuracy.compute()), 4))
PROGRAM

cat seen
diff expected seen || { echo "the behaviour has changed" >&2; exit 1; }
