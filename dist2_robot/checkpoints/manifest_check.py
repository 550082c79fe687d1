"""What a manifest may say, entry by entry: types, sizes and lengths, before anything is made of it.

What passes here can be built, told to a client of a policy server, and compared with a robot. Weights are compared
elsewhere.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.errors import InputError
from dist2_robot.types import ObservationSpec

MAX_TEXT = 4096  # letters, of what is told to clients
MAX_NAMES = 200_000
MAX_STEPS = 4096  # of a chunk, and of what it is cut into
MAX_DIMENSIONS = 256  # of an action
MAX_WHOLE = 2**53
MAX_DEPTH = 32
_STEPS = ("horizon", "history", "control_points", "coefficients", "digits", "max_prefix", "latents")
_ID = re.compile(r"[\w.-]+(/[\w.-]+)*", re.ASCII)  # gymnasium would import what stands before a colon
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Named in a config of a training; a checkpoint brings its weights itself, and names no place.
_ELSEWHERE = re.compile(r"(hf[-_]hub|local[-_]dir|hub|file|https?|s3|gs):", re.IGNORECASE)


def check_entries(content: Mapping[str, Any]) -> None:
    """Raise ValueError, naming the entry, where a manifest says what no program of ours wrote.

    Args:
        content: As it was read, with the entries that there must be.
    """
    for name, is_valid in _ENTRIES.items():
        if name in content and not is_valid(content[name]):
            raise ValueError(f"no valid '{name}'")
    for name in content:
        for key, value in _values(content[name], name):
            _check_value(key, value)
    try:
        spec = ActionSpec.from_dict(content["action_spec"])
    except (InputError, TypeError, ValueError, OverflowError, ArithmeticError, AttributeError, KeyError) as error:
        raise ValueError(f"no valid 'action_spec' ({error})") from error
    if len(spec) > MAX_DIMENSIONS:
        raise ValueError(f"no valid 'action_spec' (it has {len(spec)} dimensions)")
    _check_observed(content)
    check_self_contained(content["policy"])


def check_self_contained(policy: Mapping[str, Any]) -> None:
    """Raise ValueError where the policy of a checkpoint would be built of files or models that are not in it."""
    vision, instruction, model = policy.get("vision"), policy.get("instruction"), policy.get("model")
    if isinstance(vision, Mapping) and vision.get("weights") is not None:
        raise ValueError("no valid 'policy.vision.weights' (it names a file, and a checkpoint brings its weights)")
    if isinstance(instruction, Mapping) and instruction.get("name") == "text_model" and instruction.get("size") is None:
        raise ValueError("no valid 'policy.instruction.size' (a checkpoint brings the vectors of its tasks)")
    if isinstance(model, str):
        raise ValueError("no valid 'policy.model' (it names a folder, and a checkpoint describes its language model)")
    for key, value in _values(policy, "policy"):
        if isinstance(value, str) and _ELSEWHERE.match(value):
            raise ValueError(f"no valid '{key[:60]}' (it names a place elsewhere: {value[:60]!r})")


def _check_observed(content: Mapping[str, Any]) -> None:
    """Compare what the policy looks at with the names and units of its numbers."""
    if "observation" not in content["policy"]:
        return  # what needs one says so
    try:
        observation = ObservationSpec.from_dict(content["policy"]["observation"])
    except (TypeError, ValueError, OverflowError, AttributeError, KeyError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"no valid 'policy.observation' ({reason})") from error
    for entry in ("observation_names", "observation_units"):
        for name, told in content.get(entry, {}).items():
            if name in observation.numbers and len(told) != observation.numbers[name]:
                raise ValueError(
                    f"no valid '{entry}' ({len(told)} for the {observation.numbers[name]} of '{name[:60]}')"
                )


def _values(content: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield all plain values with where they stand. Raises ValueError where they are nested too deep."""
    left = [(name, content, 0)]
    while left:
        key, value, depth = left.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"no valid '{key[:60]}' (it is nested too deep)")
        if isinstance(value, dict):
            left.extend((f"{key}.{inner}", x, depth + 1) for inner, x in value.items())
        elif isinstance(value, list):
            left.extend((key, x, depth + 1) for x in value)
        else:
            yield key, value


def _check_value(key: str, value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"no valid '{key[:60]}' (it is {value})")
    if isinstance(value, int) and abs(value) > MAX_WHOLE:
        raise ValueError(f"no valid '{key[:60]}' (it is too large a number)")
    if key.startswith("policy.") and key.rpartition(".")[2] in _STEPS and isinstance(value, int) and value > MAX_STEPS:
        raise ValueError(f"no valid '{key[:60]}' (it is {value}, at most {MAX_STEPS} are read)")


def _is_text(x: Any) -> bool:
    return isinstance(x, str) and len(x) <= MAX_TEXT


def _are_texts(x: Any) -> bool:
    return isinstance(x, list) and len(x) <= MAX_NAMES and all(map(_is_text, x))


def _are_names(x: Any) -> bool:
    return isinstance(x, dict) and all(_is_text(key) and key and _are_texts(names) for key, names in x.items())


def _are_files(x: Any) -> bool:
    return isinstance(x, dict) and all(
        _is_file_name(name) and isinstance(digest, str) and _SHA256.fullmatch(digest) for name, digest in x.items()
    )


def _is_file_name(name: str) -> bool:
    """Tell whether a name means a file in the folder itself."""
    return name not in ("", ".", "..") and not set(name) & {"/", "\\", "\0"}


def _are_environments(x: Any) -> bool:
    return isinstance(x, list) and all(
        isinstance(entry, dict)
        and entry.keys() == {"id", "kwargs"}
        and _is_text(entry["id"])
        and _ID.fullmatch(entry["id"]) is not None
        and isinstance(entry["kwargs"], dict)
        for entry in x
    )


def _is_table(x: Any) -> bool:
    return isinstance(x, dict)


_ENTRIES: dict[str, Callable[[Any], bool]] = {
    "policy": _is_table,
    "action_spec": _is_table,
    "observation_names": _are_names,
    "observation_units": _are_names,
    "environments": _are_environments,
    "tasks": _are_texts,
    "golden_tasks": _are_texts,
    "dataset": _is_table,
    "provenance": _is_table,
    "step": lambda x: type(x) is int and 0 <= x <= MAX_WHOLE,
    "files": _are_files,
}
