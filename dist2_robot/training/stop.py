"""Whether a training has been asked to stop, as a cluster does some seconds before it kills."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 128 + signal.SIGTERM


class TrainingStoppedError(Exception):
    """The training was asked to stop, and has saved where it was."""


@contextmanager
def on_sigterm() -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether SIGTERM came; a second one ends the process at once.

    Only for the main thread of a process, the one in which Python handles signals.
    """
    asked = False

    def handle(number: int, _: FrameType | None) -> None:
        nonlocal asked
        if asked:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        asked = True

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGTERM, before)
