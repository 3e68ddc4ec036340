"""What errors and checks say as data: a place, a remedy, an option, a sentence with these in it.

The words are made by the output room. Classes are written out, because every command imports them:
a dataclass takes ten times as long to be made.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from lossctl.errors import Worded


class Fact(Worded):
    """Data with words; facts with the same data are equal."""

    __slots__: tuple[str, ...] = ()
    """The names of the data, in the order in which they are given."""

    def to_dict(self) -> dict[str, Any]:
        """Return the data by their names."""
        return {name: getattr(self, name) for name in self.__slots__}

    def replace(self, **changes: Any) -> Self:
        """Return the same with some data changed."""
        return type(self)(**self.to_dict() | changes)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.to_dict().items())
        return f"{type(self).__name__}({given})"


class Location(Fact):
    """Where an element is, as a person would look for it.

    ``row`` counts from 0 (None where there is one element only); ``line`` counts from 1, and is
    where the row begins in a text file. ``column`` is the name of the column in a table, or its
    number in an array; ``position`` the place on the further axes of a row, or within the list
    in a cell. ``file`` holds the element, where an input is made of several or the location
    stands by itself; ``source`` is the input, as the user wrote it, without the columns of a
    table. ``sample`` is the number of the sample, where samples are not the rows of the input;
    ``words`` is what a state of an older version says of the place.
    """

    __slots__ = (  # noqa: RUF023 - the order in which machine formats have them
        "row",
        "line",
        "column",
        "position",
        "file",
        "source",
        "sample",
        "words",
    )

    def __init__(
        self,
        row: int | None = None,
        line: int | None = None,
        column: str | int | None = None,
        position: tuple[int, ...] = (),
        file: str = "",
        source: str = "",
        sample: int | None = None,
        words: str = "",
    ) -> None:
        self.row = row
        self.line = line
        self.column = column
        self.position = position
        self.file = file
        self.source = source
        self.sample = sample
        self.words = words


class OptionName(Fact):
    """An option of a call, which is a flag on the command line, and its value if it has one."""

    __slots__ = ("name", "value")

    def __init__(self, name: str, value: Any = None) -> None:
        self.name = name
        self.value = value


class Sentence(Fact):
    """A sentence with data in it, which get their words with it, and the place it speaks of."""

    __slots__ = ("location", "text", "values")

    def __init__(
        self, text: str, values: Mapping[str, Any] | None = None, location: Location | None = None
    ) -> None:
        self.text = text
        self.values = values or {}
        self.location = location

    @classmethod
    def of(cls, text: str, /, *options: OptionName, **values: Any) -> Self:
        """Return a sentence in which ``{name}`` stands for the option of that name."""
        return cls(text, {one.name: one for one in options} | values)

    def __str__(self) -> str:
        return self.text.format(**self.values, location=self.location)


class TextFinding(Fact):
    """What is wrong at a place of a text file: in a cell, or with a line."""

    __slots__ = ("location", "text")

    def __init__(self, text: str, location: Location) -> None:
        self.text = text
        self.location = location


class RemedyKind(StrEnum):
    """What can be done about something that is wrong; the words stand in ``output/text/words``."""

    # Numbers that break the rule of an input's kind.
    CHECK_ORDER = "check_order"
    RELABEL = "relabel"
    END_LISTS = "end_lists"
    TAKE_SIGNS = "take_signs"
    TAKE_LOGITS_LOSS = "take_logits_loss"
    TAKE_CLASS_LOGITS_LOSS = "take_class_logits_loss"
    TAKE_VARIANCES = "take_variances"
    TAKE_BITS = "take_bits"
    TAKE_CLASS_LABELS = "take_class_labels"
    MASK_NOT_POSITIVE = "mask_not_positive"
    MASK_NEGATIVE = "mask_negative"
    MASK_NO_AMOUNTS = "mask_no_amounts"
    TAKE_CORNERS = "take_corners"
    TAKE_LOG_PROBABILITIES = "take_log_probabilities"
    TAKE_LOGITS_OF_CLASSES = "take_logits_of_classes"
    TAKE_LOGITS = "take_logits"
    CHOOSE_NAN_POLICY = "choose_nan_policy"
    OMIT_MISSING = "omit_missing"
    # Shapes that do not fit.
    ALIGN_SAMPLES = "align_samples"
    SQUEEZE = "squeeze"
    MOVE_CLASS_AXIS = "move_class_axis"
    SWAP_INPUTS = "swap_inputs"
    GIVE_SHAPES = "give_shapes"
    GIVE_ARRAY = "give_array"
    COUNT_ROWS = "count_rows"
    # Texts, where numbers are needed.
    CHOOSE_NUMBERS = "choose_numbers"
    CORRECT_CELL = "correct_cell"
    LIST_CLASSES = "list_classes"
    NAME_CLASSES = "name_classes"
    FILL_CELLS = "fill_cells"
    # States of parts.
    SAVE_STATE = "save_state"
    SAVE_AGAIN = "save_again"
    NAME_STATES = "name_states"
    # Evaluations.
    GIVE_DATASET = "give_dataset"
    PAIR_ROWS = "pair_rows"
    # Losses that have no gradient, or a second definition.
    LIST_GRADIENTS = "list_gradients"
    SET_OPTIONS_OF = "set_options_of"


class Remedy(Fact):
    """What to do about something that is wrong: its kind, and what that kind needs to be said.

    The kind is a :class:`RemedyKind`, or one of a room's own.
    """

    __slots__ = ("kind", "values")

    def __init__(self, kind: StrEnum, values: Mapping[str, Any] | None = None) -> None:
        self.kind = kind
        self.values = values or {}
