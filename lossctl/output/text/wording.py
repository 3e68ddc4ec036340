"""Text and numbers as people read them, in any encoding, with nothing hidden in them."""

from __future__ import annotations

from typing import TextIO

_ASCII = {
    "Σ": "sum",
    "Π": "prod",
    "√": "sqrt",
    "×": "x",
    "·": "*",
    "−": "-",
    "–": "-",
    "—": "-",
    "±": "+-",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "→": "->",
    "…": "...",
}
"""Replacements of symbols that the encoding lacks."""

_WHOLE = 2.0**53
"""Up to here every integer is exact in double precision."""


def read_encoding(stream: TextIO) -> str:
    """Return the encoding of a stream; one in memory takes everything."""
    return getattr(stream, "encoding", None) or "utf-8"


def can_encode(text: str, encoding: str | None) -> bool:
    """Return whether the encoding has every character of the text."""
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def fit_text(text: str, encoding: str | None = None) -> str:
    """Return the text in characters that the encoding has and a terminal does not obey.

    Control characters and broken bytes in a file's name become visible escapes; symbols that the
    encoding lacks become words.
    """
    if text.isascii() and text.isprintable():
        return text
    shown = "".join(char if char.isprintable() else _escape(char) for char in text)
    if can_encode(shown, encoding):
        return shown
    target = encoding or "utf-8"
    for symbol, word in _ASCII.items():
        if not can_encode(symbol, target):
            shown = shown.replace(symbol, word)
    return shown.encode(target, "backslashreplace").decode(target)


def format_number(value: float, precision: int) -> str:
    """Return the number with so many significant digits."""
    return f"{value:.{precision}g}"


def format_amount(value: float, precision: int) -> str:
    """Return a whole number in all its digits, another one with so many significant digits."""
    if value == value // 1 and abs(value) <= _WHOLE:
        return str(int(value))
    return format_number(value, precision)


def format_shape(shape: tuple[int | None, ...]) -> str:
    """Return a shape as NumPy writes it."""
    sizes = ["?" if size is None else str(size) for size in shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
