"""Mutations of parquet files: types, names, shapes, values, sizes, and the bytes."""

import io
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.documents import change_json
from tests.fuzz.hostile import TEXTS, any_key, payload
from tests.fuzz.places import change_bytes

TYPES = (
    *(pa.string(), pa.large_string(), pa.binary(), pa.bool_(), pa.int8(), pa.uint64(), pa.float16(), pa.float64()),
    *(pa.timestamp("ns"), pa.date32(), pa.decimal128(38, 3), pa.null(), pa.list_(pa.float32()), pa.list_(pa.string())),
    *(pa.struct([("a", pa.int64())]), pa.list_(pa.float64(), 3), pa.dictionary(pa.int32(), pa.string())),
    *(pa.map_(pa.string(), pa.int64()), pa.duration("s"), pa.time64("us"), pa.list_(pa.list_(pa.list_(pa.int64())))),
)
FEW = 12  # columns of a file that does not take minutes to write
MANY = 20_000_000  # rows of a file that is small on the disk
LONG = 2_000_000  # values of long lists, those of all rows together


def change_parquet(path: Path, rng: random.Random) -> None:
    """Change a parquet file, in most cases to another valid one."""
    if rng.random() < 0.25:
        path.write_bytes(change_bytes(path.read_bytes(), rng))
        return
    table = pq.read_table(path)
    if rng.random() < 0.06 and table.num_columns < FEW:
        _write_many_rows(path, table, rng)
        return
    for _ in range(rng.choice((1, 1, 2))):
        table = rng.choice(CHANGES)(table, rng)
    buffer = io.BytesIO()
    try:
        pq.write_table(table, buffer)
    except (pa.ArrowException, NotImplementedError, ValueError, UnicodeError):
        path.write_bytes(change_bytes(path.read_bytes(), rng))
    else:
        path.write_bytes(buffer.getvalue())


def _write_many_rows(path: Path, table: pa.Table, rng: random.Random) -> None:
    """Write one row again and again: little on the disk, much in memory."""
    if not len(table):
        return
    block = table.slice(0, 1).take(pa.array(np.zeros(MANY // 20, np.int64)))
    with pq.ParquetWriter(path, table.schema) as writer:
        for _ in range(20):
            writer.write_table(block)


def _column(table: pa.Table, rng: random.Random) -> int:
    return rng.randrange(table.num_columns)


def _put(table: pa.Table, number: int, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    return table.set_column(number, table.column_names[number], values)


def _retype(table: pa.Table, rng: random.Random) -> pa.Table:
    if not table.num_columns:
        return table
    number, kind = _column(table, rng), rng.choice(TYPES)
    try:
        return _put(table, number, table.column(number).cast(kind))
    except (pa.ArrowException, NotImplementedError, ValueError):
        return _put(table, number, _values(kind, len(table), rng))


def _values(kind: pa.DataType, length: int, rng: random.Random) -> pa.Array:
    try:
        one = rng.choice((None, 1, 1.5, "a", b"\xff", [], [1.0, 2.0, 3.0], {"a": 1}, [["a"]], [("a", 1)]))
        return pa.array([one] * length, kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return pa.nulls(length, kind)


def _revalue(table: pa.Table, rng: random.Random) -> pa.Table:
    if not table.num_columns or not len(table):
        return table
    number = _column(table, rng)
    values = table.column(number).to_pylist()
    places = rng.choices(range(len(values)), k=rng.choice((1, 3, len(values))))
    for at in places:
        values[at] = _odd(values[at], rng, LONG // len(places))
    try:
        return _put(table, number, pa.array(values, table.column(number).type))
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return _retype(table, rng)


def _odd(value: object, rng: random.Random, longest: int) -> object:
    if rng.random() < 0.15:
        return None
    match value:
        case bool():
            return not value
        case int():
            return rng.choice((-1, value + 1, 2**31, 2**62, -(2**62), 0, 10**9))
        case float():
            return rng.choice((float("nan"), float("inf"), -1.0, 1e30, 1e-45, value + 1))
        case str():
            return rng.choice(TEXTS)
        case bytes():
            return rng.choice((b"", payload(), change_bytes(value, rng)))
        case list():
            if value and rng.random() < 0.6:
                at = rng.randrange(len(value))
                return [*value[:at], _odd(value[at], rng, longest), *value[at + 1 :]]
            long = max(longest // max(len(value), 1), 2)
            return rng.choice(([], value * 2, value[:-1], value * long, None))
        case dict():
            return {key: _odd(x, rng, longest) for key, x in value.items()}
    return None


def _drop(table: pa.Table, rng: random.Random) -> pa.Table:
    return table.remove_column(_column(table, rng)) if table.num_columns else table


def _rename(table: pa.Table, rng: random.Random) -> pa.Table:
    names = list(table.column_names)
    if names:
        text = any_key(rng).encode(errors="replace").decode()
        names[rng.randrange(len(names))] = rng.choice((text, rng.choice(names)))
    return table.rename_columns(names)


def _add(table: pa.Table, rng: random.Random) -> pa.Table:
    text = any_key(rng).encode(errors="replace").decode()
    kind = rng.choice(TYPES)
    return table.append_column(text, _values(kind, len(table), rng))


def _rows(table: pa.Table, rng: random.Random) -> pa.Table:
    count = len(table)
    rows = rng.choice((
        [], list(range(count - 1)), list(range(count)) * 2, list(reversed(range(count))), list(range(1, count)),
        rng.sample(range(count), count), [0] * count, list(range(count)) * 500,
    ))  # fmt: skip
    return table.take(pa.array(rows, pa.int64()))


def _metadata(table: pa.Table, rng: random.Random) -> pa.Table:
    """Change what pandas, Hugging Face or Arrow itself would believe of the columns."""
    kept = dict(table.schema.metadata or {})
    if kept and rng.random() < 0.6:
        key = rng.choice(list(kept))
        kept[key] = change_json(kept[key], rng)
    else:
        key = rng.choice((b"pandas", b"huggingface", b"x"))
        kept[key] = rng.choice((b"", b"{", b"[]", b"{}", b"\xff", b"9" * 9999))
    if rng.random() < 0.3 and table.num_columns:
        hidden = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": payload()}
        number = _column(table, rng)
        fields = list(table.schema)
        fields[number] = fields[number].with_metadata(hidden)
        return pa.Table.from_arrays(table.columns, schema=pa.schema(fields, metadata=kept))
    return table.replace_schema_metadata(kept)


CHANGES = (_retype, _retype, _retype, _revalue, _revalue, _revalue, _revalue, _drop, _rename, _add, _rows, _metadata)
