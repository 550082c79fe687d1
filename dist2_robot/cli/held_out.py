"""A policy to its scores on held-out episodes: in a training, at its end, and for dist2-eval without a simulation."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dist2_robot.actions.constants import check_constants
from dist2_robot.actions.spec import UNKNOWN_UNIT
from dist2_robot.checkpoints.manifest import Manifest
from dist2_robot.cli.dataset import TrainingData, load_training_data
from dist2_robot.cli.run_folder import CONFIG_FILE
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.errors import InputError, some_of
from dist2_robot.evaluation.held_out import score_held_out
from dist2_robot.evaluation.held_out_table import format_held_out
from dist2_robot.json_file import read_json, write_json
from dist2_robot.policies.policy import Policy
from dist2_robot.training.validation import MAX_WINDOWS, held_out_loss
from dist2_robot.types import ACTION

HELD_OUT_FILE = "held_out.json"


def validation_record(policy: Policy, loss: nn.Module, windows: ChunkWindows, device: torch.device) -> dict[str, Any]:
    """Return what a line of metrics.jsonl tells of held-out windows: the loss and the scores of up to 2,048."""
    scores = score_held_out(policy, windows, max_windows=MAX_WINDOWS)
    return {"loss": held_out_loss(policy, loss, windows, device), **scores.record()}


def write_scores(policy: Policy, windows: ChunkWindows, path: Path, about: Mapping[str, Any]) -> dict[str, Any]:
    """Score held-out windows, write them as JSON with what they are about, and print them."""
    content = {**score_held_out(policy, windows).to_dict(), **about}
    write_json(path, content)
    print(format_held_out(content))
    return content


def held_out_windows(
    checkpoint: Path,
    policy: Policy,
    manifest: Manifest,
    root: str | list[str] | None,
    spec: str | None = None,
) -> tuple[ChunkWindows, TrainingData]:
    """Return the windows that a policy is scored on: held out in its training, or of all episodes of another dataset.

    Args:
        checkpoint: Where the policy is from: a run folder or a checkpoint in it.
        policy: Loaded from there.
        manifest: Of the same.
        root: The folder of the other dataset, or several; None for those held out.
        spec: A file that tells what the numbers of the other dataset mean.

    Raises:
        InputError: Nothing was held out, the data are gone or not those of the training, or they do not fit the policy.
    """
    if root is None and spec is not None:
        raise InputError(
            "dataset.spec= tells of dataset.root=, which is not given: leave it out; spec= tells of a policy"
        )
    if root is not None:
        data = recorded_data(policy, root, spec)
        _check_fits(policy, manifest, data)
        return data.training, data
    run = run_of(checkpoint)
    config = _config_of(run, checkpoint)
    sizes = config["policy"]
    known = manifest.dataset.get("root")
    missing = [each for each in ([known] if isinstance(known, str) else known or []) if not Path(each).is_dir()]
    if missing and not config["dataset"].get("repo_id"):
        raise InputError(
            f"the data that '{checkpoint}' was trained on are not at '{missing[0]}' any more: put them back, or name "
            "recorded episodes with dataset.root="
        )
    told = config["dataset"].get("spec")  # the policy knows what it told; only roots in several units need it again
    told = told if isinstance(known, list) and told and Path(told).is_file() else None
    data = load_training_data(
        {**config["dataset"], "spec": told},
        sizes["horizon"],
        config["seed"],
        history=sizes["history"],
        target=sizes.get("target", ACTION),
    )
    held_out = len(data.held_out)
    if data.table.fingerprint != manifest.dataset.get("fingerprint") or held_out != manifest.dataset.get(
        "held_out_frames"
    ):
        raise InputError(
            f"'{data.name}' is not what '{checkpoint}' was trained on any more, so nobody knows which episodes it has "
            "not learned from: restore it, or name recorded episodes with dataset.root="
        )
    if not held_out:
        raise InputError(
            f"'{checkpoint}' was trained with dataset.validation={config['dataset']['validation']:g}, which holds no "
            "episode out: name other recorded episodes with dataset.root=, or train with dataset.validation=0.1"
        )
    return data.held_out, data


def recorded_data(policy: Policy, root: str | list[str], spec: str | None = None) -> TrainingData:
    """Open recorded episodes with the observations that a policy looks at; all of them are in ``training``."""
    dataset = {
        "root": root,
        "repo_id": None,
        "revision": None,
        "episodes": None,
        "validation": 0.0,
        "observations": list(policy.observation.names),
        "image_size": policy.observation.picture_size,
        "spec": spec,
    }
    return load_training_data(dataset, policy.horizon, 0, history=policy.observation.history)


def run_of(checkpoint: Path) -> Path:
    """Return the run folder of a checkpoint folder, or the folder itself."""
    return checkpoint.parents[1] if checkpoint.resolve().parent.name == "checkpoints" else checkpoint


def _check_fits(policy: Policy, manifest: Manifest, data: TrainingData) -> None:
    for entry in ("names", "units", "control_mode", "rate_hz"):
        theirs, ours = getattr(data.spec, entry), getattr(policy.spec, entry)
        if theirs != ours:
            mend = {
                "units": "tell the units of these episodes with dataset.spec=",
                "rate_hz": "import or record the episodes at that rate (dist2-import rate_hz=)",
            }.get(entry, "give episodes of the same robot")
            which, theirs, ours = _differing(policy.spec.names, theirs, ours)
            raise InputError(
                f"'{data.name}' cannot judge this policy: its action {entry}{which} are {_show(theirs)}, the policy's "
                f"{_show(ours)}: {mend}"
            )
    for theirs, ours in zip(data.spec.dimensions, policy.spec.dimensions, strict=True):
        if theirs.wraps != ours.wraps and data.spec.source == "file":
            raise InputError(
                f"'{data.name}' cannot judge this policy: its action '{ours.name}' is told to have wraps "
                f"{theirs.wraps}, the policy's {ours.wraps}"
            )
    for name, units in data.observation_units.items():
        known = manifest.observation_units.get(name, units)
        odd = [(a, b) for a, b in zip(units, known, strict=False) if a != b and UNKNOWN_UNIT not in (a, b)]
        if odd:
            raise InputError(
                f"'{data.name}' cannot judge this policy: its '{name}' is in {_show(units)}, the policy looks at "
                f"{_show(known)}: give episodes in the same units, or tell those with dataset.spec="
            )
    check_constants(policy.spec, data.table.features[ACTION], data.name)
    for name, numbers in manifest.observation_names.items():
        if list(numbers) != data.observation_names.get(name):
            raise InputError(
                f"'{data.name}' cannot judge this policy: its '{name}' is {_show(data.observation_names.get(name))}, "
                f"the policy looks at {_show(numbers)}: give episodes of the same robot"
            )


def _config_of(run: Path, checkpoint: Path) -> dict[str, Any]:
    try:
        config = read_json(run / CONFIG_FILE)
        if not {"dataset", "policy", "seed"} <= config.keys():
            raise ValueError("it lacks the options of a training")
    except FileNotFoundError:
        raise InputError(
            f"'{checkpoint}' has no {CONFIG_FILE} of its training beside it, which tells what was held out: name "
            "recorded episodes with dataset.root="
        ) from None
    except (ValueError, AttributeError) as error:
        raise InputError(
            f"'{run / CONFIG_FILE}' is no config of dist2-train ({error}), so nobody knows what was held out: name "
            "recorded episodes with dataset.root="
        ) from error
    return config


def _differing(names: Sequence[str], theirs: Any, ours: Any) -> tuple[str, Any, Any]:
    """Return of two lists only what differs, and of which numbers, in words."""
    if not isinstance(theirs, tuple) or len(theirs) != len(ours):
        return "", theirs, ours
    odd = [i for i, (a, b) in enumerate(zip(theirs, ours, strict=True)) if a != b]
    which = f" of {some_of([names[i] for i in odd])}"
    return which, tuple(theirs[i] for i in odd), tuple(ours[i] for i in odd)


def _show(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else f"{value}"
    return f"[{text}]" if isinstance(value, list | tuple) else text
