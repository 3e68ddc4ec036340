"""What a terminal shows: tables and messages, on a pseudo-terminal of 80 columns."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import termios
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lossctl.errors import DataError
from lossctl.output.elements.write import write_elements
from lossctl.output.results import write_reduced
from lossctl.output.text.messages import print_error, print_warning
from tests.output.samples import SampleStream, make_result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO


@pytest.fixture(autouse=True)
def _ordinary_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "LINES", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def show() -> Iterator[Callable[[Callable[[TextIO], object]], str]]:
    """Return a function that gives what a terminal receives."""
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 80, 0, 0))

    def receive(printing: Callable[[TextIO], object]) -> str:
        with open(terminal, "w", encoding="utf-8", closefd=False) as stream:
            printing(stream)
            stream.write("\0")
        received = b""
        while not received.endswith(b"\0"):  # a terminal hands over as much as it has just now
            received += os.read(main, 65536)
        return received[:-1].decode().replace("\r\n", "\n")

    yield receive
    os.close(main)
    os.close(terminal)


def strip_styles(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_table_is_coloured_and_fitted(show: Callable[..., str]) -> None:
    source = "s3://bucket/" + "directory/" * 10 + "[/x]logits.npy"
    result = make_result(inputs=(("input", source, (400, 39)),))
    text = show(lambda stream: write_reduced(result, "table", stream))
    assert "\x1b[1;32m0.279904" in text
    lines = strip_styles(text).splitlines()
    assert {len(line) for line in lines} == {80}
    cells = [line.split("│")[2].strip() for line in lines if line.startswith("│")]
    assert source in "".join(cells)


@pytest.mark.parametrize("columns", ["24", "40"])
def test_narrow_terminal_loses_no_digit(
    show: Callable[..., str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    result = make_result(value=-1.23456789e-123)
    text = strip_styles(show(lambda stream: write_reduced(result, "table", stream, 9)))
    rows = [line.split("│") for line in text.split("├")[0].splitlines()[1:]]
    assert "".join(row[2].strip() for row in rows) == "-1.23456789e-123"


def test_value_that_is_not_finite_stands_out(show: Callable[..., str]) -> None:
    result = make_result(value=float("nan"))
    assert "\x1b[1;31mnan" in show(lambda stream: write_reduced(result, "table", stream))


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colour_where_it_is_unwelcome(
    show: Callable[..., str], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    def write_all(stream: TextIO) -> None:
        write_reduced(make_result(), "table", stream)
        write_elements(SampleStream(np.arange(30.0)), "table", stream)
        print_error(DataError("wrong"), stream)

    text = show(write_all)
    assert "0.279904" in text
    assert not re.search(r"\x1b\[[0-9;]*[34][0-9]", text)
    if name == "TERM":
        assert "\x1b" not in text


def test_element_table_is_coloured(show: Callable[..., str]) -> None:
    losses = np.arange(30.0)
    text = show(lambda stream: write_elements(SampleStream(losses), "table", stream))
    assert "\x1b" in text
    plain = io.StringIO()
    write_elements(SampleStream(losses), "table", plain)
    assert strip_styles(text) == plain.getvalue()


def test_messages_have_a_coloured_prefix(show: Callable[..., str]) -> None:
    error = DataError("[red]a.npy[/x]: broken", "Write it again.")
    text = show(lambda stream: print_error(error, stream))
    assert text.startswith("\x1b[1;31merror:\x1b[0m")
    assert strip_styles(text) == "error: [red]a.npy[/x]: broken\n  Write it again.\n"
    text = show(lambda stream: print_warning("3 NaN", stream))
    assert text.startswith("\x1b[1;33mwarning:\x1b[0m")
    assert strip_styles(text) == "warning: 3 NaN\n"


def test_messages_are_plain_and_whole_in_a_pipe() -> None:
    stream = io.StringIO()
    path = "directory/" * 30 + "[bold]\x1b[31m.npy"
    print_error(DataError(f"{path}: broken", "Write it again.\nOr another."), stream)
    shown = path.replace("\x1b", r"\x1b")
    assert stream.getvalue() == f"error: {shown}: broken\n  Write it again.\n  Or another.\n"
    stream = io.StringIO()
    print_warning("nothing is left", stream)
    assert stream.getvalue() == "warning: nothing is left\n"


def test_messages_fit_the_encoding() -> None:
    data = io.BytesIO()
    stream = io.TextIOWrapper(data, encoding="ascii")
    print_warning("größe.npy: Σ weight is 0 …", stream)
    stream.flush()
    assert data.getvalue() == b"warning: gr\\xf6\\xdfe.npy: sum weight is 0 ...\n"


def test_messages_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(DataError("wrong"))
    print_warning("odd")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "error: wrong\nwarning: odd\n")
