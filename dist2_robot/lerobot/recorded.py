"""The dataset behind LeRobot's metadata, read by us: its real columns, since LeRobot's own quantiles are wrong."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lerobot.configs import FeatureType, PolicyFeature

from dist2_robot.actions.constants import check_constants, with_constants
from dist2_robot.actions.spec import UNKNOWN_UNIT, ActionSpec
from dist2_robot.actions.spec_file import read_spec_file
from dist2_robot.checkpoints.manifest import Manifest
from dist2_robot.checkpoints.provenance import provenance
from dist2_robot.data.cameras import declared_shape
from dist2_robot.data.folder import DatasetFolder, open_folder
from dist2_robot.data.recorded_spec import RecordedSpec, describe, is_told
from dist2_robot.data.table import FrameTable, read_table
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.errors import InputError
from dist2_robot.lerobot.configuration_dist2 import Dist2Config
from dist2_robot.policies.policy import Policy
from dist2_robot.training.fresh_policy import fresh_policy
from dist2_robot.types import ACTION, ENVIRONMENT_STATE, STATE, ObservationSpec

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recorded:
    """Attributes: folder: Where it lies. table: All of its frames. recorded: What every number means."""

    folder: DatasetFolder
    table: FrameTable
    recorded: RecordedSpec

    @property
    def spec(self) -> ActionSpec:
        """What an action is."""
        return self.recorded.action

    @classmethod
    def open(cls, root: Path, observed: list[str] | None, spec: str | None = None) -> "Recorded":
        """Read vectors of these names, or all, and the file that tells what the numbers mean, if there is one.

        Raises InputError where the data are damaged or not there whole, or not what is told of them.
        """
        folder = open_folder(root)
        table = read_table(folder, observed)
        recorded = describe([folder], [table.features], [read_spec_file(Path(spec))] if spec else [])
        return cls(folder, table, replace(recorded, action=with_constants(recorded.action, table.features[ACTION])))

    def describe(self) -> dict[str, Any]:
        """Return what identifies the data, as plain values for the manifest."""
        return {
            "root": str(self.folder.root),
            "fingerprint": self.table.fingerprint,
            "episodes": self.table.episodes,
            "training_frames": len(self.table.features[ACTION]),
            "held_out_frames": 0,
        }


def new_policy(config: Dist2Config, root: Path) -> tuple[Policy, Manifest]:
    """Return an untrained policy, fitted to all frames of the dataset in a folder, and its manifest.

    Raises:
        InputError: The choices do not go together, or not with the data.
    """
    seen = config.input_features or {}
    vectors = [name for name, feature in seen.items() if feature.type is not FeatureType.VISUAL]
    recorded = Recorded.open(root, vectors, config.spec)
    frames = torch.arange(len(recorded.table.features[ACTION]))
    windows = ChunkWindows(recorded.table, frames, config.chunk_size, config.n_obs_steps)
    observation = _observation(config, seen, recorded.table.tasks)
    policy = fresh_policy(config.training_config(), recorded.spec, observation, windows, str(root))
    environment = recorded.folder.recording.get("environment")
    manifest = Manifest(
        policy=policy.config(),
        action_spec=recorded.spec.to_dict(),
        observation_names={name: [d.name for d in recorded.recorded.observed[name]] for name in observation.numbers},
        observation_units=_units(recorded, observation),
        environments=[environment] if environment else [],
        tasks=list(recorded.table.tasks),
        dataset=recorded.describe(),
        step=0,
        provenance=provenance(),
        golden_tasks=[],
    )
    return policy, manifest


def _units(recorded: Recorded, observation: ObservationSpec) -> dict[str, list[str]]:
    """Return the units of observed numbers; of a simulation whose recorder wrote none, nothing is known or missed."""
    units = {name: [d.unit for d in recorded.recorded.observed[name]] for name in observation.numbers}
    known = is_told(recorded.folder)
    return {name: some for name, some in units.items() if not (known and UNKNOWN_UNIT in some)}


def fine_tuned_on(manifest: Manifest, root: Path) -> dict[str, Any]:
    """Return what identifies the data that a trained policy goes on to learn from.

    Raises:
        InputError: They are not of the same actions and observations; it names the first difference.
    """
    folder = open_folder(root)
    spec = ActionSpec.from_dict(manifest.action_spec)
    _check_names(ACTION, list(spec.names), folder.names(ACTION), root)
    for feature, names in _as_recorded(manifest.observation_names, folder).items():
        if feature not in folder.info["features"]:
            raise InputError(f"the policy was trained on '{feature}', which '{root}' does not have")
        _check_names(feature, names, [name.removesuffix(".pos") for name in folder.names(feature)], root)
    vectors = [name for name in folder.state_features() if name in manifest.observation_names]
    recorded = Recorded.open(root, vectors or None)
    for name, ours, theirs in zip(spec.names, spec.units, recorded.spec.units, strict=True):
        if ours != theirs and UNKNOWN_UNIT not in (ours, theirs):
            raise InputError(f"the policy was trained on '{name}' in {ours}, '{root}' has it in {theirs}")
    if UNKNOWN_UNIT in recorded.spec.units and UNKNOWN_UNIT not in spec.units:
        _log.warning("nobody tells the units of '%s'; they are taken for those of the policy: %s", root, spec.units)
    check_constants(spec, recorded.table.features[ACTION], str(root))
    return recorded.describe()


def _as_recorded(names: Mapping[str, list[str]], folder: DatasetFolder) -> dict[str, list[str]]:
    """Return the names of observed numbers; LeRobot's recordings have what a robot sees of its world in its state."""
    plain = {feature: [name.removesuffix(".pos") for name in some] for feature, some in names.items()}
    if ENVIRONMENT_STATE in plain and ENVIRONMENT_STATE not in folder.info["features"] and STATE in plain:
        plain[STATE] = [*plain[STATE], *plain.pop(ENVIRONMENT_STATE)]
    return plain


def _check_names(feature: str, wanted: list[str], found: list[str], root: Path) -> None:
    if wanted != found:
        raise InputError(
            f"the policy was trained on '{feature}' of {wanted}, '{root}' has {found}: use data of the same robot, "
            "or train a new policy with --policy.type=dist2"
        )


def _observation(config: Dist2Config, seen: Mapping[str, PolicyFeature], tasks: tuple[str, ...]) -> ObservationSpec:
    numbers = {name: int(f.shape[0]) for name, f in seen.items() if f.type is not FeatureType.VISUAL}
    sizes: dict[str, tuple[int, int]] = {}
    for name, feature in seen.items():
        if feature.type is FeatureType.VISUAL:
            # LeRobot puts the channels first, unless the dataset calls its axes otherwise than LeRobot does.
            shape = declared_shape({"shape": list(feature.shape), "names": ["channels", "height", "width"]})
            if shape is None or shape[2] != 3:
                logging.warning("left out: %s, whose pictures of shape %s are no colours", name, feature.shape)
            else:
                sizes[name] = shape[:2]
    recorded = dict(sizes)
    if config.image_size is not None:
        sizes = dict.fromkeys(sizes, (config.image_size, config.image_size))
    return ObservationSpec(numbers, sizes, tasks, config.n_obs_steps, recorded)
