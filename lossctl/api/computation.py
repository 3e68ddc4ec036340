"""The public Python API: everything that a command does is one call of these functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

from lossctl import __version__
from lossctl.api.writers import open_text
from lossctl.engine.plan.call import make_call
from lossctl.engine.run import elements as engine
from lossctl.engine.sums.result import Result
from lossctl.errors import UsageError
from lossctl.losses.core.declaration import Loss
from lossctl.losses.core.description import compare as compare_declarations
from lossctl.losses.core.description import describe as describe_declaration
from lossctl.losses.core.registry import choose_losses, find, list_file, list_losses

Path = str | PathLike[str]


def compute(
    loss: str | Loss,
    *inputs: Any,
    reduction: str | None = None,
    sample_weight: Any = None,
    mask: Any = None,
    class_axis: int = 1,
    classes: Any = None,
    squeeze: bool = False,
    nan: str = "propagate",
    dtype: str = "float64",
    threads: int | None = None,
    part: str | tuple[int, int] | None = None,
    save_state: Path | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    **options: Any,
) -> Result:
    """Compute a loss over arrays or files.

    ``loss`` is any name that ``lossctl list`` shows, a loss of your own as ``"FILE.py:NAME"``, or
    a declared loss itself; ``inputs`` are arrays or references such as
    ``"eval.parquet#logit_0:logit_9"``, in torch's order (predictions first) or by name, and
    ``options`` are the loss's own under torch's names. Inputs are read block by block.

    ``reduction`` is none, mean, sum, batchmean, sum_over_batch_size or mean_with_sample_weight;
    by default it is the loss's own: mean, or sum_over_batch_size for those of Keras.
    ``sample_weight`` and ``mask`` (0 leaves out) have one number per sample, or the shape of the
    losses. ``class_axis`` says where the classes are; ``classes`` are their names, in the order
    of the indices, for labels that are texts and tables whose columns are called so (a list, a
    comma list or a file of one a line); ``squeeze`` drops axes of length 1;
    ``nan`` is propagate, omit or error; ``dtype`` (float64, float32) is what elements are
    computed in, sums are always float64; ``threads`` defaults to all cores.

    ``part`` ("3/40") works on one of so many parts of the blocks only, and ``save_state`` stores
    the sums for :func:`merge`. The rows of text files are counted first, so that they can be cut
    into parts; what comes through a pipe cannot. ``progress`` is called with the samples done and
    the samples there are (None if not known yet).

    Returns a :class:`~lossctl.engine.sums.result.Result` with ``value``, or ``elements`` (an
    array of torch's shape) for the reduction ``none``, the counts and the denominator. Warns with
    LossctlWarning. Raises UsageError, DataError or FileError.
    """
    if reduction == "none":
        _refuse_parts(part=part, save_state=save_state)
    if part is not None and save_state is None:
        raise UsageError("a part is of no use without its state", "Add --save-state FILE.")
    call = make_call(
        loss,
        inputs,
        options,
        reduction=reduction,
        sample_weight=sample_weight,
        mask=mask,
        classes=classes,
        class_axis=class_axis,
        squeeze=squeeze,
        nan=nan,
        dtype=dtype,
        threads=threads,
        part=_parse_part(part) if isinstance(part, str) else part,
    )
    stream = engine.Elements(call.plan(), progress)
    result = engine.compute(stream)
    if save_state is not None:
        _save_state(stream, save_state)
    return result


def elements(
    loss: str | Loss,
    *inputs: Any,
    sample_weight: Any = None,
    mask: Any = None,
    class_axis: int = 1,
    classes: Any = None,
    squeeze: bool = False,
    nan: str = "propagate",
    dtype: str = "float64",
    threads: int | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    **options: Any,
) -> engine.Elements:
    """Compute per-element losses as a stream of blocks: flat memory for files of any size.

    Takes what :func:`compute` takes, but for reductions and parts. Iterate over what is returned,
    then call its ``result()`` for the counts; its ``shape`` has None where the length is not known
    before the end.
    """
    _refuse_parts(**{name: options.get(name) for name in ("reduction", "part", "save_state")})
    call = make_call(
        loss,
        inputs,
        options,
        reduction="none",
        sample_weight=sample_weight,
        mask=mask,
        classes=classes,
        class_axis=class_axis,
        squeeze=squeeze,
        nan=nan,
        dtype=dtype,
        threads=threads,
    )
    return engine.Elements(call.plan(), progress)


def merge(paths: Sequence[Path]) -> Result:
    """Add up states that ``save_state`` stored: all parts of one run, or runs over several files.

    ``paths`` are files or patterns, such as ``"part-*.json"``. Merged parts give the same bits as
    one run over everything. Raises UsageError where states do not belong together, where a part
    is missing, and where one is given twice, if only as a copy.
    """
    from lossctl.engine.sums.merge import find_states
    from lossctl.engine.sums.merge import merge as merge_states
    from lossctl.engine.sums.state import read_state

    return merge_states([read_state(path) for path in find_states(paths)])


def describe(loss: str | Loss) -> dict[str, Any]:
    """Return everything that the declaration of a loss says, as plain data."""
    return describe_declaration(find(loss))


def describe_all(
    family: str | None = None, library: str | None = None, file: Path | None = None
) -> list[dict[str, Any]]:
    """Return the descriptions of all losses, those of installed packages included.

    ``family`` and ``library`` choose among them; ``file`` is a Python file whose losses are
    described instead.
    """
    losses = list_losses() if file is None else list_file(str(file))
    return [describe_declaration(one) for one in choose_losses(losses, family, library)]


def compare_definitions(*losses: str | Loss) -> dict[str, Any]:
    """Return where the definitions of losses differ, by their declarations alone.

    ``differences`` lists facts (formula, inputs, options, clipping, denominator, …) with one
    value per loss, ``same`` those that are equal.
    """
    if len(losses) < 2:
        raise UsageError("a comparison needs two losses or more", "Name another one.")
    return compare_declarations([find(one) for one in losses])


def _refuse_parts(**given: Any) -> None:
    """Refuse what only reduced results have."""
    for name, value in given.items():
        if value is not None:
            raise UsageError(
                f"per-element losses have no {name.replace('_', ' ')}: they are not added up",
                "Compute a reduction, such as mean.",
            )


def _parse_part(text: str) -> tuple[int, int]:
    try:
        part, parts = map(int, text.split("/"))
    except ValueError:
        raise UsageError(f"{text!r} is no part", "Write it as 3/40: the third of forty.") from None
    return part, parts


def _save_state(stream: engine.Elements, path: Path) -> None:
    from lossctl.engine.sums.state import State
    from lossctl.engine.sums.summary import Summary

    summary = Summary.of(stream.plan)
    state = State.of(str(path), __version__, summary, stream.partial, stream.samples)
    with open_text(path) as file:
        file.write(state.encode() + "\n")
