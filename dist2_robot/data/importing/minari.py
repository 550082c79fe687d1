"""Minari: ``episode_0/{observations,actions,rewards,terminations,...}``, with one observation more than actions."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dist2_robot.data.importing.hdf5 import arrays, as_group, column, members, open_hdf5
from dist2_robot.data.importing.layout import by_name, cameras
from dist2_robot.data.importing.source import Layout, LeftOutError, Source, SourceEpisode
from dist2_robot.errors import InputError
from dist2_robot.types import ACTION, ENVIRONMENT_STATE, STATE

FILE = "main_data.hdf5"
_EPISODE = re.compile(r"episode_(\d+)")


def open_minari(path: Path) -> Source:
    """Open a dataset's folder, its ``data`` folder or its file. Raises InputError where it holds no episodes."""
    file_path = next((p for p in (path / "data" / FILE, path / FILE) if p.is_file()), path)
    groups = members(open_hdf5(file_path), file_path)
    found = {int(match[1]): name for name in groups if (match := _EPISODE.fullmatch(name))}
    if not found:
        raise InputError(f"'{file_path}' has no 'episode_0': it is no Minari file")

    def read(name: str) -> SourceEpisode:
        stored = arrays(as_group(groups[name], file_path), file_path)
        if "actions" not in stored or not stored["actions"].shape:
            raise LeftOutError("it has no 'actions' that is an array")
        length = stored["actions"].shape[0]
        columns = {}
        for key, array in stored.items():
            has_last = key.startswith(("observations", "infos")) and array.shape and array.shape[0] == length + 1
            values = column(array, file_path, end=length if has_last else None)
            if values is not None:
                columns[key] = values
        return SourceEpisode(columns)

    episodes = {name: (lambda name=name: read(name)) for _, name in sorted(found.items())}
    assumed = "the observation after the last action is of no use and not taken"
    return Source("minari", episodes, standard_layout, assumed=(assumed,))


def standard_layout(columns: Mapping[str, Any]) -> Layout:
    """Return the action, the observation, and of a goal environment what is desired as the environment's state."""
    layout = by_name({key: x for key, x in columns.items() if "/" not in key})
    inner = {"observations/observation": STATE, "observations/desired_goal": ENVIRONMENT_STATE}
    layout |= {feature: [key] for key, feature in inner.items() if key in columns}
    vectors = [k for k, x in columns.items() if k.startswith("observations/") and len(x.shape) <= 2]
    if STATE not in layout and vectors:
        layout[STATE] = sorted(vectors)
    return {ACTION: ["actions"]} | layout | cameras({k: x for k, x in columns.items() if k.startswith("observations/")})
