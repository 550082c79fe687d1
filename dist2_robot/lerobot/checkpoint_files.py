"""What LeRobot reads of a checkpoint folder of type ``dist2``, looked at before LeRobot does.

LeRobot's loader of pipelines imports and calls whatever class their JSON names (lerobot 0.6.1), and a step that is
registered may fetch from the hub. The pipelines round a policy of ours only move tensors: what else a file asks for is
refused.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lerobot.configs.types import FeatureType

from dist2_robot.checkpoints.lerobot_files import CONFIG_FILE, POSTPROCESSOR_FILE, PREPROCESSOR_FILE
from dist2_robot.errors import InputError
from dist2_robot.json_file import read_json
from dist2_robot.weights.tensor_file import read_header

# What a step may be told, beside where its state lies; all of them LeRobot's own.
STEPS = {
    "rename_observations_processor": {"rename_map"},
    "to_batch_processor": set(),
    "device_processor": {"device", "float_dtype"},
    "normalizer_processor": {"eps", "features", "norm_map", "normalize_observation_keys"},
    "unnormalizer_processor": {"eps", "features", "norm_map"},
}
_NAMING = ("class", "_target_", "auto_map")  # keys whose value some library imports
_DEVICE = re.compile(r"(cpu|mps|(cuda|xpu)(:\d{1,3})?)")
_DTYPES = (None, "float16", "float32", "float64", "bfloat16", "half", "float", "double")
_SETTINGS: dict[str, Callable[[Any], bool]] = {
    "rename_map": lambda x: isinstance(x, dict) and all(isinstance(name, str) for name in x.values()),
    "device": lambda x: isinstance(x, str) and _DEVICE.fullmatch(x) is not None,
    "float_dtype": lambda x: isinstance(x, str | None) and x in _DTYPES,
    "eps": lambda x: isinstance(x, int | float) and not isinstance(x, bool) and 0 < x < 1,
    "features": lambda x: isinstance(x, dict) and all(map(_is_feature, x.values())),
    "norm_map": lambda x: isinstance(x, dict),
    "normalize_observation_keys": lambda x: (
        x is None or (isinstance(x, list) and all(isinstance(key, str) for key in x))
    ),
}
_CONSENT = "trust_remote_code"


def check_lerobot_files(folder: Path) -> None:
    """Raise InputError, naming the file, where a folder asks LeRobot for anything that a policy of ours does not need.

    Args:
        folder: With ``config.json`` and the pipelines.
    """
    missing = [name for name in (CONFIG_FILE, PREPROCESSOR_FILE, POSTPROCESSOR_FILE) if not (folder / name).exists()]
    if missing:
        raise InputError(
            f"'{folder}' lacks {' and '.join(missing)}, which every checkpoint of type dist2 has: it is damaged, use "
            "another"
        )
    for path in sorted(folder.glob("*.json")):
        try:
            content = read_json(path)
            _check_names(content)
            if path.name in (PREPROCESSOR_FILE, POSTPROCESSOR_FILE):
                _check_pipeline(folder, content)
            if isinstance(content, dict) and content.get("use_peft"):
                raise ValueError("'use_peft': a policy of type dist2 has no adapters of peft")
        except (ValueError, OSError) as error:
            raise InputError(
                f"'{path}' is not read ({error}): the checkpoint may be hostile, use one that you trust"
            ) from error


def _check_names(content: Any) -> None:
    """Raise ValueError where a key asks for an import, at whatever depth."""
    for key, value in _entries(content):
        if key in _NAMING or (key == _CONSENT and value):
            raise ValueError(f"'{key}' names code to run: {str(value)[:60]!r}")


def _entries(content: Any) -> Iterator[tuple[str, Any]]:
    left = [content]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            yield from node.items()
            left.extend(node.values())
        elif isinstance(node, list):
            left.extend(node)


def _is_feature(x: Any) -> bool:
    """Tell whether it is the type and the shape of a feature, as LeRobot writes them."""
    if not isinstance(x, dict) or set(x) != {"type", "shape"} or x["type"] not in FeatureType.__members__:
        return False
    return isinstance(x["shape"], list) and all(type(size) is int and 0 < size < 2**31 for size in x["shape"])


def _check_pipeline(folder: Path, content: Any) -> None:
    steps = content.get("steps") if isinstance(content, dict) else None
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise ValueError("it has no list of steps")
    for step in steps:
        name, config = step.get("registry_name"), step.get("config", {})
        if not isinstance(name, str) or name not in STEPS or set(step) - {"registry_name", "config", "state_file"}:
            raise ValueError(f"the step {str(name)[:60]!r} is none of {', '.join(STEPS)}")
        if not isinstance(config, dict) or set(config) - STEPS[name]:
            raise ValueError(f"the step '{name}' has settings that it does not know: {str(config)[:60]}")
        wrong = [key for key, value in config.items() if not _SETTINGS[key](value)]
        if wrong:
            raise ValueError(f"the step '{name}' has no valid '{wrong[0]}': {str(config[wrong[0]])[:60]!r}")
        changed = config.get("norm_map", {})
        if not isinstance(changed, dict) or any(mode != "IDENTITY" for mode in changed.values()):
            raise ValueError(f"the step '{name}' changes numbers: its norm_map must be IDENTITY")
        if "state_file" in step:
            _check_state(folder, step["state_file"])


def _check_state(folder: Path, name: Any) -> None:
    if not isinstance(name, str) or name != Path(name).name or not name.endswith(".safetensors"):
        raise ValueError(f"the state file {str(name)[:60]!r} is none of the folder")
    if (folder / name).is_symlink():
        raise ValueError(f"the state file '{name}' is a symbolic link")
    try:
        read_header(folder / name)
    except (OSError, ValueError) as error:
        raise ValueError(f"the state file '{name}' cannot be read: {error}") from error
