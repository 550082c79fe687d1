"""One process at a time writes to a folder."""

import errno
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from dist2_robot.errors import InputError
from dist2_robot.json_file import read_json, write_json

logger = logging.getLogger(__name__)

LOCK = ".lock"
HOLDER = ".lock.json"  # a file of its own: to ask for the lock may empty that of the lock
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # a file system, most often NFS, that has none


@contextmanager
def locked(folder: Path, key: str = "output") -> Iterator[None]:
    """Hold a folder, which is made, while something is written to it.

    The kernel takes the lock back from a process that dies, however it does. Where the file system has no locks, that
    is warned of, and nothing is held.

    Args:
        folder: What is held.
        key: The option that names it, for the message.

    Raises:
        InputError: Another process holds it, or something else has its name.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"'{folder}' is a file, not a folder: name another {key}=")
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _held(folder / LOCK, folder / HOLDER, f"'{folder}'", key):
            yield
    finally:
        if made and [path.name for path in folder.iterdir()] == [LOCK]:  # nothing came of it
            (folder / LOCK).unlink()
            for path in made:
                path.rmdir()


@contextmanager
def locked_name(folder: Path, key: str) -> Iterator[None]:
    """Hold the name of a folder that appears only when it is complete. Arguments and errors as of `locked`."""
    place = folder.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    lock, holder = (place.with_name(f".{place.name}{name}") for name in (LOCK, HOLDER))
    with _held(lock, holder, f"'{folder}'", key):
        yield


@contextmanager
def _held(lock_file: Path, holder_file: Path, what: str, key: str) -> Iterator[None]:
    lock = FileLock(lock_file, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{what} is in use by {_holder(holder_file)}: wait until that has ended, or name another {key}="
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        logger.warning("%s cannot be locked (%s): see to it that nothing else writes there", what, error)
        yield
        return
    try:
        _write_holder(holder_file)
        yield
    finally:
        holder_file.unlink(missing_ok=True)
        lock.release()


def _write_holder(path: Path) -> None:
    command = Path(sys.argv[0]).name or "python"
    content = {"pid": os.getpid(), "host": socket.gethostname(), "command": command}
    write_json(path, content | {"since": datetime.now().astimezone().isoformat(timespec="seconds")})


def _holder(path: Path) -> str:
    """Return who holds a lock, in words."""
    try:
        holder = read_json(path)
        return f"process {int(holder['pid'])} on {holder['host']} ({holder['command']}, since {holder['since']})"
    except (OSError, ValueError, OverflowError, KeyError, TypeError):  # not written yet, or by somebody else
        return "another process"
