"""robomimic: ``data/demo_0/{obs/<key>,actions,rewards,dones}`` in one HDF5 file."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dist2_robot.data.importing.hdf5 import arrays, as_group, columns, members, open_hdf5
from dist2_robot.data.importing.layout import cameras
from dist2_robot.data.importing.source import Layout, Source, SourceEpisode
from dist2_robot.errors import InputError
from dist2_robot.types import ACTION, ENVIRONMENT_STATE, STATE

if TYPE_CHECKING:
    import h5py

ARM = ("eef_pos", "eef_quat", "gripper_qpos")  # what robomimic's own low-dimensional policies see of each arm
_DEMO = re.compile(r"demo_(\d+)")
_UNUSED = ("next_obs/",)


def open_robomimic(path: Path) -> Source:
    """Open a file. Raises InputError where it holds no demonstrations."""
    file = open_hdf5(path)
    top = members(file, path)
    demos = members(as_group(top["data"], path), path) if "data" in top else {}
    found = {int(match[1]): name for name in demos if (match := _DEMO.fullmatch(name))}
    if not found:
        raise InputError(f"'{path}' has no 'data/demo_0': it is no robomimic file")

    def read(name: str) -> SourceEpisode:
        wanted = {key: x for key, x in arrays(as_group(demos[name], path), path).items() if not key.startswith(_UNUSED)}
        return SourceEpisode(columns(wanted, path))

    episodes = {name: (lambda name=name: read(name)) for _, name in sorted(found.items())}
    rate_hz, robot = _environment(as_group(top["data"], path))
    assumed = "observation.state is what robomimic's own policies see of the arm, environment_state its 'object'"
    return Source("robomimic", episodes, standard_layout, rate_hz, robot, assumed=(assumed,))


def _environment(data: "h5py.Group") -> tuple[float | None, str | None]:
    """Return the rate of control and the robot that ``env_args`` tells of, None for what it does not."""
    try:
        content = json.loads(str(data.attrs["env_args"]))["env_kwargs"]
        rate, robots = content.get("control_freq"), content.get("robots")
    except (KeyError, ValueError, OverflowError, TypeError, AttributeError, RecursionError, OSError):
        return None, None
    rate_hz = float(rate) if type(rate) in (int, float) and 0 < rate < 1e6 else None
    robots = robots if isinstance(robots, list) else [robots]
    return rate_hz, "+".join(name[:100] for name in robots if isinstance(name, str)) or None


def standard_layout(columns: Mapping[str, Any]) -> Layout:
    """Return the arms' positions, turns and grippers as the state, the object as the environment's, and pictures."""
    layout: Layout = {ACTION: ["actions"]} if "actions" in columns else {}
    vectors = [key for key, x in columns.items() if key.startswith("obs/") and len(x.shape) <= 2]
    arm = [f"obs/robot{i}_{part}" for i in range(4) for part in ARM if f"obs/robot{i}_{part}" in vectors]
    state = arm or sorted(key for key in vectors if key != "obs/object")
    if state:
        layout[STATE] = state
    if "obs/object" in vectors:
        layout[ENVIRONMENT_STATE] = ["obs/object"]
    return layout | cameras({key: x for key, x in columns.items() if key.startswith("obs/")})
