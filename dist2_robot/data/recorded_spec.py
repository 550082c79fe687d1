"""The action spec of a dataset: what its recorder wrote, else what the robot type and the columns tell."""

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.data.folder import DIST2_FILE, DatasetFolder
from dist2_robot.data.table import FrameTable
from dist2_robot.errors import InputError

# LeRobot's SO arms send degrees for joints and 0-100 for the gripper.
_DEGREE_ROBOTS = ("so100", "so101", "so_follower", "koch", "omx")


def recorded_spec(folder: DatasetFolder, table: FrameTable) -> ActionSpec:
    """Return the spec that the recorder wrote, or one guessed from names and ranges, with ``source`` 'data'."""
    names = folder.names("action")
    if "action_spec" in folder.recording:
        spec = ActionSpec.from_dict(folder.recording["action_spec"])
        if list(spec.names) != names:
            raise InputError(
                f"'{folder.root / DIST2_FILE}' tells of the actions {list(spec.names)}, info.json of {names}: restore "
                "both from the original dataset"
            )
        return spec
    in_degrees = str(folder.info.get("robot_type") or "").lower().startswith(_DEGREE_ROBOTS)
    units = [("%" if "gripper" in name else "deg") if in_degrees else "?" for name in names]
    return ActionSpec.from_columns(table.features["action"].numpy(), names, units, folder.rate_hz)
