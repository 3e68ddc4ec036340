"""The request of an evaluation, checked before any work: losses, models, columns, gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

import numpy as np

from lossctl.data.arrays.class_names import INDICES, Accepted, ClassNames
from lossctl.data.references.open import is_reference
from lossctl.engine.plan.class_names import take_classes
from lossctl.engine.plan.plan import NAN_POLICIES, Settings
from lossctl.errors import UsageError, did_you_mean
from lossctl.evaluation.request.evaluation_options import EvaluationOptions
from lossctl.evaluation.request.gates import Gate, Known, read_gates
from lossctl.evaluation.request.inputs import (
    MASK,
    PRED,
    TARGET,
    WEIGHT,
    check_gathered,
    find_accepted,
    find_time_major,
    index_labels,
    make_tasks,
)
from lossctl.evaluation.request.settings import describe_settings
from lossctl.evaluation.request.specs import (
    Axis,
    BySpec,
    LossSpec,
    match_loss,
    parse_by,
    parse_losses,
)
from lossctl.evaluation.rows.dataset import Asked, Dataset, is_frame
from lossctl.evaluation.rows.filter import Filter
from lossctl.evaluation.rows.join import HOWS
from lossctl.evaluation.tasks import Task, reject_whole_losses
from lossctl.evaluation.uncertainty.uncertainty import NAME_CLUSTERS, Method
from lossctl.findings import OptionName, Remedy, RemedyKind, Sentence

ID, CLUSTER, BY, SHOW = "id", "cluster", "by", "show"
"""Keys of columns that feed no loss."""

ADD_INTERVALS = Sentence.of("Add {ci}.", OptionName("ci", 0.95))


@dataclass
class Request:
    """An evaluation that is valid as far as can be known without the data."""

    dataset: Dataset
    models: dict[str, Any]
    specs: tuple[LossSpec, ...]
    tasks: tuple[Task, ...]
    by: tuple[BySpec, ...]
    asked: dict[Any, Asked]
    settings: Settings
    filter: Filter | None = None
    classes: ClassNames | None = None
    indexed: frozenset[Any] = frozenset()
    accepted: Accepted = INDICES
    time_major: frozenset[Any] = frozenset()
    how: str = "exact"
    method: Method | None = None
    baseline: str | None = None
    gates: tuple[Gate, ...] = ()
    worst: int = 0
    show: tuple[str, ...] = ()
    min_size: int = 0
    described: dict[str, Any] = field(default_factory=dict)

    def task(self, model: str, loss: str) -> int:
        """Return the place of a task."""
        return next(
            place
            for place, task in enumerate(self.tasks)
            if (task.model, task.spec.name) == (model, loss)
        )


def make_request(options: EvaluationOptions) -> Request:
    """Return the request. Raises UsageError for unknown names and invalid combinations."""
    settings = _choose_settings(options)
    method = _choose_method(options)
    _check_numbers(settings, worst=options.worst, min_size=options.min_size)
    _check_matching(options.on, options.how)
    _check_cluster(method, options.cluster_by)
    specs = parse_losses(options.loss)
    reject_whole_losses(specs)
    data, on = options.dataset, options.on
    dataset = Dataset.open(data, on)
    models = name_models(options.pred, dataset)
    shown, conditions = list_strings(options.show), list_strings(options.fail_if)
    if shown and not options.worst:
        raise UsageError(
            Sentence.of("{show} needs the worst rows, but none are requested", OptionName("show")),
            Sentence.of("Add {worst}.", OptionName("worst", 20)),
        )
    identity = on if options.id is None and data is not None else options.id
    asked = _ask(models, options, identity, shown)
    given = options.classes
    classes = given if isinstance(given, ClassNames) else take_classes(_or_none(given))
    indexed = index_labels(asked, specs, classes)
    tasks = make_tasks(models, specs, asked, settings)
    check_gathered(tasks, method, options.sample_weight)
    compared = _choose_baseline(options.baseline, models)
    slices = parse_by(options.by or None, dataset.names)
    known = Known(
        losses={name: spec.name for spec in specs for name in (spec.name, spec.typed)},
        match=partial(match_loss, specs),
        models=list(models),
        columns=[*dataset.names, *(name for spec in slices for name in spec.names)],
        baseline=compared,
        intervals=method is not None,
    )
    gates = read_gates(conditions, known)
    slices = _add_groupings(slices, gates)
    for number, spec in enumerate(slices):
        for place, axis in enumerate(spec.axes):
            asked[BY, number, place] = Asked(
                axis.given, labels=not axis.bins, what="by", single=True
            )
    for one in asked.values():
        dataset.resolve(one)
    where = list_strings(options.where)
    resolved: dict[str, Any] = {
        "pred": models,
        "how": None if on is None else options.how or "exact",
        "id": identity,
        "classes": None if classes is None else classes.names,
        "baseline": compared,
        "show": shown,
        "where": where[0] if len(where) == 1 else where or None,
        "fail_if": conditions,
    }
    return Request(
        dataset=dataset,
        models=models,
        specs=specs,
        tasks=tasks,
        by=slices,
        asked=asked,
        settings=settings,
        filter=_read_filter(where, dataset),
        classes=classes,
        indexed=indexed,
        accepted=find_accepted(specs, tasks, settings),
        time_major=find_time_major(tasks),
        how=options.how or "exact",
        method=method,
        baseline=compared,
        gates=gates,
        worst=options.worst,
        show=shown,
        min_size=options.min_size,
        described=describe_settings(options, resolved, tasks, method),
    )


def _choose_settings(options: EvaluationOptions) -> Settings:
    """Return those of the options that every computation has."""
    names = {one.name for one in fields(Settings)} & {one.name for one in fields(options)}
    return Settings(**{name: getattr(options, name) for name in names})


def _choose_method(options: EvaluationOptions) -> Method | None:
    """Return how intervals are made, if any are."""
    if options.ci is None and options.ci_method != "normal":
        raise UsageError(
            Sentence.of(
                "{ci_method} needs the level of the intervals",
                OptionName("ci_method", options.ci_method),
            ),
            ADD_INTERVALS,
        )
    level = 0.95 if options.ci is None else options.ci
    method = Method(
        options.ci_method,  # type: ignore[arg-type]
        level,
        options.replicates,
        options.seed,
        clustered=options.cluster_by is not None,
    )
    return None if options.ci is None else method


def _ask(
    models: Mapping[str, Any], options: EvaluationOptions, identity: Any, shown: Sequence[str]
) -> dict[Any, Asked]:
    """Return the columns that are to be read, beside those of losses and slices."""
    asked: dict[Any, Asked] = {
        (PRED, place): Asked(given, what="pred") for place, given in enumerate(models.values())
    }
    single = ((TARGET, options.target), (WEIGHT, options.sample_weight), (MASK, options.mask))
    for key, given in single:
        if given is not None:
            asked[key] = Asked(given, what=key)
    named = "on" if options.id is None else ID
    for key, given, what in ((ID, identity, named), (CLUSTER, options.cluster_by, "cluster-by")):
        if given is not None:
            asked[key] = Asked(given, labels=True, what=what, single=True)
    return asked | {
        (SHOW, name): Asked(name, labels=True, what="show", single=True) for name in shown
    }


def _check_matching(on: str | None, how: str | None) -> None:
    if how is not None and on is None:
        raise UsageError(
            "how needs a key to match rows by",
            Sentence.of("Name it: {on}", OptionName("on", "id")),
        )
    if how is not None and how not in HOWS:
        raise UsageError(f"how must be one of {', '.join(HOWS)}, not {how!r}")


def _choose_baseline(baseline: str | None, models: Mapping[str, Any]) -> str | None:
    """Return what the other models are compared with; None where there are no others."""
    if baseline is not None and baseline not in models:
        raise UsageError(
            f"the baseline {baseline!r} is not one of the models",
            did_you_mean(baseline, list(models)),
        )
    return (baseline or next(iter(models))) if len(models) > 1 else None


def name_models(pred: Any, dataset: Dataset) -> dict[str, Any]:
    """Return the predictions by the names of the models.

    A dict names them; a string may, as ``NAME=REF``; others are named by what was given.
    """
    if isinstance(pred, Mapping) and not is_frame(pred):
        named = {str(name): given for name, given in pred.items()}
    elif isinstance(pred, list | tuple) and not _is_numbers(pred):
        named = {}
        for place, one in enumerate(pred, 1):
            name, given = _name_model(one, f"model {place}", dataset)
            if name in named:
                raise UsageError(
                    f"the predictions {name!r} are given twice", "Give each a name: NAME=REFERENCE"
                )
            named[name] = given
    else:
        name, given = _name_model(pred, "pred", dataset)
        named = {name: given}
    if not named or any(given is None for given in named.values()):
        raise UsageError(
            "there are no predictions",
            Sentence.of("Name their columns or file: {pred}", OptionName("pred", "preds.npy")),
        )
    return named


def _name_model(given: Any, default: str, dataset: Dataset) -> tuple[str, Any]:
    if not is_reference(given):
        return default, given
    if not isinstance(given, str):
        return str(given), given
    name, equals, reference = given.partition("=")
    ends = [end for part in given.split(",") for end in part.split(":")]
    columns = given in dataset.names or all(end in dataset.names for end in ends)
    if equals and name and reference and not columns and "#" not in name:
        return name.strip(), reference.strip()
    return given, given


def _is_numbers(given: Sequence[Any]) -> bool:
    """Whether a list is one array, rather than several models."""
    return not any(
        is_reference(one) or isinstance(one, np.ndarray) or hasattr(one, "__array__")
        for one in given
    )


def _or_none(given: Any) -> Any:
    if isinstance(given, list) and len(given) == 1:
        return given[0]
    return None if isinstance(given, list) and not given else given


def list_strings(given: Any) -> tuple[str, ...]:
    """Return strings that may be one, several or none."""
    if given is None:
        return ()
    if isinstance(given, str):
        given = [given]
    return tuple(str(one) for one in given)


def _check_numbers(settings: Settings, **counts: int) -> None:
    for name, count in counts.items():
        if not isinstance(count, int) or count < 0:
            raise UsageError(f"{name} must be an integer of at least 0, but is {count!r}")
    if settings.nan not in NAN_POLICIES:
        raise UsageError(f"nan must be one of {', '.join(NAN_POLICIES)}, not {settings.nan!r}")
    threads = settings.threads
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise UsageError(f"threads must be at least 1, but is {threads!r}")


def _check_cluster(method: Method | None, cluster_by: Any) -> None:
    if cluster_by is None:
        if method is not None and method.name == "cluster":
            raise UsageError("the method cluster needs clusters", NAME_CLUSTERS)
    elif method is None:
        raise UsageError("clusters are used for intervals only", ADD_INTERVALS)
    elif method.name == "normal":
        raise UsageError(
            "the method normal assumes independent rows, and does not use clusters",
            Sentence.of(
                "Choose {ci_method} cluster, wilson, clopper-pearson, bootstrap or jackknife.",
                OptionName("ci_method"),
            ),
        )


def _add_groupings(slices: tuple[BySpec, ...], gates: Sequence[Gate]) -> tuple[BySpec, ...]:
    """Add the groupings that conditions use."""
    found = list(slices)
    axes = {axis.name: axis for spec in slices for axis in spec.axes}
    for gate in gates:
        if gate.grouping and set(gate.grouping) not in [set(spec.names) for spec in found]:
            found.append(
                BySpec(tuple(axes.get(name) or Axis(name, name) for name in gate.grouping))
            )
    return tuple(found)


def _read_filter(conditions: Sequence[str], dataset: Dataset) -> Filter | None:
    if not conditions:
        return None
    found = Filter(*conditions)
    if dataset.data is None:
        raise UsageError(
            "where filters by columns of a dataset, but no dataset is given",
            Remedy(RemedyKind.GIVE_DATASET),
        )
    found.check_columns(dataset.names)
    return found
