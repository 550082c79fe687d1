"""Columns of a parquet file as arrays. N rows."""

import numpy as np
import pyarrow as pa


def flat_column(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """Return a numeric column as (N, size), lists in lists flattened, in the type in which it was stored.

    Raises:
        ValueError: It holds no numbers, a row is empty, or rows differ in size; the row is named.
    """
    array = column.combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    rows = len(array)
    while True:
        array = array.storage if isinstance(array, pa.ExtensionArray) else array
        if array.null_count:
            row = int(np.argmax(array.is_null().to_numpy(zero_copy_only=False))) // max(1, len(array) // max(1, rows))
            raise ValueError(f"'{name}' is empty in row {row}")
        if not _is_list(array.type):
            break
        if not pa.types.is_fixed_size_list(array.type):
            lengths = array.value_lengths().to_numpy(zero_copy_only=False)
            if len(lengths) and (odd := lengths != lengths[0]).any():
                first = int(np.argmax(odd))
                row = first // max(1, len(lengths) // max(1, rows))
                raise ValueError(
                    f"'{name}' does not have the same number of values in every frame: {lengths[0]} in row 0, "
                    f"{lengths[first]} in row {row}"
                )
        array = array.flatten()
    kind = array.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise ValueError(f"'{name}' holds {kind}, not numbers")
    flat = array.to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(flat.reshape(rows, max(1, len(flat) // max(1, rows))))


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
