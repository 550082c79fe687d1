"""Values as Hydra writes them on a command line: what it can read, what it would make of it, and how text is quoted."""

import re
from collections.abc import Iterator
from itertools import pairwise

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf.errors import GrammarParseError
from omegaconf.grammar_parser import parse as parse_interpolation

_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_CLOSING = {"[": "]", "{": "}"}


def read(argument: str) -> Override | None:
    """Return what Hydra makes of ``key=value``; None if it cannot read it."""
    try:
        return OverridesParser.create().parse_override(argument)
    except (HydraException, ValueError):  # the latter of what is no number of its functions
        return None


def quoted(value: object, mark: str = "'") -> str:
    """Return a value as an option may hold it, whatever is in it, but for ``${x}``, which means another option."""
    # In Hydra's quotes a backslash is one, unless a quote follows.
    pattern = rf"(\\*)({mark}|$)"
    return mark + re.sub(pattern, lambda found: 2 * found[1] + ("\\" + mark if found[2] else ""), str(value)) + mark


def quoted_text(text: str) -> str:
    """Return text that was typed without quotes; what looks like the start of an option's value but is none is text."""
    try:
        parse_interpolation(text)
    except GrammarParseError:
        text = re.sub(r"(\\*)\$\{", lambda found: 2 * found[1] + "\\${", text)
    return quoted(text)


def is_quoted(value: str) -> bool:
    """Tell whether a value is in quotes as a whole."""
    return _QUOTED.fullmatch(value) is not None


def inside(value: str, opening: str) -> str | None:
    """Return what is between the brackets of a list or of a mapping; None if a value is not one as a whole."""
    return value[1:-1] if value.startswith(opening) and _end(value, 0) == len(value) else None


def elements(text: str, before: str = ",") -> list[str]:
    """Return what commas separate, but for those in quotes or brackets.

    Args:
        text: Of a list without its brackets, or of a sweep.
        before: What quotes and brackets must follow to enclose something; ``,:`` for the entries of a mapping.
    """
    cuts = [-1, *_commas(text, before), len(text)]
    return [text[start + 1 : end].strip(" \t") for start, end in pairwise(cuts)]


def _commas(text: str, before: str) -> Iterator[int]:
    at, is_start = 0, True
    while at < len(text):
        end = _end(text, at) if is_start else None
        if end is not None and text[end:].lstrip(" \t")[:1] in ("", ","):
            at, is_start = end, False
            continue
        if text[at] == ",":
            yield at
        is_start = text[at] in before or (is_start and text[at] in " \t")
        at += 2 if text[at] == "\\" else 1


def _end(text: str, start: int) -> int | None:
    """Return where the quotes or brackets that open there are closed; None if none open, or they stay open."""
    if found := _QUOTED.match(text, start):
        return found.end()
    if text[start : start + 1] not in _CLOSING:
        return None
    closing, at = [], start
    while at < len(text):
        is_value = text[start:at].rstrip(" \t")[-1:] in "[{,:"  # the start of one
        if is_value and (found := _QUOTED.match(text, at)):
            at = found.end()
            continue
        if is_value and text[at] in _CLOSING:
            closing.append(_CLOSING[text[at]])
        elif closing and text[at] == closing[-1]:
            closing.pop()
            if not closing:
                return at + 1
        at += 2 if text[at] == "\\" else 1
    return None
