"""Single keys of the terminal, such as the one that stops the robot."""

import contextlib
import os
import select
import sys
import threading
from collections.abc import Callable, Mapping

_LOOK_S = 0.05


def has_terminal() -> bool:
    """Tell whether somebody can type something."""
    try:
        return sys.stdin is not None and sys.stdin.isatty()
    except ValueError:  # it is closed
        return False


class Keys:
    """Listens in a thread while it is a context. Without a terminal it hears nothing.

    Args:
        actions: Key -> what to do, called in the thread; ``\\n`` is Enter.
    """

    def __init__(self, actions: Mapping[str, Callable[[], None]]) -> None:
        self._actions = actions
        self._is_over = threading.Event()
        self._before = None
        self.is_listening = False

    def __enter__(self) -> "Keys":
        if not has_terminal():
            return self
        try:
            import termios
            import tty
        except ImportError:  # another kind of system
            return self
        self._descriptor = sys.stdin.fileno()
        try:
            self._before = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor)
        except termios.error:  # it is just going
            self._before = None
            return self
        self.is_listening = True
        self._thread = threading.Thread(target=self._listen, name="keys", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        if self._before is not None:
            import termios

            self._thread.join()
            with contextlib.suppress(termios.error):  # the terminal is gone
                termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def _listen(self) -> None:
        while not self._is_over.is_set():
            if select.select([self._descriptor], [], [], _LOOK_S)[0]:
                try:
                    key = os.read(self._descriptor, 1).decode(errors="replace")
                except OSError:  # the terminal is gone
                    key = ""
                if not key:
                    self.is_listening = False
                    return
                if (action := self._actions.get(key)) is not None:
                    action()
