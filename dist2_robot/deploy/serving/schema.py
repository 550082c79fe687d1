"""What may be said on a connection to a policy, entry by entry. Needs neither torch nor the rest of this package.

The client says ``hello`` and gets the ``card``; then it may send ``request`` (answered by ``chunk`` or ``error``,
unless a newer one overtakes it), ``reset``, ``health`` and ``metrics`` (answered by the same), and ``bye``. Messages
are dicts with a ``type``; an entry that is missing, unknown, or of another type, shape or dtype is refused.

T steps of a chunk, A action dimensions, P committed steps.
"""

import math
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

PROTOCOL_VERSION = 1
FROM_CLIENT = ("hello", "request", "reset", "health", "metrics", "bye")
FROM_SERVER = ("card", "chunk", "error", "health", "metrics", "bye")
TOKEN_VARIABLE = "DIST2_TOKEN"  # noqa: S105  # the name of an environment variable
MAX_TOKEN_BYTES = 4096
_MAX_TEXT, _MAX_PLAIN, _MAX_FEATURES = 4096, 2**20, 64
_MAX_WHOLE = 2**53

Check = Callable[[Any], bool]


class MessageError(Exception):
    """A message breaks the protocol. One line."""


def check_message(message: dict[str, Any], allowed: Collection[str]) -> str:
    """Return the type of a message.

    Args:
        message: As it was unpacked.
        allowed: Which types may come now.

    Raises:
        MessageError: It has another type, or its entries are not those of its type.
    """
    kind = message.get("type")
    if not isinstance(kind, str) or kind not in allowed:
        raise MessageError(f"a message of type {str(kind)[:40]!r} where one of {', '.join(allowed)} is due")
    entries = _ENTRIES_FROM_CLIENT if kind in ("health", "metrics") and allowed is FROM_CLIENT else _ENTRIES
    wanted = entries[kind]
    odd = sorted(set(wanted) ^ (set(message) - {"type"}))
    if odd:
        raise MessageError(f"'{kind}' lacks or adds the entries {[name[:40] for name in odd[:8]]}")
    wrong = [name for name, is_valid in wanted.items() if not is_valid(message[name])]
    if wrong:
        raise MessageError(f"'{kind}' has no valid '{wrong[0]}'")
    return kind


def check_version(message: dict[str, Any]) -> None:
    """Raise MessageError where the other side speaks another version."""
    if message["version"] != PROTOCOL_VERSION:
        raise MessageError(
            f"the other side speaks protocol version {message['version']}, this one {PROTOCOL_VERSION}: "
            "install the same dist2_robot on both"
        )


def as_feature(x: Any) -> np.ndarray:
    """Return an array as it travels: bytes stay bytes, other numbers become float32."""
    x = np.asarray(x)
    return x if x.dtype == np.uint8 else x.astype(np.float32)


def _or_none(is_valid: Check) -> Check:
    return lambda x: x is None or is_valid(x)


def _is_text(x: Any) -> bool:
    return isinstance(x, str) and len(x) <= _MAX_TEXT


def _is_long_text(x: Any) -> bool:
    return isinstance(x, str) and len(x) <= _MAX_PLAIN


def _is_whole(x: Any) -> bool:
    return type(x) is int and 0 <= x <= _MAX_WHOLE


def _is_number(x: Any) -> bool:
    return type(x) is float and math.isfinite(x)


def _is_table(x: Any) -> bool:
    """Tell whether it is a dict of plain values, as JSON has them."""
    return isinstance(x, dict) and all(_is_plain(value) for value in x.values())


def _is_plain(x: Any) -> bool:
    if isinstance(x, dict | list):
        return all(map(_is_plain, x.values() if isinstance(x, dict) else x))
    return x is None or isinstance(x, bool | int | float | str)


def _are_texts(x: Any) -> bool:
    return isinstance(x, list) and all(map(_is_text, x))


def are_names(x: Any) -> bool:
    """Tell whether it is a dict of lists of texts."""
    return isinstance(x, dict) and all(map(_are_texts, x.values()))


def _is_array(ndim: int, *dtypes: str) -> Check:
    return lambda x: isinstance(x, np.ndarray) and x.ndim == ndim and x.dtype.name in dtypes


def _are_features(x: Any) -> bool:
    if not isinstance(x, dict) or len(x) > _MAX_FEATURES:
        return False
    return all(
        isinstance(y, np.ndarray) and y.dtype.name in ("float32", "uint8") and 0 < y.ndim < 5 for y in x.values()
    )


_ENTRIES: dict[str, dict[str, Check]] = {
    "hello": {"version": _is_whole},
    "card": {
        "version": _is_whole,
        "checkpoint": _is_text,
        "digest": _is_text,
        "form": _is_text,
        "spec": _is_table,
        "horizon": _is_whole,
        "max_prefix": _is_whole,
        "observation": _is_table,
        "observation_names": are_names,
        "tasks": _are_texts,
        "tokenizer": _is_table,
        "golden_wrong": _or_none(_is_whole),
    },
    "request": {
        "sequence": _is_whole,
        "observed_s": _is_number,
        "features": _are_features,
        "prefix": _or_none(_is_array(2, "float32")),  # (P, A)
        "task": _or_none(_is_text),
    },
    "chunk": {
        "sequence": _is_whole,
        "observed_s": _is_number,
        "actions": _is_array(2, "float32"),  # (T, A)
        "entropy": _or_none(_is_array(1, "float32")),  # (T,)
        "expected_error": _or_none(_is_array(2, "float32")),  # (T, A)
        "inference_s": _is_number,
    },
    "error": {"sequence": _or_none(_is_whole), "id": _is_text, "text": _is_text},
    "health": {"state": _is_text, "digest": _is_text, "uptime_s": _is_number},
    "metrics": {"text": _is_long_text},
    "reset": {},
    "bye": {},
}
_ENTRIES_FROM_CLIENT: dict[str, dict[str, Check]] = {"health": {}, "metrics": {}}
