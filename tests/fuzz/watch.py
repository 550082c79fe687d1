"""Sees what a reader does besides reading: runs, asks, imports, unpickles, goes to the network, writes elsewhere."""

import os
import sys
from collections.abc import Callable, Iterable
from multiprocessing import active_children, parent_process
from pathlib import Path
from types import CodeType
from typing import Any

from tests.fuzz.hostile import TRAP

RUN = {
    *("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile"),
    *("pty.spawn", "builtins.input", "pickle.find_class"),
}
NETWORK = {
    *("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg"),
    *("socket.bind", "urllib.Request", "http.client.connect", "ftplib.connect", "smtplib.connect"),
}
CHANGING = {
    *("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.chmod", "os.truncate"),
    "shutil.rmtree",
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
HARMLESS = ("/dev/null", "/dev/shm")
OWN_REVISION = ["git", "-C", str(Path(__file__).parents[2])]  # which a checkpoint is stamped with
LOCAL = {"127.0.0.1", "::1", "localhost", "", None}


class NoInput:
    """Stands for the terminal: whoever asks it has failed."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def close(self) -> None:
        """Processes that are forked off do so."""

    def __getattr__(self, name: str) -> Any:
        self._tell(f"sys.stdin.{name}")
        raise EOFError("nobody answers")


def watch(case: Path, writable: Iterable[Path], tell: Callable[[str], None]) -> None:
    """Tell of each such thing from now on, for the rest of this process.

    Args:
        case: The folder of the files that are read.
        writable: Other folders that may be written to.
        tell: Called with a line for each.
    """
    home = os.path.realpath(case)
    allowed = (home, *(os.path.realpath(path) for path in writable))
    outside = os.path.join(home, "outside")  # noqa: PTH118

    def is_elsewhere(path: Any, dir_fd: Any = None) -> bool:
        if not isinstance(path, str | bytes | os.PathLike) or dir_fd not in (None, -1):
            return False
        place = os.path.realpath(os.fsdecode(path))
        within = any(place == folder or place.startswith(folder + "/") for folder in allowed)
        return not place.startswith(HARMLESS) and (not within or place.startswith(outside))

    def hook(event: str, arguments: tuple) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & WRITING and is_elsewhere(path):
                tell(f"open {path!r} for writing")
        elif event == "import":
            if str(arguments[0]).partition(".")[0] == TRAP:
                tell(f"import {arguments[0]}")
        elif event == "exec":
            code = arguments[0]
            if isinstance(code, CodeType) and (code.co_filename.startswith(home) or TRAP in code.co_names):
                tell(f"exec of {code.co_filename}")
        elif event == "ctypes.dlopen":
            name = arguments[0]
            if isinstance(name, str) and "/" in name and os.path.realpath(name).startswith(home):
                tell(f"dlopen {arguments[0]}")
        elif event in RUN:
            if event == "subprocess.Popen" and list(arguments[1])[:3] == OWN_REVISION:
                return
            if event == "pickle.find_class" and _is_of_a_pool(arguments[0]):
                return
            tell(f"{event} {arguments!r}"[:300])
        elif event in NETWORK:
            if not _is_local(arguments):
                tell(f"{event} {arguments!r}"[:300])
        elif event in CHANGING and is_elsewhere(arguments[0], arguments[-1] if event != "os.mkdir" else arguments[2]):
            tell(f"{event} {arguments!r}"[:300])

    sys.stdin = NoInput(tell)  # type: ignore[assignment]
    sys.addaudithook(hook)


def _is_of_a_pool(module: str) -> bool:
    """Tell whether a pickle comes from a process that this one forked, or the other way round."""
    return (
        bool(parent_process())
        or bool(active_children())
        or module.startswith(("concurrent.futures.", "multiprocessing."))
    )


def _is_local(arguments: tuple) -> bool:
    for part in arguments:
        if isinstance(part, tuple):
            return part[0] in LOCAL
        if isinstance(part, str | bytes):
            text = os.fsdecode(part)
            return text in LOCAL or text.startswith(("/", "\0"))
    return False
