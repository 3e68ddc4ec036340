"""A custom loss: the wing loss, for landmarks on faces."""

from typing import Annotated

import numpy as np

from lossctl import Option, loss, real


@loss("wing", inputs=(real("input", "*"), real("target", "*")))
def wing(
    input: np.ndarray,
    target: np.ndarray,
    *,
    omega: Annotated[float, Option("where the logarithm ends", above=0)] = 10.0,
    epsilon: Annotated[float, Option("how steep it is near zero", above=0)] = 2.0,
) -> np.ndarray:
    """Logarithmic near zero, absolute error beyond omega (Feng et al. 2018)."""
    distance = np.abs(input - target)
    step = omega - omega * np.log1p(omega / epsilon)
    return np.where(distance < omega, omega * np.log1p(distance / epsilon), distance - step)
