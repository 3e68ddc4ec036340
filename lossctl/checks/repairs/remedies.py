"""What can be done about a finding, as data: kinds of remedies, programs, and what joins them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lossctl.errors import Worded
from lossctl.findings import Remedy


class RepairKind(StrEnum):
    """What can be done about a finding; the words are in ``output/checks/repair_words``."""

    IGNORE_OR_CORRECT = "ignore_or_correct"
    LEAVE_OUT_OR_CORRECT = "leave_out_or_correct"
    LEAVE_OUT_UNLABELLED = "leave_out_unlabelled"
    ROUND = "round"
    TURN_BITS_INTO_SIGNS = "turn_bits_into_signs"
    TAKE_THEIR_SIGNS = "take_their_signs"
    TURN_SIGNS_INTO_BITS = "turn_signs_into_bits"
    SCALE = "scale"
    DIVIDE_PERCENT = "divide_percent"
    THRESHOLD = "threshold"
    TURN_SIZES_INTO_CORNERS = "turn_sizes_into_corners"
    ORDER_CORNERS = "order_corners"
    KEEP_LOGITS_OR_CLIP = "keep_logits_or_clip"
    NORMALISE = "normalise"
    SOFTMAX_OF_LOGITS = "softmax_of_logits"
    RAISE_AND_NORMALISE = "raise_and_normalise"
    LOG_SOFTMAX_OF_LOGITS = "log_softmax_of_logits"
    LEAVE_OUT_NOT_FINITE = "leave_out_not_finite"
    LEAVE_OUT_INFINITE = "leave_out_infinite"
    LEAVE_OUT_NAN = "leave_out_nan"
    CLIP = "clip"
    EXPONENTIATE_LOGS = "exponentiate_logs"
    LEAVE_OUT = "leave_out"
    LEAVE_OUT_EMPTY_BOXES = "leave_out_empty_boxes"
    CLIP_OPENLY = "clip_openly"
    SUBTRACT_1 = "subtract_1"
    TAKE_BINARY_LOSS = "take_binary_loss"
    DROP_IGNORED_LABEL = "drop_ignored_label"
    CHANGE_WHAT_IS_LEFT_OUT = "change_what_is_left_out"
    NAME_LABELS = "name_labels"
    CHANGE_IGNORED_LABEL = "change_ignored_label"
    ORDER_CLASS_NAMES = "order_class_names"
    ORDER_COLUMNS = "order_columns"
    EXCHANGE_LABELS = "exchange_labels"
    LOOK_AT_MODEL = "look_at_model"
    SAVE_INTEGERS = "save_integers"
    SAVE_FLOAT32 = "save_float32"
    IGNORE_WRAPPED = "ignore_wrapped"
    READ_AS = "read_as"
    SAVE_FLOATS = "save_floats"
    LOOK_AT_PREDICTIONS = "look_at_predictions"
    CHECK_COLUMN = "check_column"
    CHECK_FILLED = "check_filled"
    KEEP_FIRST_SAMPLES = "keep_first_samples"
    KEEP_FIRST_IDS = "keep_first_ids"
    DROP_UNPAIRED_ROWS = "drop_unpaired_rows"
    FIND_ROWS_NEAR = "find_rows_near"
    CHECK_INPUTS = "check_inputs"
    RESCALE = "rescale"
    CHECK_PAIRING = "check_pairing"
    CHECK_FILES = "check_files"
    NORMALISE_LOGS = "normalise_logs"
    UNDO_SOFTMAX = "undo_softmax"
    SAY_CLASS_AXIS = "say_class_axis"
    MOVE_CLASS_AXIS = "move_class_axis"
    LEAVE_OUT_IMPOSSIBLE = "leave_out_impossible"
    DROP_AXES = "drop_axes"
    EXCHANGE_INPUTS = "exchange_inputs"
    EXCHANGE_AXES = "exchange_axes"
    FIND_MISSING_ROWS = "find_missing_rows"
    TAKE_INDICES = "take_indices"
    TAKE_ONE_HOT = "take_one_hot"
    NAME_IDS = "name_ids"
    NAME_CLASSES = "name_classes"
    LIST_CLASSES_IN_FILE = "list_classes_in_file"
    NAME_ALL_CLASSES = "name_all_classes"
    ADD_CLASSES = "add_classes"
    FILL_CELLS = "fill_cells"
    NAME_LOSS = "name_loss"
    COMPUTE_OTHER = "compute_other"
    SAY_FORM = "say_form"
    CONVERT = "convert"
    TAKE_OTHER_LOSS = "take_other_loss"
    CONVERT_BY = "convert_by"
    TAKE_LOGARITHMS = "take_logarithms"
    TAKE_ODDS = "take_odds"
    EXPONENTIATE = "exponentiate"
    TAKE_SIGMOID = "take_sigmoid"
    TAKE_LOG_SIGMOID = "take_log_sigmoid"
    TAKE_SOFTMAX = "take_softmax"
    TAKE_LOG_SOFTMAX = "take_log_softmax"
    SAVE_INPUT = "save_input"
    GIVE_INPUT_AGAIN = "give_input_again"


@dataclass(frozen=True, slots=True)
class Program(Worded):
    """Statements of Python that write inputs anew."""

    statements: tuple[str, ...]
    files: bool = True
    """Whether they read and write files, and so can be run in a shell."""


@dataclass(frozen=True, slots=True)
class Repair(Worded):
    """What to do, and the commands that do it (none where no command can)."""

    remedies: tuple[Worded | str, ...]
    commands: tuple[Worded | str, ...] = ()
    aside: Remedy | None = None
    """What to take care of at the same time."""

    @property
    def kind(self) -> str:
        """The kind of the first remedy; empty where it is in words alone."""
        first = self.remedies[0] if self.remedies else ""
        return str(first.kind.value) if isinstance(first, Remedy) else ""

    @classmethod
    def of(cls, kind: RepairKind, **values: Any) -> Repair:
        """Return a repair that no command makes."""
        return cls((Remedy(kind, values),))
