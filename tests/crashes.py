"""Runs a task in a child process that meets its fate at the n-th thing it does to files."""

import errno
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from dist2_robot.checkpoints import store

Fate = Callable[[str], None]
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_EVENTS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir"}
TIME_LIMIT_S = 120


def killed(_: str) -> None:
    """SIGKILL, before the thing is done."""
    os.kill(os.getpid(), signal.SIGKILL)


def torn(room: int) -> Fate:
    """The kernel kills the process in the middle of the next file it writes, after so many bytes of it."""

    def fate(_: str) -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))

    return fate


class FullDisk:
    """From then on nothing is made and nothing grows beyond so many bytes; to rename and to remove still works."""

    def __init__(self, room: int) -> None:
        self.room, self.is_full = room, False

    def __call__(self, label: str) -> None:
        if not self.is_full:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.room, resource.RLIM_INFINITY))
        self.is_full = True
        if label.startswith(("open", "os.mkdir", "fsync")):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def points_of(task: Callable[[], object], root: Path) -> list[str]:
    """Return what a task does to files below a folder, one after the other; it must end well."""
    code, labels = _in_child(task, root, at=None, fate=killed)
    assert code == 0, labels
    return labels


def run_with(task: Callable[[], object], root: Path, at: int, fate: Fate) -> tuple[int, str]:
    """Return how the child ended (0 done, -9 killed, -25 torn, 1 failed) and the last it said.

    That is what it was about to do, or its error.
    """
    code, labels = _in_child(task, root, at, fate)
    return code, labels[-1] if labels else ""


def _in_child(task: Callable[[], object], root: Path, at: int | None, fate: Fate) -> tuple[int, list[str]]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.alarm(TIME_LIMIT_S)
        _silence()
        code = 1
        try:
            _count(root, at, fate, writing)
            code = code if isinstance(code := task(), int) else 0
        except BaseException as error:
            os.write(writing, f"{type(error).__name__}: {' '.join(str(error).split())}\n".encode())
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode().splitlines()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def _silence() -> None:
    """What pytest captures goes to files, which are to be of no account here."""
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115


def _count(root: Path, at: int | None, fate: Fate, pipe: int) -> None:
    """Call the fate at the n-th thing, and at all after it. The hook stays for the life of the process."""
    seen = 0

    def point(label: str) -> None:
        nonlocal seen
        seen += 1
        os.write(pipe, f"{label}\n".encode())
        if at is not None and (seen - 1 == at or (seen - 1 > at and isinstance(fate, FullDisk))):
            fate(label)

    def hook(event: str, arguments: tuple) -> None:
        if event in _EVENTS or (event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING):
            path = os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes | os.PathLike) else ""
            # What is deleted is named relative to an open folder.
            if Path(path).is_relative_to(root) or (event in ("os.remove", "os.rmdir") and not os.path.isabs(path)):  # noqa: PTH117
                point(f"{event} {Path(path).name}")

    sync, save_file = os.fsync, store.save_file

    def fsync(descriptor: int) -> None:
        point("fsync")
        sync(descriptor)

    def save(tensors: dict, path: Path) -> None:
        point(f"save_file {path.name}")
        save_file(tensors, path)

    os.fsync, store.save_file = fsync, save
    sys.addaudithook(hook)
