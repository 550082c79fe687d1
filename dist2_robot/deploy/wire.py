"""Messages between processes: msgpack with numpy arrays, in frames with their length ahead.

What comes in is not trusted: it is data only, its size is bounded before memory is taken, and whatever breaks the rules
is a `WireError`. A message is a dict with text keys, of None, bool, int, float, str, bytes, lists, dicts and arrays of
`DTYPES`. An array travels as extension `ARRAY` of msgpack: [dtype, shape, bytes], little-endian, row by row.
"""

import math
import select
import socket
import struct
import time
from typing import Any

import msgpack
import numpy as np

HEADER = struct.Struct(">I")  # length of the payload that follows, in bytes
MAX_BYTES = 32 * 2**20  # of one message
DTYPES = {"float32": "<f4", "float64": "<f8", "uint8": "|u1", "int64": "<i8"}
ARRAY = 1
MAX_DIMENSIONS, MAX_LENGTH, MAX_NESTING = 5, 65536, 8
MAX_LIST, MAX_MAP, MAX_TEXT = 4096, 512, 65536  # msgpack takes memory for a list when it reads how long it claims to be
_CHUNK_BYTES = 2**18


class WireError(Exception):
    """The other side broke the rules. One line."""


class HungUpError(WireError):
    """The other side is gone."""


def pack(message: dict[str, Any], max_bytes: int = MAX_BYTES) -> bytes:
    """Return a message as bytes.

    Raises:
        WireError: It is no message, or too large.
    """
    try:
        data = msgpack.packb(message, default=_packed, use_bin_type=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise WireError(f"this cannot be sent: {' '.join(str(error).split())}") from error
    if not isinstance(message, dict) or data is None:
        raise WireError(f"a message is a dict, got {type(message).__name__}")
    if len(data) > max_bytes:
        raise WireError(f"a message of {len(data)} bytes, more than the {max_bytes} that are allowed")
    return data


def unpack(data: bytes | bytearray | memoryview, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Return the message that `pack` made bytes of. Tuples have become lists; arrays are writable copies.

    Raises:
        WireError: It is no message, or larger than allowed.
    """
    if len(data) > max_bytes:
        raise WireError(f"a message of {len(data)} bytes, more than the {max_bytes} that are allowed")
    try:
        message = msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            object_pairs_hook=_unique,
            ext_hook=_unpacked,
            max_str_len=min(len(data), MAX_TEXT),
            max_bin_len=len(data),
            max_ext_len=len(data),
            max_array_len=MAX_LIST,
            max_map_len=MAX_MAP,
        )
    except WireError:
        raise
    except (ValueError, OverflowError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise WireError(f"not a message: {type(error).__name__}: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(message, dict):
        raise WireError(f"a message is a dict, got {type(message).__name__}")
    _check(message, MAX_NESTING)
    return message


def frame(payload: bytes) -> bytes:
    """Return a payload with its length ahead."""
    return HEADER.pack(len(payload)) + payload


class FrameReader:
    """Takes frames from a stream socket.

    Args:
        connection: Is made non-blocking.
        max_bytes: Of a frame's payload; a longer one is refused when its length is read.
    """

    def __init__(self, connection: socket.socket, max_bytes: int = MAX_BYTES) -> None:
        connection.setblocking(False)
        self._socket, self._max_bytes = connection, max_bytes
        self._buffer = bytearray()

    def read(self, timeout_s: float = 0.0) -> bytes | None:
        """Return the next payload, or None if none is complete by then; 0 does not wait.

        Raises:
            HungUpError: The other side closed.
            WireError: A frame is too long.
        """
        end_s = time.monotonic() + timeout_s
        while True:
            if (payload := self._take()) is not None:
                return payload
            if not self._receive():
                left_s = end_s - time.monotonic()
                if left_s <= 0 or not _is_ready(self._socket, select.POLLIN, left_s):
                    return None

    def _take(self) -> bytes | None:
        if len(self._buffer) < HEADER.size:
            return None
        (size,) = HEADER.unpack_from(self._buffer)
        if size > self._max_bytes:
            raise WireError(f"a frame of {size} bytes, more than the {self._max_bytes} that are allowed")
        if len(self._buffer) < HEADER.size + size:
            return None
        payload = bytes(self._buffer[HEADER.size : HEADER.size + size])
        del self._buffer[: HEADER.size + size]
        return payload

    def _receive(self) -> bool:
        """Take what is there; return whether that was anything."""
        try:
            data = self._socket.recv(_CHUNK_BYTES)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            raise HungUpError(f"the connection broke: {error}") from error
        if not data:
            raise HungUpError("the other side hung up")
        self._buffer += data
        return True


class FrameWriter:
    """Gives frames to a stream socket, without waiting: what the socket does not take is kept.

    Args:
        connection: Is made non-blocking.
        max_pending: How many bytes may be kept for a side that does not read.
    """

    def __init__(self, connection: socket.socket, max_pending: int = 2 * MAX_BYTES) -> None:
        connection.setblocking(False)
        self._socket, self._max_pending = connection, max_pending
        self._pending = bytearray()

    @property
    def pending(self) -> int:
        """How many bytes are kept."""
        return len(self._pending)

    def write(self, payload: bytes) -> None:
        """Send a payload, or keep what the socket does not take now.

        Raises:
            HungUpError: The other side closed.
            WireError: The other side does not read.
        """
        if len(self._pending) + len(payload) > self._max_pending:
            raise WireError(f"the other side does not read: {len(self._pending)} bytes wait for it")
        self._pending += frame(payload)
        self.flush()

    def flush(self, timeout_s: float = 0.0) -> bool:
        """Send what is kept; return whether nothing is left by then."""
        end_s = time.monotonic() + timeout_s
        while self._pending:
            try:
                sent = self._socket.send(self._pending)
            except (BlockingIOError, InterruptedError):
                left_s = end_s - time.monotonic()
                if left_s <= 0 or not _is_ready(self._socket, select.POLLOUT, left_s):
                    return False
                continue
            except OSError as error:
                raise HungUpError(f"the other side hung up: {error}") from error
            del self._pending[:sent]
        return True


def _is_ready(connection: socket.socket, event: int, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(connection, event)
    return bool(poll.poll(math.ceil(1000 * timeout_s)))


def _packed(value: Any) -> msgpack.ExtType:
    if not isinstance(value, np.ndarray):
        raise TypeError(f"a {type(value).__name__}")
    if value.dtype.name not in DTYPES:
        raise TypeError(f"an array of {value.dtype}")
    if value.ndim > MAX_DIMENSIONS or any(length > MAX_LENGTH for length in value.shape):
        raise ValueError(f"an array of shape {value.shape}")
    data = np.ascontiguousarray(value, DTYPES[value.dtype.name]).tobytes()
    return msgpack.ExtType(ARRAY, msgpack.packb([value.dtype.name, list(value.shape), data], use_bin_type=True) or b"")


def _unpacked(code: int, data: bytes) -> np.ndarray:
    if code != ARRAY:
        raise WireError(f"extension {code}, which is none of ours")
    content = msgpack.unpackb(data, raw=False, max_array_len=MAX_DIMENSIONS, max_map_len=0)
    if not (isinstance(content, list) and len(content) == 3):
        raise WireError("an array is [dtype, shape, bytes]")
    name, shape, values = content
    if not (isinstance(name, str) and name in DTYPES and isinstance(values, bytes)):
        raise WireError(f"an array of {str(name)[:40]!r}, only {', '.join(DTYPES)} are allowed")
    is_shape = isinstance(shape, list) and all(type(n) is int and 0 <= n <= MAX_LENGTH for n in shape)
    dtype = np.dtype(DTYPES[name])
    if not is_shape or math.prod(shape) * dtype.itemsize != len(values):
        raise WireError(f"an array of shape {str(shape)[:80]} with {len(values)} bytes")
    return np.frombuffer(values, dtype).reshape(shape).astype(name)


def _unique(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    message = dict(pairs)
    if len(message) < len(pairs) or not all(type(key) is str for key in message):
        raise WireError("keys must be texts, each one once")
    return message


def _check(value: Any, nesting: int) -> None:
    if isinstance(value, dict | list):
        if nesting == 0:
            raise WireError(f"nested deeper than {MAX_NESTING}")
        for entry in value.values() if isinstance(value, dict) else value:
            _check(entry, nesting - 1)
    elif not (value is None or isinstance(value, bool | int | float | str | bytes | np.ndarray)):
        raise WireError(f"a {type(value).__name__}, which is no part of a message")
