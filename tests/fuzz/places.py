"""What may lie where a file is looked for, and damage to bytes that knows nothing of them."""

import os
import random
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.hostile import SECRET, payload

OUTSIDE = "outside"  # a folder beside the one that is read
GIANT = 137 * 2**30  # bytes of a file that takes no room on the disk


def put_something_else(path: Path, rng: random.Random) -> None:
    """Replace a file by what is no such file."""
    content = path.read_bytes()
    rng.choice(PLACES)(path, content, rng)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _fifo(path: Path, content: bytes, rng: random.Random) -> None:
    _remove(path)
    os.mkfifo(path)


def _giant(path: Path, content: bytes, rng: random.Random) -> None:
    with path.open("r+b") as file:
        file.truncate(GIANT)


def _large(path: Path, content: bytes, rng: random.Random) -> None:
    with path.open("r+b") as file:
        file.truncate(300 * 2**20)


def _folder(path: Path, content: bytes, rng: random.Random) -> None:
    _remove(path)
    path.mkdir()
    if rng.random() < 0.5:
        (path / path.name).write_bytes(content)


def _missing(path: Path, content: bytes, rng: random.Random) -> None:
    _remove(path)


def _link_to(target: Callable[[Path], str]) -> Callable[[Path, bytes, random.Random], None]:
    def place(path: Path, content: bytes, rng: random.Random) -> None:
        _remove(path)
        path.symlink_to(target(path))

    return place


def _link_to_itself_outside(path: Path, content: bytes, rng: random.Random) -> None:
    outside = _outside(path) / f"taken_{path.name}"
    outside.write_bytes(content)
    _remove(path)
    path.symlink_to(outside)


def _linked_parent(path: Path, content: bytes, rng: random.Random) -> None:
    parent = path.parent
    away = _outside(path) / f"folder_{parent.name}"
    if away.exists() or parent.name == "given":
        _link_to_itself_outside(path, content, rng)
    else:
        shutil.move(parent, away)
        parent.symlink_to(away)


def _socket(path: Path, content: bytes, rng: random.Random) -> None:
    _remove(path)
    here = Path.cwd()
    try:  # the whole path may be too long for a socket
        os.chdir(path.parent)
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _pickle(path: Path, content: bytes, rng: random.Random) -> None:
    path.write_bytes(payload())


def _empty(path: Path, content: bytes, rng: random.Random) -> None:
    path.write_bytes(b"")


def _noise(path: Path, content: bytes, rng: random.Random) -> None:
    path.write_bytes(rng.randbytes(rng.choice((1, 8, 100, 5000))))


def _bytes(path: Path, content: bytes, rng: random.Random) -> None:
    path.write_bytes(change_bytes(content, rng))


def _outside(path: Path) -> Path:
    return next(parent for parent in path.parents if parent.name == "given").parent / OUTSIDE


def secret_file(path: Path) -> str:
    return str(_outside(path) / "secret.txt")


def write_secret(case: Path) -> None:
    """Write the file outside that links lead to."""
    (case / OUTSIDE).mkdir()
    (case / OUTSIDE / "secret.txt").write_text(f"{SECRET}\n{SECRET}\n")


PLACES = (
    *(_fifo, _fifo, _giant, _large, _folder, _folder, _missing, _missing, _socket, _pickle, _empty, _noise),
    *(_bytes, _bytes, _link_to_itself_outside, _linked_parent),
    *(
        _link_to(lambda path, to=to: to)
        for to in ("/dev/zero", "/dev/stdin", "/dev/tty", "/proc/self/environ", "/proc/kcore")
    ),
    *(_link_to(secret_file), _link_to(lambda path: path.name), _link_to(lambda path: "nowhere/at/all")),
)


def change_bytes(content: bytes, rng: random.Random) -> bytes:
    """Return bytes some of which are other ones, or more, or fewer."""
    x = bytearray(content or b"\0")
    match rng.randrange(6):
        case 0:
            for _ in range(rng.choice((1, 1, 4, 64))):
                x[rng.randrange(len(x))] ^= 1 << rng.randrange(8)
        case 1:
            del x[rng.randrange(len(x)) :]
        case 2:
            at = rng.randrange(len(x))
            x[at : at + 8] = rng.choice((b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7, b"\0" * 7 + b"\x10"))
        case 3:
            at, count = rng.randrange(len(x)), rng.choice((1, 16, 400))
            del x[at : at + count]
        case 4:
            at = rng.randrange(len(x))
            x[at:at] = rng.randbytes(rng.choice((1, 16, 400)))
        case _:
            half = len(x) // 2
            at = rng.randrange(half) if rng.random() < 0.5 and half else max(0, len(x) - rng.randrange(1, 400))
            x[at : at + 4] = rng.randbytes(4)
    return bytes(x)
