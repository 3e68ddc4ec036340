"""What the settings that the verbs share mean: said once, for docstrings and for flags."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """The words about a setting."""

    help: str = ""
    """What the help of its flag says."""
    sentence: str = "{help}"
    """What a docstring says, where ``{help}`` is put in."""

    @property
    def text(self) -> str:
        """What a docstring says."""
        return self.sentence.format(help=self.help)


REDUCED = "mean, sum, batchmean, sum_over_batch_size, mean_with_sample_weight"
"""The reductions to one number."""

SETTINGS = {
    "loss": Setting(
        sentence="a loss, by a name or alias that ``lossctl list`` shows; ``'FILE.py:NAME'`` for"
        " a custom loss; or a declared loss"
    ),
    "inputs": Setting(
        sentence="what the loss declares, predictions first: arrays, or references such as"
        " ``'eval.parquet#logit_0:logit_9'``; may also be given by name"
    ),
    "options": Setting(
        sentence="options of the loss, under the names and with the bounds and defaults that"
        " ``lossctl show LOSS`` shows; inputs given by name"
    ),
    "reduction": Setting(
        f"none, {REDUCED}",
        "how the losses are reduced: {help}; None is the default of the loss: mean, or"
        " sum_over_batch_size for losses of Keras",
    ),
    "sample_weight": Setting(
        "weight of each sample",
        "{help}: one number per sample, an array of the shape of the losses, or one number for all",
    ),
    "mask": Setting(
        "samples to keep (0 excludes one)",
        "{help}: one value per sample, or an array of the shape of the losses",
    ),
    "class_axis": Setting("axis of the classes", "{help}, an integer; -1 is the last"),
    "classes": Setting(
        "names of the classes, comma-separated or one per line in a file",
        "{help}, or a list of strings, in the order of the class indices; for labels that are"
        " strings, integers or booleans, and for columns named after the classes",
    ),
    "squeeze": Setting("drop axes of length 1 before comparing shapes"),
    "nan": Setting(
        "propagate, omit or error",
        "what is done about losses that are NaN, or lack a number: {help}; propagate makes the"
        " result NaN, omit excludes and counts them, error raises DataError",
    ),
    "dtype": Setting(
        "precision of the computation: float64 or float32", "{help}; sums are always in float64"
    ),
    "threads": Setting(
        "worker threads [default: all cores]",
        "worker threads, an integer of at least 1; None is all cores",
    ),
    "part": Setting(
        "compute only one part of the blocks, such as 3/40; the rows of text files are counted"
        " first",
        "{help}. A string ``'3/40'`` or a pair ``(3, 40)``, counted from 1; needs ``save_state``,"
        " and inputs that are not a pipe",
    ),
    "save_state": Setting(
        "save the sums to a file for 'lossctl merge'", "{help}, or :func:`merge`"
    ),
    "progress": Setting(
        "show progress of long runs on a terminal",
        "a function, called with the number of samples done and the total (None if unknown)",
    ),
}
"""The settings, by their names."""

ERRORS = {
    "UsageError": "an unknown loss, input or option; a value that is not valid or not in bounds;"
    " a missing input.",
    "DataError": "shapes that do not fit, or values that an input may not have.",
    "FileError": "a file that cannot be read or written.",
    "CustomLossError": "a declaration or a function of a custom loss that is wrong.",
}
"""When the usual errors are raised."""
