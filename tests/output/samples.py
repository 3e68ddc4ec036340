"""Results and element streams for the tests of the output room, and the tests of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lossctl.engine.sums.result import Result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


def make_result(**changes: Any) -> Result:
    """Return a reduced result of ce, with some fields changed."""
    fields: dict[str, Any] = {
        "loss": "ce",
        "reduction": "mean",
        "value": 0.27990381,
        "elements": None,
        "total": 100.48546779,
        "denominator": 359.0,
        "denominator_name": "elements",
        "counted": 359,
        "ignored": 41,
        "samples": 400,
        "options": {"ignore_index": 0},
        "ignored_label": 0,
        "inputs": (("input", "logits.npy", (400, 39)), ("target", "labels.csv#y", (400,))),
        "shape": (400,),
    }
    return Result(**(fields | changes))


class SampleStream:
    """Per-element losses of an array, in blocks, as the engine streams them."""

    def __init__(
        self, array: NDArray[Any], block: int = 5, *, length_known: bool = True, fail_at: int = -1
    ) -> None:
        self.array = array
        self.block = block
        self.fail_at = fail_at
        self.dtype = array.dtype
        self.shape: tuple[int | None, ...] = array.shape
        if array.ndim and not length_known:
            self.shape = (None, *array.shape[1:])
        self.ended = False

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Yield the blocks."""
        flat = self.array.reshape(-1)
        for number, start in enumerate(range(0, flat.size, self.block)):
            if number == self.fail_at:
                raise KeyboardInterrupt
            yield flat[start : start + self.block]
        self.ended = True

    def result(self) -> Result:
        """Return the counts."""
        if not self.ended:
            raise RuntimeError("the counts were asked for before the end of the stream")
        samples = self.array.shape[0] if self.array.ndim else 1
        counts = {"counted": self.array.size, "ignored": 0, "samples": samples}
        return make_result(reduction="none", value=None, shape=self.array.shape, **counts)


def test_sample_stream_yields_every_element_in_order() -> None:
    array = np.arange(12.0).reshape(3, 4)
    stream = SampleStream(array)
    blocks = list(stream)
    assert [len(block) for block in blocks] == [5, 5, 2]
    np.testing.assert_array_equal(np.concatenate(blocks), array.reshape(-1))
    assert stream.result().shape == (3, 4)


def test_sample_stream_refuses_its_counts_before_the_end() -> None:
    stream = SampleStream(np.arange(3.0), length_known=False)
    assert stream.shape == (None,)
    with pytest.raises(RuntimeError, match="before the end"):
        stream.result()
