"""Mutations of safetensors files: of the header as JSON, of what the tensors hold, and of how they fit each other."""

import json
import random
import struct
from collections.abc import Callable

import numpy as np

from tests.fuzz.documents import change_tree, dump
from tests.fuzz.hostile import any_key

DTYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64, "I32": np.int32, "U8": np.uint8, "BOOL": np.bool_}
DTYPES |= {"I8": np.int8, "I16": np.int16, "F16": np.float16}
Tensors = dict[str, np.ndarray]


def change_tensors(content: bytes, rng: random.Random) -> bytes:
    """Return a changed file, in most cases one that safetensors itself would read."""
    header, data = _split(content)
    if rng.random() < 0.35:
        return _with_odd_header(header, data, rng)
    tensors: Tensors = {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], DTYPES[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
    }
    for _ in range(rng.choice((1, 1, 2))):
        if tensors:
            rng.choice(CHANGES)(tensors, rng.choice(list(tensors)), rng)
    return join(tensors)


def join(tensors: Tensors) -> bytes:
    """Return the bytes of a valid file."""
    header, parts, at = {}, [], 0
    for name, x in tensors.items():
        parts.append(np.ascontiguousarray(x).tobytes())
        dtype = next(key for key, kind in DTYPES.items() if x.dtype == kind)
        header[name] = {"dtype": dtype, "shape": list(x.shape), "data_offsets": [at, at + len(parts[-1])]}
        at += len(parts[-1])
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def _split(content: bytes) -> tuple[dict, bytes]:
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def _with_odd_header(header: dict, data: bytes, rng: random.Random) -> bytes:
    text = dump(change_tree(header, rng)).encode()
    length = len(text)
    match rng.randrange(8):
        case 0:
            length = rng.choice((0, 1, 2**63, 2**64 - 1, 9 * 2**20, len(text) + 1, len(text) + len(data) + 1))
        case 1:
            data = data[: rng.randrange(len(data) + 1)]
        case 2:
            data += b"\0" * 64
        case 3:
            entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
            text = json.dumps({f"t{i}": entry for i in range(60_000)}).encode()
            length = len(text)
        case 4:
            text = b'{"a":' * 50_000
            length = len(text)
        case 5:
            text = b"{" + b'"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},' * 2 + text[1:]
            length = len(text)
    return struct.pack("<Q", length) + text + data


def _fill(value: float) -> Callable[[Tensors, str, random.Random], None]:
    def change(tensors: Tensors, name: str, rng: random.Random) -> None:
        x = tensors[name].copy()
        if x.size:
            whole = rng.random() < 0.5
            with np.errstate(all="ignore"):
                x.reshape(-1)[slice(None) if whole else rng.randrange(x.size)] = np.array(value).astype(x.dtype)
        tensors[name] = x

    return change


def _scale(tensors: Tensors, name: str, rng: random.Random) -> None:
    with np.errstate(all="ignore"):
        tensors[name] = (tensors[name] * rng.choice((-1, 0, 1e-30, 2, 1e6, 1e30))).astype(tensors[name].dtype)


def _shuffle(tensors: Tensors, name: str, rng: random.Random) -> None:
    tensors[name] = tensors[name].reshape(-1)[::-1].reshape(tensors[name].shape)


def _cast(tensors: Tensors, name: str, rng: random.Random) -> None:
    with np.errstate(all="ignore"):
        tensors[name] = tensors[name].astype(rng.choice(list(DTYPES.values())))


def _reshape(tensors: Tensors, name: str, rng: random.Random) -> None:
    x = tensors[name]
    tensors[name] = rng.choice((x.reshape(-1), x[None], x.T, x.reshape(-1)[:-1], x[..., None], x.reshape(-1)[:0]))


def _more_rows(tensors: Tensors, name: str, rng: random.Random) -> None:
    """Make every tensor longer, as a golden file of very many rows is."""
    times = rng.choice((2, 1000, 50_000))
    for key, x in tensors.items():
        if x.ndim and x.size * times < 10**8:
            tensors[key] = np.concatenate([x] * times)


def _drop(tensors: Tensors, name: str, rng: random.Random) -> None:
    tensors.pop(name, None)


def _empty(tensors: Tensors, name: str, rng: random.Random) -> None:
    tensors.clear()


def _rename(tensors: Tensors, name: str, rng: random.Random) -> None:
    tensors[any_key(rng)] = tensors.pop(name)


def _add(tensors: Tensors, name: str, rng: random.Random) -> None:
    tensors[any_key(rng)] = tensors[rng.choice(list(tensors))]


CHANGES = (
    *(_fill(x) for x in (float("nan"), float("inf"), -1.0, 0.0, 1e30, 2**62, 255.0)),
    *(_scale, _scale, _scale, _shuffle, _cast, _cast, _reshape, _reshape, _more_rows, _drop, _empty, _rename, _add),
)
