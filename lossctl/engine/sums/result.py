"""The result of a computation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGE_TENSOR = 64
"""Options with more numbers than this are described, not written out."""


@dataclass(frozen=True, slots=True)
class Result:
    """The value of a loss over files or arrays, with everything needed to trace the number.

    ``value`` is the reduced loss (None for reduction ``none``), ``elements`` the per-element
    losses in the reference library's shape (None for reduced results). ``counted`` elements
    contributed; ``ignored``, ``masked`` and ``omitted`` (NaN) ones did not; ``clamped`` counts
    elements whose logarithm or probability was clamped. ``value`` = ``total / denominator`` (or
    the ``transform`` of it), and ``denominator_name`` says what the denominator is.
    """

    loss: str
    reduction: str
    value: float | None
    elements: NDArray[Any] | None
    total: float
    denominator: float
    denominator_name: str
    counted: int
    ignored: int = 0
    masked: int = 0
    omitted: int = 0
    clamped: int = 0
    nan: int = 0
    """Elements that count although their loss is NaN."""
    samples: int = 0
    dtype: str = "float64"
    options: dict[str, Any] = field(default_factory=dict)
    """Options that differ from their defaults, in the order of the declaration."""
    given: dict[str, str] = field(default_factory=dict)
    """Tensor-valued options as the user wrote them (a file, a comma list)."""
    inputs: tuple[tuple[str, str, tuple[int, ...]], ...] = ()
    """Name of the input, where it came from, its shape."""
    shape: tuple[int, ...] = ()
    """Shape of the per-element losses."""
    transform: str = ""
    """What was done with the quotient to get the value, such as a square root."""
    part: tuple[int, int] | None = None
    """Which part of how many this is; None if it is everything."""
    warnings: tuple[str, ...] = ()
    ignored_label: Any = None
    """The ignored label, if there is one."""

    @property
    def name(self) -> str:
        """The canonical name: the loss with the options that differ from their defaults."""
        if not self.options:
            return self.loss
        shown = ", ".join(
            f"{key}={self.given.get(key) or format_option(value)}"
            for key, value in self.options.items()
        )
        return f"{self.loss}({shown})"

    def __float__(self) -> float:
        """Return the reduced value."""
        if self.value is None:
            raise TypeError("a result of reduction 'none' has .elements, not one value")
        return self.value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the value, or the per-element losses, as an array."""
        data = self.elements if self.elements is not None else np.float64(float(self))
        return np.array(data, dtype=dtype, copy=copy)


def format_option(value: Any) -> str:
    """Return an option's value as it is written in a canonical name."""
    if isinstance(value, np.ndarray):
        if value.size <= 16:
            numbers = (repr(number).removesuffix(".0") for number in value.reshape(-1).tolist())
            return f"[{','.join(numbers)}]"
        return f"array{value.shape}"
    return str(value).lower() if isinstance(value, bool) else str(value)
