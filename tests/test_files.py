"""Only regular files are read, and only so much of them."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from dist2_robot.files import open_regular, read_bytes, read_text, regular, write_text

READERS = [open_regular, regular, lambda path: read_bytes(path, 10), lambda path: read_text(path, 10)]


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.fault("A8")
@pytest.mark.parametrize("make", [pipe, device, listening, Path.mkdir], ids=["pipe", "device", "socket", "folder"])
@pytest.mark.parametrize("read", READERS)
def test_what_may_never_end_is_not_opened(read: Callable, make: Callable, tmp_path: Path) -> None:
    make(tmp_path / "x")
    with pytest.raises(ValueError, match="no regular file"):
        read(tmp_path / "x")


@pytest.mark.parametrize("read", READERS)
def test_a_file_that_is_not_there_is_told_as_that(read: Callable, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "x")


def test_a_file_is_read_whole_up_to_its_size(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"0123456789")
    with open_regular(path) as file:
        assert file.read() == b"0123456789"
    assert read_bytes(path, 10) == b"0123456789"
    with pytest.raises(ValueError, match="more than 9 bytes"):
        read_bytes(path, 9)


@pytest.mark.fault("A8")
def test_of_an_endless_sparse_file_no_more_is_read_than_allowed(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match="more than 1 MiB"):
        read_text(path, 2**20)


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"0")
    (tmp_path / "link").symlink_to("x")
    assert read_bytes(tmp_path / "link", 1) == b"0"


def test_a_text_is_utf8_with_or_without_mark(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes("\ufeffé".encode())
    assert read_text(path, 10) == "é"
    path.write_bytes(b"ab\xff")
    with pytest.raises(ValueError, match="no text in UTF-8, at byte 2"):
        read_text(path, 10)


def test_a_device_is_written_to_and_stays_one() -> None:
    write_text(Path(os.devnull), "ours")
    assert Path(os.devnull).is_char_device()


@pytest.mark.fault("S8")
@pytest.mark.parametrize("what", ["link", "dangling link", "pipe"])
def test_what_is_written_goes_nowhere_else(tmp_path, what):
    victim, path = tmp_path / "victim", tmp_path / "file.txt"
    if what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(victim)
    if what == "link":
        victim.write_text("theirs")
    write_text(path, "ours")
    assert path.read_text() == "ours"
    assert path.is_file()
    assert not path.is_symlink()
    assert (what == "dangling link" and not victim.exists()) or what == "pipe" or victim.read_text() == "theirs"
