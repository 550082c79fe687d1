"""What is sound of a dataset, as a new one."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from dist2_robot.data.audit.audit import Audit
from dist2_robot.data.audit.contents import Contents
from dist2_robot.data.audit.videos import decode_episode
from dist2_robot.data.episode import Episode
from dist2_robot.data.recorded_spec import recorded_spec
from dist2_robot.data.writer import write_dataset
from dist2_robot.errors import InputError

# Errors in what is written anew, and so of no account: nothing of it is copied.
WRITTEN_ANEW = ("statistics", "counts", "timestamps", "episodes", "tasks")
ACTION = "action"


def mend(audit: Audit, new: Path) -> dict[int, list[str]]:
    """Write a new dataset of the episodes in which no error was found, each of them once.

    Indices, timestamps, statistics and the table of episodes are made anew; the old dataset stays as it is.

    Returns:
        Number of each episode that was left out -> why.

    Raises:
        InputError: What was found is not about single episodes, no episode is sound, or the new folder exists.
    """
    contents, left_out = audit.contents, episodes_to_leave_out(audit)
    beyond = [f for f in audit.of("error") if not f.episodes and f.check not in WRITTEN_ANEW]
    if beyond:
        raise InputError(f"this cannot be mended by leaving episodes out: {beyond[0].place}: {beyond[0].message}")
    kept = [number for number in np.unique(contents.columns["episode_index"]).tolist() if number not in left_out]
    if not kept:
        raise InputError(f"no episode of '{contents.folder.root}' is sound")
    whole = np.isin(contents.columns["episode_index"], kept)
    actions = torch.from_numpy(contents.columns[ACTION][whole])
    spec = recorded_spec(contents.folder, actions)
    recording = {name: value for name, value in contents.folder.recording.items() if name != "action_spec"}
    recording.pop("episode_seeds", None)
    observed = [name for name in contents.vectors if name.startswith("observation.")]
    write_dataset(
        new,
        _episodes(contents, kept, observed),
        spec,
        observation_names={name: contents.folder.names(name) for name in observed},
        robot_type=str(contents.folder.info.get("robot_type") or "unknown"),
        recording=recording,
    )
    return left_out


def episodes_to_leave_out(audit: Audit) -> dict[int, list[str]]:
    """Return the number of each episode in which an error was found, or that occurred before -> what."""
    found: dict[int, list[str]] = {}
    for finding in audit.findings:
        is_spoilt = finding.severity == "error" and finding.check not in ("timestamps", "tasks")
        if is_spoilt or finding.check == "duplicates":
            for number in finding.episodes:
                found.setdefault(number, []).append(f"{finding.check}: {finding.message}")
    return dict(sorted(found.items()))


def _episodes(contents: Contents, kept: list[int], observed: list[str]) -> Iterator[Episode]:
    numbers, seeds = contents.columns["episode_index"], contents.folder.recording.get("episode_seeds")
    cameras = [name for name, feature in contents.folder.info["features"].items() if feature["dtype"] == "video"]
    for number in kept:
        rows = np.flatnonzero(numbers == number)
        features = {name: contents.columns[name][rows].astype(np.float32) for name in [*observed, ACTION]}
        for camera in cameras:
            features[camera] = decode_episode(contents, camera, number, len(rows))
        tasks = contents.columns.get("task_index")
        task = (contents.tasks or {}).get(int(tasks[rows[0]]), "") if tasks is not None else ""
        seed = seeds[number] if isinstance(seeds, list) and number < len(seeds) else -1
        yield Episode(features, str(task) or "not told", seed)
