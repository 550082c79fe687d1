"""The output folder of a training: made, continued, or refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from dist2_robot.checkpoints.folders import remove_folder
from dist2_robot.checkpoints.store import numbered_checkpoints, settle_checkpoints
from dist2_robot.errors import InputError
from dist2_robot.json_file import read_json, write_json

CONFIG_FILE = "config.json"
HISTORY = "changed_on_resume"
# What may differ between a run and its continuation.
_FREE = ("resume", "resume_changed", "overwrite", "device", "tracker", "name", "evaluation", "output", HISTORY)


def prepare(
    output: Path,
    config: Mapping[str, Any],
    *,
    resume: bool | Literal["auto"],
    overwrite: bool,
    may_differ: bool = False,
) -> Path | None:
    """Make the folder and write its config; return the checkpoint to go on from, or None to start anew.

    Args:
        output: The folder.
        config: Of the training.
        resume: Go on with the run in the folder; ``auto``: if one is there.
        overwrite: Start anew where a run is.
        may_differ: Go on even with other options; `record_changes` writes them down.

    Raises:
        InputError: The folder holds a run already, or there is nothing to resume, or it was trained otherwise.
    """
    if may_differ and not resume:
        raise InputError("resume_changed=true changes how a run goes on: give resume=true too, or leave it out")
    config_file = output / CONFIG_FILE
    if resume is True or (resume == "auto" and config_file.exists()):
        if not config_file.exists():
            raise InputError(f"there is no run in '{output}' to resume: mend output=, or leave resume=true out")
        changes = _changes(_read_config(config_file), config)
        for key, (was, now) in changes.items():
            if not may_differ:
                raise InputError(
                    f"cannot resume '{output}': {key} was {was!r} and is now {now!r}; give the old value, another "
                    "output=, or resume_changed=true to go on with the new one"
                )
        _remove_leftovers(output)
        return last_checkpoint(output)
    if config_file.exists():
        if not overwrite:
            raise InputError(f"'{output}' holds a run: pass resume=true to go on, overwrite=true, or another output=")
        for name in ("checkpoints", "checks", "eval", "tensorboard"):
            remove_folder(output / name)
        for name in ("metrics.jsonl", "summary.json", "examples.json", "held_out.json"):
            (output / name).unlink(missing_ok=True)
    _remove_leftovers(output)
    write_json(config_file, config)
    return None


def has_summary(output: Path, step: int) -> bool:
    """Tell whether the run in a folder wrote all that it writes after its last step, this one."""
    try:
        return read_json(output / "summary.json").get("steps") == step
    except (OSError, ValueError, AttributeError):  # not there, or not what we wrote
        return False


def last_checkpoint(output: Path) -> Path | None:
    """Return the checkpoint of a run to go on from, if there is one."""
    return next(reversed(numbered_checkpoints(output)), None)


def record_changes(output: Path, config: Mapping[str, Any], step: int) -> None:
    """Write down, and say, which options a run goes on with that differ from those it had up to this step."""
    old = _read_config(output / CONFIG_FILE)
    changes = _changes(old, config)
    if not changes:
        return
    entry = {"step": step, "changes": {key: {"was": was, "is": now} for key, (was, now) in changes.items()}}
    write_json(output / CONFIG_FILE, {**config, HISTORY: [*old.get(HISTORY, []), entry]})
    for key, (was, now) in changes.items():
        print(f"from step {step} on {key} is {now!r}, it was {was!r}")


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = read_json(path)
    except ValueError as error:
        raise InputError(f"'{path}' is not valid JSON ({error}): start anew with overwrite=true") from error
    if not isinstance(config, dict):
        raise InputError(f"'{path}' holds no JSON object: start anew with overwrite=true")
    return config


def _remove_leftovers(output: Path) -> None:
    """Remove what a killed process left, but nothing that it had finished."""
    settle_checkpoints(output)
    for name in (CONFIG_FILE, "summary.json", "examples.json", "held_out.json"):
        for path in output.glob(f".{name}.*.unfinished"):
            path.unlink()


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the options that differ, in alphabetical order: name -> value then, value now."""
    was, now = (_flatten({key: x for key, x in config.items() if key not in _FREE}) for config in (old, new))
    keys = sorted(set(was) | set(now))
    return {key: (was.get(key), now.get(key)) for key in keys if was.get(key) != now.get(key)}


def _flatten(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
