"""A call: a loss and everything that it is given, from which a plan is made.

Every function of the API makes one call of its arguments, and every consumer of blocks takes one.
Nothing is read before its plan is run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from lossctl.data import load_array, open_sources
from lossctl.data.arrays.views import cache_row
from lossctl.engine.plan.build import make_plan
from lossctl.engine.plan.options import check_options
from lossctl.engine.plan.plan import Plan, Settings
from lossctl.engine.plan.predicates import evaluate_predicates
from lossctl.errors import UsageError, did_you_mean
from lossctl.findings import Remedy, RemedyKind
from lossctl.losses.core.declaration import Loss
from lossctl.losses.core.options import read_words, split_options
from lossctl.losses.core.registry import choose, find


@dataclass(frozen=True, slots=True)
class Call:
    """A loss with all arguments of one computation."""

    named: Loss | None
    """The loss; None asks a check to propose one."""
    inputs: tuple[Any, ...]
    options: Mapping[str, Any]
    """Options of the loss, and inputs that are given by name."""
    settings: Settings
    sample_weight: Any = None
    mask: Any = None
    classes: Any = None

    @property
    def loss(self) -> Loss:
        """The loss; raises UsageError if the call names none."""
        return find(self.named)

    @property
    def references(self) -> tuple[Any, ...]:
        """Everything given that may be a file: inputs, options, weight and mask."""
        return (*self.inputs, *self.options.values(), self.sample_weight, self.mask)

    @property
    def files(self) -> tuple[Any, ...]:
        """Everything given that may be a file that is read, with class names and a custom loss."""
        origin = None if self.named is None else self.named.origin
        return (*self.references, self.classes, None if origin is None else origin.file)

    @property
    def has_inputs(self) -> bool:
        """Whether any input is given, by position or by name."""
        return bool(self.inputs) or any(one.name in self.options for one in self.loss.inputs)

    def list_changed(self) -> dict[str, Any]:
        """Return the settings that differ from their defaults and change the losses."""
        settings, usual = self.settings, Settings()
        given = {
            "class_axis": (settings.class_axis, usual.class_axis),
            "classes": (self.classes, None),
            "squeeze": (settings.squeeze, usual.squeeze),
            "sample_weight": (self.sample_weight, None),
            "mask": (self.mask, None),
            "nan": (settings.nan, usual.nan),
        }
        return {name: value for name, (value, default) in given.items() if value is not default}

    def split(self) -> tuple[list[Any], dict[str, Any]]:
        """Return the inputs in the order of the loss, and its options; raises UsageError."""
        options = dict(self.options)
        return _collect_inputs(self.loss, self.inputs, options), options

    def pair_rows(self, column: str) -> Remedy:
        """Return how to pair the rows of the inputs by a column, rather than by position."""
        loss, more = self.named, dict[str, Any]()
        if loss is None:
            name, (pred, target) = "LOSS", (_name(one, "FILE") for one in self.inputs[:2])
            given = {"pred": pred, "target": target}
        else:
            name = loss.key if loss.origin is None else loss.origin.refer(loss.key)
            inputs, options = self.split()
            words = {
                one.name: _name(value, one.name)
                for one, value in zip(loss.inputs, inputs, strict=True)
            }
            first, *rest = words
            second = next(iter([one for one in rest if one.startswith("target")] or rest[:1]), "")
            given = {"pred": words.pop(first)}
            if second:
                given["target"] = words.pop(second)
            more = words | options
        extras = {"sample_weight": self.sample_weight, "mask": self.mask}
        given |= {one: str(value) for one, value in extras.items() if is_text(value)}
        given["on"] = column
        return Remedy(RemedyKind.PAIR_ROWS, {"loss": name, "given": given, "more": more})

    def plan(self, row: int | None = None) -> Plan:
        """Open the inputs and make a plan; ``row`` can still be read at the end."""
        loss = self.loss
        references, options = self.split()
        references = [
            _number_or_reference(value) if declared.broadcasts else value
            for declared, value in zip(loss.inputs, references, strict=True)
        ]
        classes, labels, cells = None, list[int](), (list[int](), list[int]())
        if self.classes is not None:
            from lossctl.engine.plan.class_names import find_cells, name_inputs

            classes, references, labels = name_inputs(self.classes, loss, references)
            cells = find_cells(labels, references)
        checked = check_options(loss, options, load_array)
        weight = None if self.sample_weight is None else _number_or_reference(self.sample_weight)
        per_sample = {"sample weight": weight, "mask": self.mask}
        extras = {name: one for name, one in per_sample.items() if one is not None}
        pairing = (frozenset(range(len(references) + len(extras))), self.pair_rows)
        sources = open_sources([*references, *extras.values()], *cells, pairing)
        names = [one.name for one in loss.inputs]
        names += extras
        given = [*references, *extras.values()]
        for name, reference, source in zip(names, given, sources, strict=True):
            if not is_text(reference):
                source.name = name
        if classes is not None:
            from lossctl.engine.plan.class_names import find_ignored, index_labels

            places = {place: names[place] for place in labels}
            index_labels(
                classes,
                loss.inputs,
                sources,
                places,
                find_ignored(loss, checked),
                omits_missing=self.settings.nan == "omit",
            )
        try:
            for source in sources if self.settings.part is not None else ():
                source.measure()
            predicates = evaluate_predicates(
                loss, references, sources, omits_missing=self.settings.nan == "omit"
            )
            if row is not None:
                sources = [cache_row(source, row) for source in sources]
            rest = sources[len(references) :]
            plan = make_plan(
                loss,
                sources[: len(references)],
                checked,
                self.settings,
                sample_weight=rest.pop(0) if weight is not None else None,
                mask=rest.pop(0) if self.mask is not None else None,
                predicates=predicates,
            )
            if classes is not None:
                from lossctl.engine.plan.class_names import check_count

                check_count(plan, classes, labels)
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


def make_call(
    loss: str | Loss | None,
    inputs: Sequence[Any],
    options: Mapping[str, Any],
    *,
    reduction: str | None = None,
    sample_weight: Any = None,
    mask: Any = None,
    classes: Any = None,
    **settings: Any,
) -> Call:
    """Return the call of a loss, by any of its names, with its default reduction."""
    options = dict(options)
    if isinstance(loss, str):
        loss, written = split_options(loss)
        for name, value in read_words(written):
            if name in options:
                raise UsageError(f"{loss}: the option {name!r} is given twice")
            options[name] = value
    named = None if loss is None else choose(loss)
    if reduction is None:
        reduction = "mean" if named is None else named.reduction
    chosen = Settings(reduction, **settings)
    return Call(named, tuple(inputs), options, chosen, sample_weight, mask, classes)


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
    return given


def _number_or_reference(value: Any) -> Any:
    """Return a number that is written in place of a file."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _name(value: Any, name: str) -> str:
    """Return the reference to an input, or a name for an array."""
    return str(value) if is_text(value) else name


def is_text(value: Any) -> bool:
    """Whether a value is a reference or a comma list, not an array in memory."""
    return isinstance(value, str | PathLike)
