"""The door to parquet files that anyone may have made: what they declare is bounded before anything is unpacked.

A file of some kilobytes can hold a thousand million equal numbers, and the same long text in each of as many rows.
"""

import contextlib
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dist2_robot.errors import first_line
from dist2_robot.files import MIB, regular

SMALL_BYTES = 256 * MIB  # what is unpacked however well it is packed, of one file or of all together
MAX_PACKING = 200  # bytes in memory for a byte in the file, as the footer declares them; it may lie of a page's
SMALL_LIST_BYTES = 32 * MIB  # the same of what becomes lists, which take some six times as much
MAX_TEXT_BYTES = 256 * MIB  # of all texts of a table
MAX_FOOTER_BYTES = 64 * MIB  # of a text in a footer
MAX_FOOTER_ENTRIES = 2**20  # of a list in it
PICTURES_AT_ONCE = 256
MAX_PICTURES_BYTES = 256 * MIB  # of pictures that are read at a time
BUFFER_BYTES = 2**16  # with a buffer, not the whole column is read for its first row
ROW_BYTES = 8  # where a row is counted
TEXT_WIDTH = 16  # of where a text is, besides what it is
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12}
_DAMAGED = (pa.ArrowException, OSError, ValueError)


class Allowance:
    """How much may be unpacked of one file, or of several that are kept together.

    Args:
        small: Bytes that are unpacked however well they are packed.
    """

    def __init__(self, small: int = SMALL_BYTES) -> None:
        self._small, self._unpacked, self._packed = small, 0, 0

    def take(self, file: pq.ParquetFile, path: Path, columns: Collection[str] | None) -> None:
        """Count columns of a file. Raises ValueError where it is more than files of these sizes can hold."""
        unpacked, packed = self._unpacked + _unpacked_bytes(file, columns), self._packed + path.stat().st_size
        if unpacked > max(self._small, MAX_PACKING * packed):
            raise ValueError(
                f"it unpacks to {unpacked // MIB} MiB, which {-(-packed // 1024)} KiB cannot honestly hold"
            )
        self._unpacked, self._packed = unpacked, packed


def open_parquet(path: Path, **options: Any) -> pq.ParquetFile:
    """Open a file, of which only its footer is read.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is no regular file, or damaged. It says which, in one line, not where.
    """
    limits = {"thrift_string_size_limit": MAX_FOOTER_BYTES, "thrift_container_size_limit": MAX_FOOTER_ENTRIES}
    with _one_line():
        return pq.ParquetFile(regular(path), **limits, **options)


def read_columns(
    path: Path, columns: Collection[str] | None = None, *, some: bool = False, allowance: Allowance | None = None
) -> pa.Table:
    """Return columns of a file; texts are coded by a dictionary.

    Args:
        path: The file.
        columns: Which; all by default.
        some: Whether those that it lacks are left out; else they are an error.
        allowance: Of several files together; by default of this one.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is no regular file or damaged, lacks a column, or unpacks to more than a file of its size can
            hold. It says which, in one line, not where.
    """
    file = open_parquet(path)
    there = file.schema_arrow.names
    if twice := sorted(name for name, count in Counter(there).items() if count > 1)[:4]:
        raise ValueError(f"it has columns that are there twice: {twice}")
    columns = there if columns is None else list(columns)
    if not some and (missing := sorted(set(columns) - set(there))):
        raise ValueError(f"it has no column {missing}")
    columns = [name for name in columns if name in there]
    (allowance or Allowance()).take(file, path, columns)
    texts = {part.path_in_schema for part in _parts(file, columns) if part.physical_type == "BYTE_ARRAY"}
    pictures = [name for name in columns if any(text.startswith(f"{name}.") for text in texts)]
    flat = texts & set(columns)
    with _one_line():
        # A text that occurs many times is kept once, until it is known how much all are.
        coded = open_parquet(path, read_dictionary=sorted(flat))
        table = coded.read(columns=[name for name in columns if name not in pictures])
        size = sum(_text_bytes(chunk) for name in flat for chunk in table[name].chunks)
    _check_texts(size, MAX_TEXT_BYTES)
    for name in pictures:
        parts = []
        for part in read_pictures(path, name, PICTURES_AT_ONCE):
            parts.append(part)
            size += part.nbytes
            _check_texts(size, max(SMALL_BYTES, MAX_PACKING * path.stat().st_size))
        table = table.append_column(name, pa.chunked_array(parts, file.schema_arrow.field(name).type))
    return table


def read_lists(path: Path, columns: Collection[str] | None = None, *, some: bool = False) -> dict[str, list[Any]]:
    """Return columns of a small table, such as that of the episodes, as lists. As `read_columns`."""
    table = read_columns(path, columns, some=some, allowance=Allowance(SMALL_LIST_BYTES))
    with _one_line():
        return table.to_pydict()


def read_pictures(path: Path, column: str, rows: int) -> Iterator[pa.Array]:
    """Yield a column of pictures, some rows at a time, and of large pictures less.

    Args:
        path: The file.
        column: Which.
        rows: At most, at a time.

    Raises:
        ValueError: As `read_columns`.
    """
    file = open_parquet(path)
    Allowance().take(file, path, [column])
    # A picture that is there once, and meant in each row, is unpacked for each.
    largest = max((part.total_uncompressed_size for part in _parts(file, [column])), default=1)
    rows = max(1, min(rows, MAX_PICTURES_BYTES // max(1, largest)))
    if any(file.schema.column(i).max_repetition_level for i in _places(file, [column])):
        raise ValueError(f"'{column}' holds lists of pictures, which are not read")
    file = open_parquet(path, buffer_size=BUFFER_BYTES)
    with _one_line():
        for batch in file.iter_batches(rows, columns=[column]):
            yield batch.column(0)


def _unpacked_bytes(file: pq.ParquetFile, columns: Collection[str] | None) -> int:
    """Return how much memory some columns of a file need by what its footer declares."""
    found = file.metadata.num_rows * ROW_BYTES
    kinds = [file.schema.column(i) for i in range(len(file.schema))]
    widths = {kind.path: _WIDTHS.get(kind.physical_type, max(TEXT_WIDTH, kind.length)) for kind in kinds}
    for part in _parts(file, columns):
        found += max(part.num_values * widths[part.path_in_schema], part.total_uncompressed_size)
    return found


def _parts(file: pq.ParquetFile, columns: Collection[str] | None) -> Iterator[Any]:
    """Yield what the footer says of the part of each column in each group of rows."""
    places = _places(file, columns)
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        yield from (group.column(i) for i in places)


def _places(file: pq.ParquetFile, columns: Collection[str] | None) -> list[int]:
    """Return which of the leaves of a schema belong to some columns."""
    paths = [f"{file.schema.column(i).path}." for i in range(len(file.schema))]
    return [i for i, path in enumerate(paths) if columns is None or path.startswith(tuple(f"{n}." for n in columns))]


def _check_texts(size: int, at_most: int) -> None:
    if size > at_most:
        raise ValueError(f"its texts and pictures are {size // MIB} MiB, more than {at_most // MIB}")


def _text_bytes(array: pa.DictionaryArray) -> int:
    """Return how much the texts of an array are, each as often as it occurs."""
    times = array.indices.drop_null().value_counts()
    lengths = [len(array.dictionary[i].as_buffer()) for i in times.field(0).to_pylist()]
    return sum(count * length for count, length in zip(times.field(1).to_pylist(), lengths, strict=True))


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """Turn what pyarrow raises of a damaged file into a ValueError of one line."""
    try:
        yield
    except FileNotFoundError:
        raise
    except _DAMAGED as error:
        raise ValueError(first_line(error)) from error
