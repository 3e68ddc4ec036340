"""The check: inputs opened, fitted to the loss, scanned once, and searched for findings."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

from numpy.typing import NDArray

from lossctl.checks.description import arrange, describe, describe_input, profile_alone
from lossctl.checks.findings import catalogue
from lossctl.checks.findings.broken_rules import repair_rule
from lossctl.checks.findings.catalogue import Evidence, declare
from lossctl.checks.findings.context import CheckContext
from lossctl.checks.findings.structure import (
    LENGTHS,
    SHAPES,
    Settled,
    Setup,
    compare_ids,
    follow_lengths,
    settle,
)
from lossctl.checks.measurements.baselines import Baselines
from lossctl.checks.measurements.confusion import plan_confusion
from lossctl.checks.measurements.duplicates import RowHashes
from lossctl.checks.measurements.pairs import plan_pairs
from lossctl.checks.measurements.profile import Profile
from lossctl.checks.measurements.scan import Scan
from lossctl.checks.measurements.shifts import Shifts, can_shift
from lossctl.checks.measurements.targets import ClassTargets, plan_targets
from lossctl.checks.opening import Opened, name_found, open_inputs, report_labels, write_classes
from lossctl.checks.repairs.proposals import Candidate, rank_losses
from lossctl.checks.repairs.remedies import Repair, RepairKind
from lossctl.checks.repairs.repairs import Command
from lossctl.checks.repairs.views import peek
from lossctl.checks.result import CheckResult, Finding, Proposal, Severity
from lossctl.data import load_array
from lossctl.data.rules import rules
from lossctl.engine.plan.call import Call
from lossctl.engine.plan.class_names import find_ignored, take_classes
from lossctl.engine.plan.options import check_options
from lossctl.engine.plan.plan import Plan
from lossctl.engine.plan.predicates import evaluate_predicates
from lossctl.engine.run.elements import Progress
from lossctl.engine.sums.reduce import finish
from lossctl.engine.sums.result import Result
from lossctl.engine.sums.summary import Summary
from lossctl.errors import LossctlWarning, UsageError
from lossctl.findings import Remedy
from lossctl.kinds import Kind
from lossctl.losses.core.declaration import Loss, Role
from lossctl.losses.sequence.losses import IMPOSSIBLE

Array = NDArray[Any]

REMARK = declare("remark", Severity.INFO, "what a loss itself reports")
NO_LOSS = declare("no_loss_fits", Severity.ERROR, "inputs that fit no loss")

LEAST_INPUTS = 2
"""The inputs of a check where no loss is named: predictions and targets."""

RICH = 2
"""The least number of float columns in which equal rows are not due to chance."""


def run_check(call: Call, ids: Any = None, progress: Progress | None = None) -> CheckResult:
    """Check a pair of inputs, or as many as the loss has; ``ids`` name the samples.

    Raises UsageError for an invalid call, FileError and DataError for files that cannot be read;
    inputs that do not fit together are a finding.
    """
    inputs, options = _split(call)
    extras = [one for one in (call.sample_weight, call.mask, ids) if one is not None]
    classes, ignored = take_classes(call.classes), frozenset[int]()
    if classes is not None and call.named is not None:
        ignored = find_ignored(call.loss, check_options(call.loss, dict(options), load_array))
    opened = open_inputs(
        () if call.named is None else call.loss.inputs,
        inputs,
        extras,
        classes,
        len(extras) - 1 if ids is not None else None,
        call.pair_rows,
        ignored,
        omits_missing=call.settings.nan == "omit",
    )
    try:
        return _Checker(replace(call, inputs=inputs, options=options), ids, opened, progress).run()
    finally:
        opened.close()


def _split(call: Call) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the inputs, and the options of the loss; UsageError if they cannot be checked."""
    if call.named is not None:
        inputs, options = call.split()
        return tuple(inputs), options
    count = len(call.inputs)
    if count < LEAST_INPUTS:
        raise UsageError(
            f"a check needs predictions and targets, but got {count}"
            f" {'input' if count == 1 else 'inputs'}",
            "For example: lossctl check ce preds.npy labels.npy",
        )
    if call.options:
        raise UsageError(
            f"{next(iter(call.options))} is an option of a loss, but no loss is named",
            "Name the loss before the inputs.",
        )
    return call.inputs, {}


class _Checker:
    def __init__(self, call: Call, ids: Any, opened: Opened, progress: Progress | None) -> None:
        self.asked, self.given_ids = call, ids
        self.omits_missing = call.settings.nan == "omit"
        self.opened = opened
        self.progress = progress
        count = len(call.inputs)
        self.sources = opened.sources[:count]
        rest = list(opened.sources[count:])
        self.weight = rest.pop(0) if call.sample_weight is not None else None
        self.mask = rest.pop(0) if call.mask is not None else None
        self.ids = rest.pop(0) if ids is not None else None
        for source in self.sources:
            if source.length is None:
                peek(source)  # a small file is read to its end, and its length known then

    def run(self) -> CheckResult:
        loss, candidates = self.asked.named, self._rank()
        if loss is None:
            if not candidates:
                return self._give_up()
            loss = candidates[0].loss
        self._name_sources(loss)
        given = {**self.asked.options, **self.asked.list_changed()}
        call = Command(loss, self.asked.inputs, given)
        checked = check_options(loss, dict(self.asked.options), load_array)
        setup = Setup(
            loss,
            tuple(self.sources),
            checked,
            self.asked.settings,
            call,
            self.weight,
            self.mask,
            evaluate_predicates(
                loss, self.opened.references, self.sources, omits_missing=self.omits_missing
            ),
        )
        settled = settle(setup)
        if settled.plan is None:
            return self._describe_alone(loss, settled, candidates or self._rank_all())
        self.opened.check_count(settled.plan)
        settled.plan.given = {
            name: str(value)
            for name, value in self.asked.options.items()
            if name in settled.plan.tensors and isinstance(value, str)
        }
        return self._scan(settled.plan, settled, candidates)

    def _rank(self) -> list[Candidate]:
        return [] if self.asked.named is not None else self._rank_all()

    def _rank_all(self) -> list[Candidate]:
        """Return the losses that fit, perhaps without axes of length 1, or with another axis."""
        settings = self.asked.settings
        ranks = [len(one.shape) for one in self.sources]
        bare = [sum(size != 1 for size in one.shape) for one in self.sources]
        rank = ranks[0]
        attempts = [settings, replace(settings, squeeze=True)]
        if len(set(ranks)) > len(set(bare)):  # (N, 1) beside (N,), which some would broadcast
            attempts.reverse()
        attempts += [replace(settings, class_axis=-1)] if rank > 2 else []
        for attempt in attempts:
            candidates = rank_losses(self.sources, attempt)
            if candidates:
                return candidates
        return []

    def _name_sources(self, loss: Loss) -> None:
        named = zip(loss.inputs, self.asked.inputs, self.sources, strict=True)
        for declared, reference, source in named:
            if not isinstance(reference, str) and not hasattr(reference, "__fspath__"):
                source.name = declared.name

    def _scan(self, plan: Plan, settled: Settled, candidates: Sequence[Candidate]) -> CheckResult:
        profiles = [Profile(number, bound) for number, bound in enumerate(plan.inputs)]
        targets, confusion, pairs = plan_targets(plan), plan_confusion(plan), plan_pairs(plan)
        offsets = tuple(dict.fromkeys((1, -1, *settled.offsets)))
        shifts = Shifts(offsets) if can_shift(plan) else None
        plan.settings = replace(plan.settings, rows=shifts is not None)
        hashed = _choose_hashed(plan)
        hashes = RowHashes(hashed) if hashed else None
        labels = ClassTargets(plan.classes) if _has_labels(plan) else None
        if labels is not None and isinstance(targets, ClassTargets):
            labels = targets
        some = (*profiles, targets, confusion, pairs, shifts, hashes, labels)
        probes = [one for one in dict.fromkeys(some) if one is not None]
        scan = Scan(
            plan,
            probes,
            self.ids,
            max(map(abs, offsets)) if shifts is not None else 0,
            self.progress,
        )
        scan.run()
        result = _finish(plan, scan)
        context = CheckContext(
            plan,
            name_found(self.opened, settled.call, plan.classes),
            scan.partial,
            profiles,
            scan.samples,
            result,
            confusion,
            None if pairs is None else pairs.together,
            None if shifts is None else shifts.find(),
            hashes.sketch.find_repeats() if hashes is not None and _is_rich(profiles) else None,
            None if self.ids is None else scan.seen_ids.find_repeats(),
            str(self.given_ids) if isinstance(self.given_ids, str | PathLike) else "",
            None if labels is None else labels.labels,
            head=scan.head,
        )
        if targets is not None and result is not None:
            context.baselines = Baselines(plan, targets).list()
        findings = [
            *settled.findings,
            *report_labels(self.opened, plan.loss, settled.call, plan.classes),
            *([] if scan.uneven is None else [follow_lengths(scan.uneven.counts, context.call)]),
            *_detect(context),
        ]
        if LENGTHS.code not in [one.code for one in findings]:
            findings += compare_ids(scan.count_ids(), scan.samples)
        return self._conclude(context, findings, candidates, hashes)

    def _conclude(
        self,
        context: CheckContext,
        findings: Sequence[Finding],
        candidates: Sequence[Candidate],
        hashes: RowHashes | None,
    ) -> CheckResult:
        result, plan = context.result, context.plan
        return CheckResult(
            loss=result.name if result is not None else plan.loss.key,
            value=None if result is None else result.value,
            reduction=plan.settings.reduction,
            samples=context.samples,
            inputs=tuple(describe(one, context) for one in context.profiles),
            findings=arrange(findings),
            baselines=tuple(context.baselines),
            proposals=self._propose(candidates),
            accuracy=None
            if context.confusion is None or result is None
            else context.confusion.accuracy,
            duplicates=None if context.repeats is None else context.repeats.count,
            duplicates_estimated=context.repeats is not None and context.repeats.estimated,
            skipped=tuple(_list_skipped(context, hashes)),
        )

    def _propose(self, candidates: Sequence[Candidate]) -> tuple[Any, ...]:
        classes = write_classes(self.asked.classes, self.opened)
        return tuple(one.propose(self.asked.inputs, classes) for one in candidates)

    def _describe_alone(
        self, loss: Loss, settled: Settled, candidates: Sequence[Candidate]
    ) -> CheckResult:
        """Describe inputs that do not fit together, each by itself."""
        facts, samples = [], 0
        for number, (declared, source) in enumerate(zip(loss.inputs, self.sources, strict=True)):
            profile = profile_alone(number, declared.name, declared.form(0).kind, source)
            samples = max(samples, profile.samples)
            facts.append(describe_input(profile, profile.samples))
        proposals = self._propose(candidates)
        assert settled.refusal is not None, "there is a plan"
        finding_type, evidence = settled.refusal
        if finding_type is SHAPES and proposals:
            evidence = replace(evidence, repair=_suggest(evidence.repair, proposals[0]))
        return CheckResult(
            loss.key, None, self.asked.settings.reduction, samples, tuple(facts),
            (finding_type.report(evidence), *report_labels(self.opened, loss, settled.call)),
            proposals=proposals,
        )  # fmt: skip

    def _give_up(self) -> CheckResult:
        """Describe inputs that fit no loss."""
        facts, samples = [], 0
        for number, source in enumerate(self.sources):
            profile = profile_alone(number, f"input {number + 1}", Kind.REAL, source)
            samples = max(samples, profile.samples)
            facts.append(describe_input(profile, profile.samples))
        shapes = ", ".join(f"{one.source} {one.shape}" for one in facts)
        found = {"shapes": [list(one.shape) for one in facts]}
        repair = Repair.of(RepairKind.NAME_LOSS)
        evidence = Evidence("", f"no loss fits {shapes}", found, repair)
        return CheckResult("", None, "", samples, tuple(facts), (NO_LOSS.report(evidence),))


def _suggest(repair: Repair | None, best: Proposal) -> Repair:
    """Return the repair of shapes that do not fit with the loss that they fit best."""
    remedies = () if repair is None else repair.remedies
    other = Remedy(RepairKind.COMPUTE_OTHER, {"loss": best.loss})
    return Repair((*remedies, other), (best.command,))


def _choose_hashed(plan: Plan) -> tuple[int, ...]:
    """Return the inputs whose rows are compared: those with a row for each sample."""
    return tuple(
        number
        for number, one in enumerate(plan.inputs)
        if one.batched and not one.shared and 0 not in one.fixed and one.axes[:1] == ("N",)
    )


def _is_rich(profiles: Sequence[Profile]) -> bool:
    """Whether rows have so many fractions that equal ones are not due to chance."""
    rich = [one for one in profiles if one.measures.count and not one.measures.whole]
    return sum(one.columns for one in rich if not one.bound.shared) >= RICH


def _has_labels(plan: Plan) -> bool:
    """Whether the second input holds class indices, to be counted."""
    second = plan.inputs[1:2]
    return bool(second) and second[0].kind == Kind.INDEX and not second[0].shared


def _finish(plan: Plan, scan: Scan) -> Result | None:
    """Return the loss, unless a finding makes it impossible to compute."""
    if scan.partial.broken or (not scan.samples and plan.samples != 0):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossctlWarning)
        return finish(Summary.of(plan), scan.partial, scan.samples)


def _detect(context: CheckContext) -> Iterator[Finding]:
    """Yield the findings of the detectors, then the other findings of the blocks."""
    known = set()
    catalogue.list_finding_types()
    for code, detector in sorted(catalogue.DETECTORS.items()):
        for evidence in detector(context):
            known.add(code)
            yield catalogue.FINDING_TYPES[code].report(evidence)
    for finding in context.partial.findings.values():
        code = finding.rule.code
        if code in known:
            continue
        finding_type = catalogue.FINDING_TYPES.get(code, REMARK)
        named = finding.name if finding.name != context.plan.loss.key else ""
        values = {
            "count": finding.count,
            "first": finding.value,
            "place": str(finding.location),
        }
        said, severity = replace(finding, advised=False), None
        if code == "nan" and context.plan.settings.nan == "omit":
            severity = Severity.INFO
        elif code == IMPOSSIBLE and context.plan.loss.read_role(
            Role.INFINITE_AS_ZERO, context.plan.options
        ):
            severity = Severity.WARNING
        elif code == rules.INFINITE.code and _is_lost(context):
            said.lost, severity = True, Severity.ERROR
        yield finding_type.report(
            Evidence(named, said, values, repair_rule(context, finding), severity, said.location)
        )
    notes = list(context.plan.notes)
    if context.plan.settings.reduction == "mean" and context.plan.loss.mean_note:
        notes.append(context.plan.loss.mean_note)
    for note in notes:
        yield REMARK.report(Evidence("", note))


def _is_lost(context: CheckContext) -> bool:
    """Whether the loss is NaN where no input is."""
    value = None if context.result is None else context.result.value
    return (
        value is not None
        and math.isnan(value)
        and not any(one.measures.nan for one in context.profiles)
    )


def _list_skipped(context: CheckContext, hashes: RowHashes | None) -> Iterator[str]:
    """Yield what could not be checked, and why."""
    plan = context.plan
    indexed = len(plan.inputs) > 1 and plan.inputs[1].kind == Kind.INDEX
    if indexed and context.confusion is None and plan.classes > 2:
        yield f"the order of the classes: {plan.classes} are too many, or have no axis"
    if not can_shift(plan):
        yield "shifted rows: samples are not read one by one, or have no separate losses"
    if hashes is not None and plan.block_plan.boxes and len(plan.block_plan.boxes) > 1:
        yield "duplicate samples: one is larger than a block"
