"""The end of a command whose output nobody reads any more, as in ``dist2-train --help | head -1``."""

import contextlib
import os
import select
import sys
from collections.abc import Iterator
from typing import IO, Any

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


class PatientStream:
    """What is printed while a robot moves: where nobody reads it any more it is dropped, and nothing else happens."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except (OSError, ValueError):  # the reader has gone, or it is closed
            self._drop()
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._drop()

    @property
    def unchecked(self) -> "PatientStream":
        """The same without the check of what is printed (`PrintableStream`), for what moves the cursor."""
        return PatientStream(getattr(self._stream, "unchecked", self._stream))

    def _drop(self) -> None:
        """Let what is still to be written, now and at the end of the program, go nowhere."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def patient_output() -> Iterator[None]:
    """Let no print fail, be the terminal gone or the pipe closed."""
    out, err = PatientStream(sys.stdout), PatientStream(sys.stderr)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):  # type: ignore[type-var]
        try:
            yield
        finally:
            out.flush()
            err.flush()


def _has_hung_up(stream: IO[str]) -> bool:
    with contextlib.suppress(OSError, ValueError):  # no file, or closed by ourselves
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    return False
