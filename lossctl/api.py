"""The public Python API: everything that a command does is one call of these functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import lossctl
from lossctl.data import Source, is_live, load_array, open_sources
from lossctl.data.classes import IndexedSource, load_classes
from lossctl.data.labels import CELL
from lossctl.data.replayed import ReplayedSource
from lossctl.datasets import (
    check_evaluation,
    check_suite_written,
    check_written,
    evaluate,
    run_suite,
)
from lossctl.engine import reduction as engine
from lossctl.engine.labels import find_labels, name_columns
from lossctl.engine.options import check_options
from lossctl.engine.plan import Plan, Settings
from lossctl.engine.planning import make_plan
from lossctl.engine.result import Result
from lossctl.engine.scanning import answer
from lossctl.engine.threads import available_threads
from lossctl.errors import UsageError, did_you_mean
from lossctl.losses.declaration import Loss
from lossctl.losses.description import compare as compare_declarations
from lossctl.losses.description import describe as describe_declaration
from lossctl.losses.dialects import name_library
from lossctl.losses.registry import find, list_file, list_losses

__all__ = [
    "check_evaluation",
    "check_suite_written",
    "check_written",
    "compare_definitions",
    "compute",
    "describe",
    "describe_all",
    "elements",
    "evaluate",
    "is_text",
    "merge",
    "run_suite",
]

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

    Returns a :class:`~lossctl.engine.result.Result` with ``value``, or ``elements`` (an array of
    torch's shape) for the reduction ``none``, the counts and the denominator. Warns with
    LossctlWarning. Raises UsageError, DataError or FileError.
    """
    if reduction == "none":
        _refuse_parts(part=part, save_state=save_state)
    if part is not None and save_state is None:
        raise UsageError("a part is of no use without its state", "Add --save-state FILE.")
    declared = find(loss)
    settings = Settings(
        reduction=declared.reduction if reduction is None else reduction,
        class_axis=class_axis,
        squeeze=squeeze,
        nan=nan,
        dtype=dtype,
        threads=available_threads() if threads is None else threads,
        part=_parse_part(part) if isinstance(part, str) else part,
    )
    plan = _plan(declared, inputs, sample_weight, mask, settings, options, classes)
    stream = engine.Elements(plan, progress)
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
    settings = Settings(
        reduction="none",
        class_axis=class_axis,
        squeeze=squeeze,
        nan=nan,
        dtype=dtype,
        threads=available_threads() if threads is None else threads,
    )
    plan = _plan(find(loss), inputs, sample_weight, mask, settings, options, classes)
    return engine.Elements(plan, progress)


def merge(paths: Sequence[Path]) -> Result:
    """Add up states that ``save_state`` stored: all parts of one run, or runs over several files.

    ``paths`` are files or patterns, such as ``"part-*.json"``. Merged parts give the same bits as
    one run over everything. Raises UsageError where states do not belong together, where a part
    is missing, and where one is given twice, if only as a copy.
    """
    from lossctl.engine.merging import find_states
    from lossctl.engine.merging import merge as merge_states
    from lossctl.engine.state import read_state

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
    every = [describe_declaration(one) for one in losses]
    label = None if library is None else name_library(library)
    for what, chosen in (("library", label), ("family", family)):
        if chosen is None:
            continue
        known = list(dict.fromkeys(one[what] for one in every))
        if chosen not in known:
            raise UsageError(f"there is no {what} {chosen!r}", did_you_mean(chosen, known))
        every = [one for one in every if one[what] == chosen]
    return every


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
    from lossctl.engine.state import State
    from lossctl.engine.summary import Summary
    from lossctl.output.files import open_text

    summary = Summary.of(stream.plan)
    state = State.of(str(path), lossctl.__version__, summary, stream.partial, stream.samples)
    with open_text(path) as file:
        file.write(state.encode() + "\n")


def _plan(
    loss: Loss,
    inputs: Sequence[Any],
    sample_weight: Any,
    mask: Any,
    settings: Settings,
    options: dict[str, Any],
    classes: Any = None,
) -> Plan:
    references = _collect_inputs(loss, inputs, options)
    named, labels = load_classes(classes), []
    if named is not None:
        pairs = zip(loss.inputs, references, strict=True)
        references = [name_columns(declared, one, named) for declared, one in pairs]
        labels = find_labels(loss.inputs, references)
    checked = check_options(loss, options, load_array)
    sample_weight = None if sample_weight is None else _number_or_reference(sample_weight)
    extras = [one for one in (sample_weight, mask) if one is not None]
    sources = open_sources([*references, *extras], labels)
    names = [one.name for one in loss.inputs]
    names += [
        name for name, one in (("sample weight", sample_weight), ("mask", mask)) if one is not None
    ]
    for name, reference, source in zip(names, [*references, *extras], sources, strict=True):
        if not is_text(reference):
            source.name = name
    for place in labels:
        if named is not None and sources[place].dtype == CELL:
            sources[place] = IndexedSource(sources[place], named, names[place])
    rest = list(sources[len(references) :])
    try:
        for source in sources if settings.part is not None else ():
            source.measure()
        answers = _ask(loss, references, sources)
        plan = make_plan(
            loss,
            sources[: len(references)],
            checked,
            settings,
            sample_weight=rest.pop(0) if sample_weight is not None else None,
            mask=rest.pop(0) if mask is not None else None,
            answers=answers,
        )
    except BaseException:
        for source in sources:
            source.close()
        raise
    plan.given = {
        name: str(value)
        for name, value in options.items()
        if name in plan.tensors and is_text(value)
    }
    return plan


def _ask(loss: Loss, references: Sequence[Any], sources: list[Source]) -> dict[str, bool]:
    """Answer the question that a loss has to a whole input.

    A file is read for it by itself; what can be read only once is kept as far as it was read.
    """
    if loss.scan is None:
        return {}
    place = next(n for n, one in enumerate(loss.inputs) if one.name == loss.scan.input)
    if is_live(references[place]):
        sources[place] = kept = ReplayedSource(sources[place])
        return {loss.scan.name: answer(loss.scan, kept)}
    (source,) = open_sources([references[place]])
    try:
        return {loss.scan.name: answer(loss.scan, source)}
    finally:
        source.close()


def _collect_inputs(loss: Loss, inputs: Sequence[Any], options: dict[str, Any]) -> list[Any]:
    """Return positional inputs followed by those given by name, which leave ``options``."""
    names = [one.name for one in loss.inputs]
    if len(inputs) > len(names):
        raise UsageError(
            f"{loss.key} takes {len(names)} inputs ({', '.join(names)}), but got {len(inputs)}"
        )
    given = list(inputs)
    for name in names[len(inputs) :]:
        if name not in options:
            hint = did_you_mean(name, [key for key in options if key not in names])
            missing = ", ".join(names[len(given) :])
            raise UsageError(
                f"{loss.key} takes {len(names)} inputs ({', '.join(names)}); missing: {missing}",
                hint if options else "",
            )
        given.append(options.pop(name))
    return [
        _number_or_reference(value) if declared.fits else value
        for declared, value in zip(loss.inputs, given, strict=True)
    ]


def _number_or_reference(value: Any) -> Any:
    """Return a number written in place of a file as the number."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def is_text(value: Any) -> bool:
    """Whether a value is a reference or a list in words, not an array in memory."""
    return isinstance(value, str | PathLike)
