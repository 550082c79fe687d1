"""The action spec of a dataset: what its recorder wrote, else what the robot type and the columns tell."""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.data.folder import DIST2_FILE, DatasetFolder
from dist2_robot.data.table import FrameTable
from dist2_robot.errors import InputError
from dist2_robot.types import ACTION

# LeRobot's SO arms send degrees for joints and 0-100 for the gripper.
_DEGREE_ROBOTS = ("so100", "so101", "so_follower", "koch", "omx")


def recorded_spec(folder: DatasetFolder, actions: Tensor, target: str = ACTION) -> ActionSpec:
    """Return the spec that the recorder wrote, or one guessed from names and ranges, with ``source`` 'data'.

    Args:
        folder: The dataset.
        actions: All of its actions, (N, A), or what is learned in their place.
        target: Which feature that is.
    """
    names, key = folder.names(target), f"{target}_spec"
    if key in folder.recording:
        spec = ActionSpec.from_dict(folder.recording[key])
        if list(spec.names) != names:
            raise InputError(
                f"'{folder.root / DIST2_FILE}' tells of the {target}s {list(spec.names)}, info.json of {names}: "
                "restore both from the original dataset"
            )
        return spec
    in_degrees = str(folder.info.get("robot_type") or "").lower().startswith(_DEGREE_ROBOTS)
    units = [("%" if "gripper" in name else "deg") if in_degrees else "?" for name in names]
    return ActionSpec.from_columns(actions.numpy(), names, units, folder.rate_hz)


def joint_spec(folders: Sequence[DatasetFolder], tables: Sequence[FrameTable], target: str = ACTION) -> ActionSpec:
    """Return the spec of several datasets together, whose limits are the widest of all.

    Raises:
        ValueError: Their actions do not mean the same.
    """
    specs = [
        recorded_spec(folder, table.features[ACTION], target) for folder, table in zip(folders, tables, strict=True)
    ]
    first = specs[0]
    for spec in specs[1:]:
        for entry in ("names", "units", "control_mode", "rate_hz"):
            if getattr(spec, entry) != getattr(first, entry):
                raise ValueError(f"action {entry} are {getattr(first, entry)} and {getattr(spec, entry)}")
    dimensions = tuple(
        replace(d, low=min(s.dimensions[i].low for s in specs), high=max(s.dimensions[i].high for s in specs))
        for i, d in enumerate(first.dimensions)
    )
    return replace(first, dimensions=dimensions)
