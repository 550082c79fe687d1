"""Texts of files that anyone may have made, shown so that they move no terminal's cursor and hide nothing."""

import unicodedata
from collections.abc import Iterable
from typing import Any, TextIO

LONGEST = 4000  # letters of a line that tells of a mistake


def printable(text: str) -> str:
    """Return a text with what is no letter, space or end of a line written out, such as ``\\x1b``."""
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(x if x.isprintable() or x in "\n\t" or _is_space(x) else _written_out(x) for x in text)


def one_line(text: str) -> str:
    """Return a text, printable, in one line that can be read."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} ..."


class PrintableStream:
    """What a program prints, made printable on its way. Attributes: unchecked: The stream behind it."""

    def __init__(self, stream: TextIO) -> None:
        self.unchecked = stream

    def write(self, text: str) -> int:
        """Print a text; as `TextIO` has it, return how much of it was: all."""
        self.unchecked.write(printable(text))
        return len(text)

    def flush(self) -> None:
        self.unchecked.flush()

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unchecked, name)


def _is_space(letter: str) -> bool:
    return unicodedata.category(letter) == "Zs"


def _written_out(letter: str) -> str:
    return letter.encode("unicode_escape").decode()
