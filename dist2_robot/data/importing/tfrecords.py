"""TFRecord files without TensorFlow: where their records are, and what a ``tf.train.Example`` holds."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from dist2_robot.data.importing.files import check_file
from dist2_robot.data.importing.source import LeftOutError
from dist2_robot.errors import InputError

MAX_RECORD = 2**30  # bytes; protobuf itself ends at 2 GiB
_LENGTH, _SUM = struct.Struct("<Q"), 4  # a record: its length and that one's checksum, what it holds and its checksum


@dataclass(frozen=True)
class Record:
    """A record in a file: where what it holds begins, and its length in bytes."""

    path: Path
    start: int
    length: int


def find_records(root: Path, path: Path) -> list[Record]:
    """Return the records of a file, of which only lengths are read.

    Raises:
        InputError: The file leads out of `root`, is cut off or damaged, or the library is missing.
    """
    check_file(root, path)
    checksum = _checksum()
    size, start, records = path.stat().st_size, 0, []
    with path.open("rb") as file:
        while start < size:
            file.seek(start)
            head = file.read(_LENGTH.size + _SUM)
            if len(head) == _LENGTH.size + _SUM and checksum(head[: _LENGTH.size]) != head[_LENGTH.size :]:
                raise InputError(
                    f"'{path}' holds no record at byte {start} (damaged, or compressed): download it again"
                )
            length = _LENGTH.unpack(head[: _LENGTH.size])[0] if len(head) == _LENGTH.size + _SUM else size
            record = Record(path, start + len(head), length)
            start += len(head) + length + _SUM
            if start > size:
                raise InputError(f"'{path}' is cut off in its record {len(records)}: download it again")
            if length > MAX_RECORD:
                raise InputError(f"'{path}': its record {len(records)} has {length} bytes, too many for an episode")
            records.append(record)
    return records


def read_example(record: Record) -> Mapping[str, Any]:
    """Return the features of a record by their names, for `values_of`. Raises LeftOutError where it is damaged."""
    library = _library("tfrecord.example_pb2")
    decode_error = import_module("google.protobuf.message").DecodeError
    with record.path.open("rb") as file:
        file.seek(record.start)
        content, checksum = file.read(record.length), file.read(_SUM)
    if _checksum()(content) != checksum:
        raise LeftOutError(f"its checksum in '{record.path}' does not fit, the file is damaged")
    example = library.Example()
    try:
        example.ParseFromString(content)
    except decode_error as error:
        raise LeftOutError(f"it is no tf.train.Example ({str(error).splitlines()[0]})") from error
    return dict(example.features.feature.items())


def values_of(feature: Any) -> np.ndarray | list[bytes]:
    """Return what a feature holds: float32 or int64 numbers in a row, or texts and files."""
    kind = feature.WhichOneof("kind")
    if kind == "bytes_list":
        return list(feature.bytes_list.value)
    values = getattr(feature, kind).value if kind else ()
    return np.fromiter(values, np.int64 if kind == "int64_list" else np.float32, len(values))


def _checksum() -> Callable[[bytes], bytes]:
    return _library("tfrecord.writer").TFRecordWriter.masked_crc


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError("RLDS needs a library: pip install 'dist2-robot[import]'") from error
