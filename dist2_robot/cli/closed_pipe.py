"""The end of a command whose output nobody reads any more, as in ``dist2-train --help | head -1``."""

import contextlib
import os
import select
import sys
from collections.abc import Iterator
from typing import IO

EXIT_CODE = 141  # what a shell calls the end by SIGPIPE: 128 + 13


def is_closed() -> bool:
    """Tell whether what reads standard output, or standard error, has hung up."""
    return any(_has_hung_up(stream) for stream in (sys.stdout, sys.stderr))


@contextlib.contextmanager
def end_with_readers() -> Iterator[None]:
    """End the program, without a word, where it has something to say that nobody reads any more.

    Not by the signal, which Python ignores: it would also end a server whose client has gone.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
    except BrokenPipeError:
        if not is_closed():
            raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            if _has_hung_up(stream):
                os.dup2(nowhere, stream.fileno())  # else Python complains as it closes the stream
        sys.exit(EXIT_CODE)


def _has_hung_up(stream: IO[str]) -> bool:
    with contextlib.suppress(OSError, ValueError):  # no file, or closed by ourselves
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    return False
