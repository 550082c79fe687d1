"""Texts of strangers move no cursor."""

import io

import pytest

from dist2_robot.errors import InputError
from dist2_robot.printable import LONGEST, PrintableStream, one_line, printable

pytestmark = pytest.mark.fault("A13")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\rb", "a\\rb"),
        ("\x9b2J", "\\x9b2J"),
        ("a\u202eb", "a\\u202eb"),
        ("half \ud800", "half \\ud800"),
        ("Schiebe, 押す、\u3000тяни\tx\ny", "Schiebe, 押す、\u3000тяни\tx\ny"),
    ],
)
def test_only_letters_spaces_and_ends_of_lines_are_left_as_they_are(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_line_stays_one_and_can_be_read() -> None:
    assert one_line("a\nerror: b\x1b") == "a error: b\\x1b"
    assert len(one_line("x" * 10**6)) < 2 * LONGEST


def test_what_is_printed_goes_through() -> None:
    screen = io.StringIO()
    stream = PrintableStream(screen)
    print("\x1b]0;title\x07", "half \ud800", file=stream, flush=True)
    assert screen.getvalue() == "\\x1b]0;title\\x07 half \\ud800\n"
    assert stream.unchecked is screen


def test_whatever_an_error_quotes_it_can_be_printed() -> None:
    assert str(InputError("'a\x1b[31m\nb' is wrong\u202e")) == "'a\\x1b[31m b' is wrong\\u202e"
    assert len(str(InputError("x" * 10**6))) < 2 * LONGEST
