"""The door to files that anyone may have made: pipes, devices and huge files are not read, links are not written to."""

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

MIB = 2**20


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file to read. A pipe without a writer does not make it wait.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is no regular file: a folder, a pipe, a device, a socket. It says what, not where.
        OSError: It may not be read.
    """
    regular(path)  # a socket cannot even be opened
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _check(os.fstat(descriptor))  # it may have been exchanged in between
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def regular(path: Path) -> Path:
    """Return the path of a file that another library is to open. Raises as `open_regular`; nothing is opened."""
    try:
        _check(path.stat())
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG):
            raise ValueError(f"no file can be there: {(error.strerror or '').lower()}") from None
        raise
    return path


def read_bytes(path: Path, at_most: int) -> bytes:
    """Return what a file holds.

    Args:
        path: The file.
        at_most: How many bytes it may have.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is no regular file, or larger. It says which, not where.
        OSError: It cannot be read.
    """
    with open_regular(path) as file:
        content = file.read(at_most + 1)
    if len(content) > at_most:
        raise ValueError(f"it has more than {_size(at_most)}")
    return content


def read_text(path: Path, at_most: int) -> str:
    """Return the text of a file in UTF-8, with or without a byte order mark. Raises as `read_bytes`, and ValueError
    for other bytes.
    """
    try:
        return read_bytes(path, at_most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is no text in UTF-8, at byte {error.start}") from None


def write_text(path: Path, text: str) -> None:
    """Write a file that is never seen half-written, even if the process is killed or the disk is full.

    Its folder is made. A link or a pipe in its place is replaced, not followed; a device is written to. What a killed
    process left ends in ``.unfinished``.

    Raises:
        OSError: It cannot be written; what was there before is still there.
    """
    if is_device(path):  # of the machine, as /dev/null: nobody's to replace
        path.write_text(text, encoding="utf-8")
        return
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.unlink(missing_ok=True)
        with unfinished.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise OSError(f"cannot write '{path}' ({error})") from error


def is_device(path: Path) -> bool:
    """Tell whether a path, itself and not where a link leads, is a device."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def _check(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no regular file")


def _size(count: int) -> str:
    return f"{count // MIB} MiB" if count >= MIB else f"{count} bytes"
