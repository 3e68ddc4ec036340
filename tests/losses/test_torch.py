"""Agreement with PyTorch itself: on the matrix with new numbers, and on PyTorch's own samples."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from lossctl.errors import DataError
from tests.losses.comparison import compute, differences, disagreements, tolerance
from tests.losses.declare import known
from tests.losses.matrix import draw_seeded, keys_of, reductions

if TYPE_CHECKING:
    from tests.losses.references.torch_samples import Sample

pytest.importorskip("torch")

KEYS = keys_of("torch")
SEEDS = (1, 2, 3)
SHOWN = 20
SAMPLES_RELATIVE = 1e-9
AGREED_AT_LEAST = 1000


@pytest.mark.parametrize("key", KEYS)
def test_agrees_with_torch(key: str) -> None:
    """Every case of the matrix agrees, on inputs of full precision and several seeds."""
    from tests.losses.references.torch_reference import answer

    wrong = []
    for seed in SEEDS:
        for case in draw_seeded(key, seed):
            expected = {name: answer(key, case, name) for name in reductions(key, case)}
            wrong += [f"seed {seed}: {line}" for line in disagreements(key, case, expected)]
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:SHOWN]])


def test_every_loss_of_torch_is_there() -> None:
    """Each class of torch.nn has its loss, and each loss its class."""
    import torch

    retired = {"NLLLoss2d", "AdaptiveLogSoftmaxWithLoss"}
    theirs = {name for name in dir(torch.nn) if name.endswith("Loss")} - retired
    references = [known(key).reference for key in KEYS]
    assert theirs == {one.class_name for one in references if one}


def test_agrees_on_the_samples_of_torch() -> None:
    """PyTorch's sample inputs agree; what lossctl refuses on purpose is a DataError."""
    from tests.losses.references.torch_samples import list_samples, refusal

    agreed: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    wrong = []
    for sample in list_samples():
        reason = refusal(sample)
        if reason is not None:
            with pytest.raises(DataError):
                compute(sample.key, sample.case, sample.reduction)
            refused[reason] += 1
            continue
        lines = compare_sample(sample)
        wrong += lines
        agreed[sample.key] += not lines
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:SHOWN]])
    assert agreed.total() >= AGREED_AT_LEAST, (agreed, refused)
    # Every sample of margin_ranking has a 0 among its signs.
    assert set(agreed) == set(KEYS) - {"margin_ranking"}
    assert set(refused) == {"targets that are not signs", "targets that torch broadcasts"}, refused


def compare_sample(sample: Sample) -> list[str]:
    """Say where lossctl's answer to one of PyTorch's samples differs."""
    where = f"{sample.key} [{sample.case.id}] {sample.reduction}"
    actual = compute(sample.key, sample.case, sample.reduction)
    if actual.shape != sample.expected.shape:
        return [f"{where}: shape {actual.shape}, expected {sample.expected.shape}"]
    elements = compute(sample.key, sample.case, "none")
    expected = {"none": elements, sample.reduction: sample.expected}
    allowed = tolerance(sample.key, sample.case, expected, sample.reduction, SAMPLES_RELATIVE)
    return [f"{where}{text}" for text in differences(actual, sample.expected, allowed)]
