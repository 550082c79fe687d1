"""The output folder of a training: made, continued, or refused."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from dist2_robot.checkpoints.store import numbered_checkpoints
from dist2_robot.errors import InputError

CONFIG_FILE = "config.json"
# What may differ between a run and its continuation.
_FREE = ("resume", "overwrite", "device", "tracker", "name", "evaluation")


def prepare(output: Path, config: Mapping[str, Any], *, resume: bool | Literal["auto"], overwrite: bool) -> Path | None:
    """Make the folder and write its config; return the checkpoint to go on from, or None to start anew.

    Args:
        output: The folder.
        config: Of the training.
        resume: Go on with the run in the folder; ``auto``: if one is there.
        overwrite: Start anew where a run is.

    Raises:
        InputError: The folder holds a run already, or there is nothing to resume, or it was trained otherwise.
    """
    config_file = output / CONFIG_FILE
    if resume is True or (resume == "auto" and config_file.exists()):
        if not config_file.exists():
            raise InputError(f"there is no run in '{output}' to resume: mend output=, or leave resume=true out")
        try:
            old = json.loads(config_file.read_text())
        except ValueError as error:
            raise InputError(f"'{config_file}' is not valid JSON ({error}): start anew with overwrite=true") from error
        _check_same(old, config, output)
        checkpoints = numbered_checkpoints(output)
        return checkpoints[-1] if checkpoints else None
    if config_file.exists():
        if not overwrite:
            raise InputError(f"'{output}' holds a run: pass resume=true to go on, overwrite=true, or another output=")
        for name in ("checkpoints", "eval", "tensorboard"):
            shutil.rmtree(output / name, ignore_errors=True)
        for name in ("metrics.jsonl", "summary.json", "examples.json"):
            (output / name).unlink(missing_ok=True)
    output.mkdir(parents=True, exist_ok=True)
    unfinished = config_file.with_name(f".{CONFIG_FILE}.unfinished")  # killed while it writes, a run can still resume
    unfinished.write_text(json.dumps(config, indent=1))
    unfinished.replace(config_file)
    return None


def is_finished(output: Path, steps: int) -> bool:
    """Tell whether the run in a folder took its last step, and wrote all that it writes."""
    try:
        summary = json.loads((output / "summary.json").read_text())
    except (OSError, ValueError):  # not there, or cut off
        return False
    return summary.get("steps") == steps


def _check_same(old: Mapping[str, Any], new: Mapping[str, Any], output: Path) -> None:
    was, now = _flatten(old), _flatten(new)
    for key in sorted(set(was) | set(now)):
        if key.split(".")[0] not in _FREE and key != "output" and was.get(key) != now.get(key):
            raise InputError(
                f"cannot resume '{output}': {key} was {was.get(key)!r} and is now {now.get(key)!r}; give the old value "
                "or another output="
            )


def _flatten(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
