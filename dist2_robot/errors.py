"""The error that a user can mend."""

import contextlib
import difflib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dist2_robot.printable import one_line


class InputError(Exception):
    """Something given from outside is wrong. The message is one line: what is wrong, where, and how to mend it.

    Commands print it without a traceback and exit with code 2. Whatever it quotes of a file, it can be printed.
    """

    def __str__(self) -> str:
        return one_line(super().__str__())


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let whatever is wrong with a file or a folder be told with its name."""
    try:
        yield
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"'{path}': {error}") from error


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest of the known names, or an empty string if none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


def some_of(names: Sequence[str], shown: int = 4) -> str:
    """Return the first of many names, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"{', '.join(names[:shown])}{more}"


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or its kind where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]
