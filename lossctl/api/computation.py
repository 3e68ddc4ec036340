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
from lossctl.findings import OptionName, Sentence
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

    Inputs are read block by block, so that files may be larger than memory.

    >>> import lossctl
    >>> lossctl.compute("ce", [[2.0, 0.5], [0.2, 1.5]], [0, 1], reduction="sum").value
    0.4424217318157446

    Returns:
        A :class:`~lossctl.engine.sums.result.Result`: ``value``, or for the reduction ``none``
        ``elements``, an array of torch's shape; both in the unit of the loss. Also the counts and
        the denominator. Doubtful inputs are reported with LossctlWarning.

    Raises:
        UsageError:
        DataError:
        FileError:
        CustomLossError:

    """
    if reduction == "none":
        _reject_parts(part=part, save_state=save_state)
    if part is not None and save_state is None:
        raise UsageError(
            "part needs a file for its state",
            Sentence.of("Add {save_state}.", OptionName("save_state", "FILE")),
        )
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
    if save_state is not None:
        from lossctl.data import reject_overwriting

        reject_overwriting([save_state], call.files)
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

    >>> import lossctl
    >>> stream = lossctl.elements("mse", [1.0, 2.0, 3.0], [1.0, 2.0, 5.0])
    >>> [block.tolist() for block in stream]
    [[0.0, 0.0, 4.0]]
    >>> stream.result().samples
    3

    Returns:
        An iterable of arrays of losses, in the unit of the loss. Its ``result()`` has the counts
        after the last block; its ``shape`` has None where the length is not known before the end.

    Raises:
        UsageError: as for :func:`compute`; also ``reduction``, ``part`` or ``save_state``.
        DataError: raised while iterating too.
        FileError:
        CustomLossError:

    """
    _reject_parts(**{name: options.get(name) for name in ("reduction", "part", "save_state")})
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
    """Merge states that ``save_state`` stored: all parts of one run, or runs over several files.

    Merged parts give the same bits as one run over everything.

    Args:
        paths: files or glob patterns, such as ``"part-*.json"``.

    Returns:
        The :class:`~lossctl.engine.sums.result.Result` of all samples, as :func:`compute` returns.

    Raises:
        UsageError: states of different computations, a missing part, or a state given twice, even
            as a copy.
        DataError: a file that is not a state, or is damaged.
        FileError:

    """
    from lossctl.engine.sums.merge import find_states
    from lossctl.engine.sums.merge import merge as merge_states
    from lossctl.engine.sums.state import read_state

    return merge_states([read_state(path) for path in find_states(paths)])


def describe(loss: str | Loss) -> dict[str, Any]:
    """Return the declaration of a loss as plain data.

    Args:
        loss:

    Returns:
        A dict ready for JSON: key, aliases, family, formula, unit, inputs, options with bounds and
        defaults, facts, gradient, notes (``traps``), source and example.

    Raises:
        UsageError: an unknown loss.
        CustomLossError:

    """
    return describe_declaration(find(loss))


def describe_all(
    family: str | None = None, library: str | None = None, file: Path | None = None
) -> list[dict[str, Any]]:
    """Return the descriptions of all losses, those of installed packages included.

    Args:
        family: only losses of this family, such as ``"regression"``.
        library: only losses of this library, such as ``"keras"``.
        file: a Python file, whose losses are described instead.

    Returns:
        The dicts that :func:`describe` returns, ordered by library and key.

    Raises:
        UsageError: an unknown family or library.
        FileError:
        CustomLossError:

    """
    losses = list_losses() if file is None else list_file(str(file))
    return [describe_declaration(one) for one in choose_losses(losses, family, library)]


def compare_definitions(*losses: str | Loss) -> dict[str, Any]:
    """Compare the definitions of losses, by their declarations alone.

    Args:
        losses: two or more names or declared losses.

    Returns:
        A dict: ``losses`` has their keys, ``differences`` the facts that differ (formula, inputs,
        options, clipping, denominator, …) with one value per loss, ``same`` those that are equal.

    Raises:
        UsageError: an unknown loss, or fewer than two.
        CustomLossError:

    """
    if len(losses) < 2:
        raise UsageError("a comparison needs at least two losses", "Name another one.")
    return compare_declarations([find(one) for one in losses])


def _reject_parts(**given: Any) -> None:
    """Reject arguments that only reduced results have."""
    for name, value in given.items():
        if value is not None:
            raise UsageError(
                f"per-element losses have no {name.replace('_', ' ')}: they are not summed",
                "Compute a reduction, such as mean.",
            )


def _parse_part(text: str) -> tuple[int, int]:
    try:
        part, parts = map(int, text.split("/"))
    except ValueError:
        raise UsageError(
            f"{text!r} is not a part", "Write it as 3/40: the third of forty."
        ) from None
    return part, parts


def _save_state(stream: engine.Elements, path: Path) -> None:
    from lossctl.engine.sums.state import State
    from lossctl.engine.sums.summary import Summary

    summary = Summary.of(stream.plan)
    state = State.of(str(path), __version__, summary, stream.partial, stream.samples)
    with open_text(path) as file:
        file.write(state.encode() + "\n")
