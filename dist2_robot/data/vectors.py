"""The numeric features of a dataset as flat, named vectors, in whichever notation others recorded them."""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

NUMBERS = ("float", "int", "uint", "bool")  # how the dtypes of numeric columns begin
MAX_NUMBERS = 4096  # of a vector; more are a picture or a map, which a policy does not read as a list of numbers
MAX_FRAME_NUMBERS = 2**20  # of a feature in a frame
MAX_PIXELS = 2**26  # of a picture, times its channels
MAX_AXES = 8
MAX_NAME = 200  # letters of the name of a feature


def is_feature_name(name: str) -> bool:
    """Tell whether a feature can have this name, which is a folder's, too: of its videos."""
    return 0 < len(name) <= MAX_NAME and not set(name) & {"/", "\\", "\0"} and not name.startswith(".")


def vector_size(feature: Mapping[str, Any]) -> int:
    """Return how many numbers a feature of ``info.json`` has in every frame: all of its axes, flattened."""
    return math.prod(int(n) for n in feature["shape"])


def is_vector(feature: Mapping[str, Any]) -> bool:
    """Tell whether a feature holds numbers, few enough to be read as a vector."""
    return str(feature["dtype"]).startswith(NUMBERS) and vector_size(feature) <= MAX_NUMBERS


def are_told(name: str, feature: Mapping[str, Any]) -> bool:
    """Tell whether the dataset names the numbers of a feature, rather than leaving them to be counted."""
    return vector_names(name, feature) != counted_names(name, feature["shape"])


def vector_names(name: str, feature: Mapping[str, Any]) -> list[str]:
    """Return a name for every number of a feature, in the order of the flattened vector.

    Read are a list of names, lists in a list (``[["a", "b"]]``), groups (``{"arm": [...], "hand": [...]}``, one after
    the other), an index of each name (``{"a": 0, "b": 1}``), and of several axes the names along each axis, joined by
    dots. A name that occurs in two groups gets its group in front. Whatever does not name every number exactly once
    counts for nothing, and the numbers are called ``feature[0]``, ``feature[1]``, ... (``feature[0,1]`` on two axes).
    """
    found = _read(feature.get("names"), feature["shape"])
    if len(found) == vector_size(feature) and len(set(found)) == len(found) and all(found):
        return found
    return counted_names(name, feature["shape"])


def counted_names(name: str, shape: Sequence[int]) -> list[str]:
    """Return ``name[0]``, ``name[1]``, ..., with one index for each axis."""
    return [f"{name}[{','.join(map(str, place))}]" for place in product(*(range(int(n)) for n in shape))]


def _read(names: Any, shape: Sequence[int]) -> list[str]:
    """Return the names that a notation gives; of the wrong number, or none, where it gives none."""
    if isinstance(names, Mapping):
        if names and all(type(index) is int for index in names.values()):
            ordered = sorted(names, key=lambda key: names[key])
            is_count = [names[key] for key in ordered] == list(range(len(ordered)))
            return [_clean(key) for key in ordered] if is_count else []
        groups = {_clean(group): _flat(some) for group, some in names.items()}
        flat = [name for some in groups.values() for name in some]
        if len(set(flat)) == len(flat):
            return flat
        return [f"{group}.{name}" for group, some in groups.items() for name in some]
    if not isinstance(names, Sequence) or isinstance(names, str):
        return []
    along = [_flat(some) for some in names] if all(_is_list(some) for some in names) else []
    if len(shape) > 1 and [len(some) for some in along] == [int(n) for n in shape]:
        return [".".join(parts) for parts in product(*along)]
    return _flat(names)


def _flat(names: Any) -> list[str]:
    """Return the texts of a list and of the lists in it, in order."""
    if not _is_list(names):
        return [_clean(names)] if isinstance(names, str | int) else []
    return [name for some in names for name in _flat(some)]


def _clean(name: Any) -> str:
    """Return a name in one line, without what moves a terminal's cursor."""
    return " ".join("".join(x if x.isprintable() else " " for x in str(name)).split())


def _is_list(names: Any) -> bool:
    return isinstance(names, Sequence) and not isinstance(names, str)
