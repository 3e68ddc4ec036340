"""What to do about a finding: the computation that is checked, changed so that it is right."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from pathlib import PurePath
from typing import Any

from lossctl.checks.repairs.remedies import Program, Repair, RepairKind
from lossctl.data import is_streaming
from lossctl.data.references.parse import parse_reference
from lossctl.errors import Worded
from lossctl.findings import Remedy
from lossctl.losses.core.declaration import Loss

FIXED = "-fixed.npy"
KEPT = "keep.npy"
READERS = {".csv": "read_csv", ".tsv": "read_csv", ".parquet": "read_parquet"}
TAB = ", sep=chr(9)"


@dataclass(frozen=True, slots=True)
class Command(Worded):
    """The computation that is checked, as the user wrote it."""

    loss: Loss
    references: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the loss and shared ones that were given."""
    strings: tuple[str, ...] = ()
    """Inputs that contain strings; their class names were found, not given."""

    @property
    def textual(self) -> bool:
        """Whether it can be written as a command: of files, or of standard input given again."""
        return all(
            isinstance(one, str | PathLike) and (_is_standard(one) or not is_streaming(one))
            for one in self.references
        )

    @property
    def names(self) -> list[str]:
        """The names of the inputs."""
        return [one.name for one in self.loss.inputs]

    def change(self, *, loss: Loss | None = None, **options: Any) -> Command:
        """Return the same computation with other options, or another loss."""
        kept = {**self.options, **options}
        if loss is not None:
            known = {one.name for one in loss.parameters} | set(SHARED)
            kept = {name: value for name, value in kept.items() if name in known}
        return replace(self, loss=loss or self.loss, options=kept)

    def name_classes(self, names: Sequence[str], strings: Sequence[str]) -> Command:
        """Return the same computation with the classes that were found in inputs of strings."""
        return replace(self.change(classes=",".join(names)), strings=tuple(strings))

    def leave_out(self, name: str) -> Command:
        """Return the same computation without an option."""
        return replace(self, options={key: one for key, one in self.options.items() if key != name})

    def reorder(self, order: Sequence[int]) -> Command:
        """Return the same computation with the inputs in another order."""
        return replace(self, references=tuple(self.references[place] for place in order))

    def advise(self, remedy: Remedy | RepairKind, **options: Any) -> Repair:
        """Return the repair by options of the same computation."""
        return Repair((_take(remedy),), (self.change(**options),))

    def rewrite(self, remedy: Remedy | RepairKind, **expressions: str) -> Repair:
        """Return the repair that writes inputs anew, each by an expression of all of them.

        An expression may be that of the ``mask``, which leaves samples out.
        """
        repair = Repair((_take(remedy),))
        if not self._can_load(expressions):
            return repair
        if not self.textual:
            lines = tuple(f"{name} = {text}" for name, text in expressions.items())
            changed = self.change(mask=Name("mask")) if "mask" in expressions else self
            return replace(repair, commands=(Program(lines, files=False), changed))
        files = self._name_files(expressions)
        used = self._list_used(expressions)
        loaded = dict(zip(self.names, self.references, strict=True))
        piped = [name for name in used if _is_standard(loaded[name])]
        if len(piped) > 1:
            return replace(repair, aside=Remedy(RepairKind.SAVE_INPUT))
        parts = ["import lossctl, numpy as np"]
        parts += [f"{name} = lossctl.load_array({_quote(loaded[name])})" for name in used]
        mask = self.options.get("mask")
        for name, text in expressions.items():
            both = name == "mask" and mask is not None
            kept = f"(lossctl.load_array({_quote(mask)}) != 0) & ({text})" if both else text
            parts.append(f"np.save({_quote(files[name])}, {kept})")
        references = tuple(
            files.get(name, one) for name, one in zip(self.names, self.references, strict=True)
        )
        repaired = replace(self, references=references)
        if "mask" in files:
            repaired = repaired.change(mask=files["mask"])
        aside = Remedy(RepairKind.GIVE_INPUT_AGAIN) if piped else None
        return replace(repair, commands=(Program(tuple(parts)), repaired), aside=aside)

    def keep(self, remedy: Remedy | RepairKind, expression: str) -> Repair:
        """Return the repair that leaves out the samples for which an expression is false."""
        return self.rewrite(remedy, mask=expression)

    def keep_first(self, remedy: Remedy | RepairKind, ids: str) -> Repair:
        """Return the repair that leaves out samples whose id repeats an earlier one."""
        reference = parse_reference(ids)
        reader = READERS.get(reference.path.suffix.lower())
        sharded = reader is not None and not reference.path.is_file()  # pandas knows no patterns
        if not self.textual or is_streaming(ids) or "mask" in self.options or sharded:
            return Repair((_take(remedy),))
        if reader is None or reference.fragment is None:
            loaded = f"ids = lossctl.load_array({_quote(ids)})"
            firsts = "np.unique(ids, return_index=True)[1]"
            statements: tuple[str, ...] = (
                "import lossctl, numpy as np",
                loaded,
                f"np.save({_quote(KEPT)}, np.isin(np.arange(len(ids)), {firsts}))",
            )
        else:
            path = _quote(str(reference.path))
            table = f"pd.{reader}({path}{TAB if reference.path.suffix.lower() == '.tsv' else ''})"
            kept = f"~{table}[{_quote(reference.fragment)}].duplicated().to_numpy()"
            statements = (
                "import numpy as np, pandas as pd",
                f"np.save({_quote(KEPT)}, {kept})",
            )
        return Repair((_take(remedy),), (Program(statements), self.change(mask=KEPT)))

    def _can_load(self, expressions: Mapping[str, str]) -> bool:
        """Whether inputs are numbers, and their names and variables not in each other's way."""
        if "classes" in self.options:  # which may choose columns too, unless they were found
            return bool(self.strings) and not {*self.strings} & {*self._list_used(expressions)}
        return not self.textual or "mask" not in self.names or "mask" not in expressions

    def _list_used(self, expressions: Mapping[str, str]) -> list[str]:
        """Return the inputs that expressions are made of."""
        return [
            name
            for name in self.names
            if any(re.search(rf"\b{name}\b", text) for text in expressions.values())
        ]

    def name_fixed(self, place: int) -> str:
        """Return the file that a repair of one input writes."""
        name = self.names[place]
        return self._name_files({name: ""})[name]

    def _name_files(self, expressions: Mapping[str, str]) -> dict[str, str]:
        """Return the files that are written, none of them twice."""
        given = dict(zip(self.names, self.references, strict=True))
        files: dict[str, str] = {}
        for name in expressions:
            file = KEPT if name == "mask" else _name_fixed(given[name])
            files[name] = f"{name}-{file}" if file in files.values() else file
        return files


class Name(str):
    """A variable, in a line of Python."""

    __slots__ = ()


SHARED = ("class_axis", "classes", "squeeze", "sample_weight", "mask", "nan")
"""Options that every computation has."""


def _take(remedy: Remedy | RepairKind) -> Remedy:
    return remedy if isinstance(remedy, Remedy) else Remedy(remedy)


def _is_standard(given: Any) -> bool:
    return str(given).partition("#")[0] == "-"


def _quote(given: Any) -> str:
    return json.dumps(fspath(given), ensure_ascii=False)


def _name_fixed(given: Any) -> str:
    """Return a file for what a reference names when it is repaired, once or again."""
    stem = _find_stem(given)
    again = re.fullmatch(r"(.*)-fixed(\d*)", stem)
    return f"{again[1]}-fixed{int(again[2] or 1) + 1}.npy" if again else f"{stem}{FIXED}"


def _find_stem(given: Any) -> str:
    """Return the name of a reference without its suffix, with its columns."""
    reference = parse_reference(fspath(given))
    stem = PurePath(reference.path).name
    while PurePath(stem).suffix:
        stem = PurePath(stem).stem
    columns = f"-{reference.fragment}" if reference.fragment else ""
    return re.sub(r"[^\w.-]+", "-", f"{stem}{columns}").strip("-") or "input"
