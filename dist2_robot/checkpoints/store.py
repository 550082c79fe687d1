"""Checkpoint folders: written whole or not at all, checked when read. No pickle anywhere."""

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.checkpoints.folders import (
    begin_folder,
    names_begun,
    put_in_place,
    remove_folder,
    settle_folder,
    standing,
)
from dist2_robot.checkpoints.lerobot_files import lerobot_files
from dist2_robot.checkpoints.manifest import MANIFEST_FILE, Manifest, read_manifest
from dist2_robot.checkpoints.registry import build_policy
from dist2_robot.errors import InputError
from dist2_robot.json_file import write_json
from dist2_robot.policies.policy import Policy
from dist2_robot.weights.budget import building_budget
from dist2_robot.weights.tensor_file import Entry, load_tensors, read_header

MODEL_FILE = "model.safetensors"
LEROBOT_MODEL = "pretrained_model"  # in the folder of a step of a run of LeRobot
BEST = "best"  # among the checkpoints of a run, the one of most success


def save_checkpoint(
    folder: Path,
    manifest: Manifest,
    model: Mapping[str, Tensor],
    extra: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> None:
    """Write a checkpoint under a temporary name, sync it, and rename it into place.

    What was in place before is moved away whole, and removed only when the new one stands.

    Args:
        folder: Where; replaced if it is there.
        manifest: Its ``files`` are filled in here.
        model: Weights and buffers of the policy.
        extra: More safetensors files, name -> tensors, e.g. the state of the optimiser.

    Raises:
        OSError: The disk is full, or the folder may not be written; what was there before is still there.
    """
    try:
        unfinished = begin_folder(folder)
        write_checkpoint(unfinished, manifest, model, extra)
        for path in [*unfinished.iterdir(), unfinished]:
            sync(path)
        put_in_place(unfinished, folder)
        sync(folder.parent)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            settle_folder(folder)
        raise OSError(f"cannot write '{folder}' ({error}); the checkpoints before it are intact") from error


def write_checkpoint(
    folder: Path,
    manifest: Manifest,
    model: Mapping[str, Tensor],
    extra: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> None:
    """Write the files of a checkpoint to a folder that is there, beside what others keep in it.

    The manifest comes last, for without it a folder is no checkpoint. Arguments as for `save_checkpoint`.
    """
    contents = {MODEL_FILE: model, **(extra or {})}
    for name, tensors in contents.items():
        save_file({key: x.detach().cpu().contiguous() for key, x in tensors.items()}, folder / name)
    for name, content in lerobot_files(manifest).items():
        write_json(folder / name, content)
    files = {name: _sha256(folder / name) for name in contents}
    (folder / MANIFEST_FILE).write_text(replace(manifest, files=files).to_json())


def read_tensors(folder: Path, manifest: Manifest, name: str) -> dict[str, Tensor]:
    """Read one safetensors file of a checkpoint. Raises InputError, naming the file, if it is not what was written."""
    path = folder / name
    read_header_of(folder, manifest, name)  # its size is bounded before all of it is read
    if _sha256(path) != manifest.files[name]:
        raise InputError(f"'{path}' is not what was written (its sha256 differs): {_use_another(folder)}")
    try:
        return load_tensors(path)
    except (ValueError, OSError) as error:
        raise InputError(f"'{path}' cannot be read ({error}): {_use_another(folder)}") from error


def read_header_of(folder: Path, manifest: Manifest, name: str) -> dict[str, Entry]:
    """Return what one safetensors file of a checkpoint declares. Raises InputError where it is none."""
    path = folder / name
    if path.is_symlink():
        raise InputError(f"'{path}' is a symbolic link, which is not followed: copy the file itself in its place")
    if name not in manifest.files or not path.exists():
        raise InputError(f"'{path}' is missing: {_use_another(folder)}")
    try:
        return read_header(path)
    except (ValueError, OSError) as error:
        raise InputError(f"'{path}' is not what was written ({error}): {_use_another(folder)}") from error


def load_policy(checkpoint: Path | str, device: str = "cpu") -> tuple[Policy, Manifest]:
    """Load a policy, ready to act, from a checkpoint folder or a run folder (its best checkpoint, else its last)."""
    return load_module(checkpoint, build_policy, device)


def load_module[M: nn.Module](
    checkpoint: Path | str, build: Callable[[ActionSpec, Mapping[str, Any], Mapping[str, Tensor]], M], device: str
) -> tuple[M, Manifest]:
    """Load what a checkpoint holds, as `load_policy`.

    Args:
        checkpoint: A folder of one, or of a run.
        build: Makes it from action spec, plain values, and the state of a fitted tokenizer.
        device: Where to.
    """
    folder = find_checkpoint(Path(checkpoint))
    manifest = read_manifest(folder)
    tensors = read_tensors(folder, manifest, MODEL_FILE)
    _check_numbers(folder, tensors)
    module = _build(folder, manifest, tensors, build)
    expected = module.state_dict()
    odd = sorted(set(tensors) ^ set(expected)) or [
        name
        for name, tensor in tensors.items()
        if tensor.shape != expected[name].shape or tensor.dtype != expected[name].dtype
    ]
    if odd:
        raise InputError(f"'{folder / MODEL_FILE}' does not fit its manifest in {odd}: {_use_another(folder)}")
    module.load_state_dict(tensors, strict=True)
    if isinstance(module, Policy):
        try:
            module.check_loaded()
        except ValueError as error:
            raise InputError(f"'{folder / MODEL_FILE}' is not read ({error}): {_use_another(folder)}") from error
    return module.to(torch.device(device)).eval(), manifest


def find_checkpoint(path: Path) -> Path:
    """Return the checkpoint folder that a path means: itself, or the best, else the last, of a run folder.

    A run may be one of ``lerobot-train``, which keeps a checkpoint in ``checkpoints/STEP/pretrained_model``.
    """
    path = standing(path)
    if (path / MANIFEST_FILE).exists():
        return path
    if not path.exists():
        raise InputError(
            f"checkpoint folder '{path}' does not exist: train one with dist2-train, or mend checkpoint= (only local "
            "folders are read, download others yourself)"
        )
    best = standing(path / "checkpoints" / BEST)
    if (best / MANIFEST_FILE).exists():
        return best
    numbered = numbered_checkpoints(path) or _lerobot_checkpoints(path)
    if not numbered:
        raise InputError(
            f"'{path}' is not a checkpoint, nor a run with one ({MANIFEST_FILE} is missing): give the output folder of "
            "dist2-train"
        )
    return numbered[-1]


def numbered_checkpoints(run: Path) -> list[Path]:
    """Return the complete checkpoints of a run, by step."""
    return _numbered(run / "checkpoints")


def prune_checkpoints(run: Path, keep: int) -> None:
    """Remove all but the last checkpoints of a run, and what killed processes left of others."""
    settle_checkpoints(run)
    for old in numbered_checkpoints(run)[:-keep]:
        remove_folder(old)


def settle_checkpoints(run: Path) -> None:
    """Finish or undo what killed processes had begun with the checkpoints of a run. Not while another one writes."""
    for name in names_begun(run / "checkpoints", "step_*"):
        settle_folder(run / "checkpoints" / name)


def _numbered(parent: Path) -> list[Path]:
    names = {path.name for path in parent.glob("step_*")} | names_begun(parent, "step_*")
    steps = sorted((int(name[5:]), name) for name in names if re.fullmatch(r"step_[0-9]+", name))
    folders = [standing(parent / name) for _, name in steps]
    return [folder for folder in folders if (folder / MANIFEST_FILE).exists()]


def _lerobot_checkpoints(path: Path) -> list[Path]:
    """Return the checkpoints of a run of LeRobot, by step, or the one of the folder of a step."""
    steps = [step for step in (path / "checkpoints").glob("*") if re.fullmatch(r"[0-9]+", step.name)]
    folders = [step / LEROBOT_MODEL for step in [*sorted(steps, key=lambda step: int(step.name)), path]]
    return [folder for folder in folders if (folder / MANIFEST_FILE).exists()]


def _build[M: nn.Module](
    folder: Path,
    manifest: Manifest,
    tensors: Mapping[str, Tensor],
    build: Callable[[ActionSpec, Mapping[str, Any], Mapping[str, Tensor]], M],
) -> M:
    prefix = "tokenizer."
    fitted = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    header = read_header_of(folder, manifest, MODEL_FILE)
    try:
        with building_budget(header):
            return build(ActionSpec.from_dict(manifest.action_spec), manifest.policy, fitted)
    except (
        InputError,
        TypeError,
        AttributeError,
        ValueError,
        OverflowError,
        LookupError,
        RuntimeError,
        MemoryError,
    ) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"'{folder / MANIFEST_FILE}' tells of no policy that can be built: {reason}") from error


def _check_numbers(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Raise InputError where a weight is NaN: what it is a weight of answers nothing, or token 0."""
    odd = [name for name, x in tensors.items() if x.is_floating_point() and bool(x.isnan().any())]
    if odd:
        raise InputError(
            f"'{folder / MODEL_FILE}' holds weights that are no numbers, in {odd[:4]}: {_use_another(folder)}"
        )


def _use_another(folder: Path) -> str:
    """Say what to do about a damaged checkpoint, with the last of its neighbours if there is one."""
    others = [path for path in _numbered(folder.parent) if path.name != folder.name]
    if not others:
        return "the checkpoint is damaged, use another"
    return f"the checkpoint is damaged, use another: '{others[-1]}' (to resume from that one, delete the damaged one)"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
