"""Start worker processes that import only what they need."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from types import ModuleType

SPAWN = get_context("spawn")  # a forked child of a process with torch in it can hang

_lock = threading.Lock()


@contextmanager
def bare_main() -> Iterator[None]:
    """Keep children that are spawned within from importing the parent's main module.

    They need nothing of it, and a command's main module imports torch and hydra: seconds and hundreds of megabytes.
    """
    with _lock:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def leave_interrupts_to_parent() -> None:
    """Ignore Ctrl-C, which reaches parent and children alike; the parent ends its children."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
