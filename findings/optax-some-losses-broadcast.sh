#!/usr/bin/env bash
# optax 0.2.8: (3,) predictions against (3, 1) targets are an error in some losses and 9 pairs in others.
#
# squared_error and l2_loss compare the shapes first. Their neighbours for the same inputs
# (huber_loss, log_cosh, hinge_loss, sigmoid_binary_cross_entropy) pair every prediction with
# every target and return (3, 3) losses, of which the mean is a plausible number.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install --quiet --disable-pip-version-check optax==0.2.8 jax==0.10.2 jaxlib==0.10.2

cat > expected <<'EXPECTED'
squared_error ValueError
l2_loss ValueError
huber_loss (3, 3)
log_cosh (3, 3)
hinge_loss (3, 3)
sigmoid_binary_cross_entropy (3, 3)
EXPECTED

env/bin/python > seen <<'PROGRAM'
import numpy as np
import optax

predictions, targets = np.zeros(3, np.float32), np.ones((3, 1), np.float32)
for name in ("squared_error", "l2_loss", "huber_loss", "log_cosh", "hinge_loss", "sigmoid_binary_cross_entropy"):
    try:
        print(name, getattr(optax.losses, name)(predictions, targets).shape)
    except ValueError:
        print(name, "ValueError")
PROGRAM

cat seen
diff expected seen || { echo "the behaviour has changed" >&2; exit 1; }
