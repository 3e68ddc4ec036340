"""Options of older APIs, and what replaces them."""

REPLACED = {
    "size_average": {True: "mean", False: "sum"},
    "reduce": {True: "mean", False: "none"},
}


def explain_replacement(name: str, *, flags: bool = False) -> str | None:
    """Say which reduction replaces a retired option, in Python's words or as flags."""
    replaced = REPLACED.get(name)
    if replaced is None:
        return None
    if flags:
        words = [f"--reduction {reduction} for {value}" for value, reduction in replaced.items()]
    else:
        words = [f"reduction={new!r} for {name}={old}" for old, new in replaced.items()]
    return f"Say {' and '.join(words)}."
