"""What is sound of a dataset, as a new one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from dist2_robot.data.audit.audit import Audit
from dist2_robot.data.audit.contents import Contents
from dist2_robot.data.audit.videos import recorded_rows
from dist2_robot.data.decode import Rows, decode_rows
from dist2_robot.data.episode import Episode
from dist2_robot.data.recorded_spec import recorded_spec
from dist2_robot.data.writer import SMALLEST_VIDEO, write_dataset
from dist2_robot.errors import InputError, naming

# Errors in what is written anew, and so of no account: nothing of it is copied.
WRITTEN_ANEW = ("statistics", "counts", "timestamps", "episodes", "tasks")
ACTION = "action"


@dataclass(frozen=True)
class LeftOut:
    """What a mended dataset lacks.

    Attributes:
        episodes: Number -> why.
        cameras: Feature -> why.
        others: Other features, which are neither observed nor actions.
    """

    episodes: Mapping[int, list[str]]
    cameras: Mapping[str, str]
    others: tuple[str, ...] = ()


def mend(audit: Audit, new: Path) -> LeftOut:
    """Write a new dataset of the episodes in which no error was found, each of them once.

    Indices, timestamps, statistics and the table of episodes are made anew; the old dataset stays as it is. A camera
    is left out whose pictures are no colours, or if no episode would be left with it.

    Returns:
        Which episodes and cameras were left out.

    Raises:
        InputError: What was found is not about single episodes, no episode is sound, or the new folder exists.
    """
    contents, cameras = audit.contents, cameras_to_leave_out(audit)
    if contents.folder.root.resolve() in (new.resolve(), *new.resolve().parents):
        raise InputError(f"fix={new} lies inside '{contents.folder.root}', which stays as it is: name another folder")
    left_out = episodes_to_leave_out(audit, cameras)
    beyond = [
        f
        for f in audit.of("error")
        if not f.episodes and f.check not in WRITTEN_ANEW and f.feature not in cameras and f.check != "cameras"
    ]
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
    pictures = [name for name in contents.folder.cameras() if name not in cameras] if _has_cameras(contents) else []
    features, sizes = contents.folder.info["features"], contents.folder.cameras() if pictures else {}
    # PNGs lose nothing, and stay such; pictures too small for a video become PNGs.
    video = all(features[name]["dtype"] == "video" and min(sizes[name]) >= SMALLEST_VIDEO for name in pictures)
    with naming(contents.folder.root):
        write_dataset(
            new,
            _episodes(contents, kept, observed, pictures),
            spec,
            observation_names={name: contents.folder.names(name) for name in observed},
            robot_type=str(contents.folder.info.get("robot_type") or "unknown"),
            recording=recording,
            video=video,
        )
    others = tuple(name for name in contents.vectors if name not in (*observed, ACTION))
    return LeftOut(left_out, cameras, others)


def cameras_to_leave_out(audit: Audit) -> dict[str, str]:
    """Return the cameras that cannot be kept -> why: no colours, or not one sound episode has all pictures."""
    contents = audit.contents
    found = dict(contents.folder.left_out_cameras()) if _has_cameras(contents) else _unclear(contents)
    numbers = np.unique(contents.columns.get("episode_index", np.empty(0, int))).tolist()
    spoilt = _spoilt(audit, with_cameras=False)
    others = [number for number in numbers if number not in spoilt]
    for finding in audit.of("error"):
        camera = finding.feature
        if camera is None or camera in found:
            continue
        mine = [f for f in audit.of("error") if f.feature == camera]
        lost = {number for f in mine for number in f.episodes}
        if set(others) <= lost or any(not f.episodes for f in mine):
            found[camera] = f"{finding.place}: {finding.message}"
    return found


def episodes_to_leave_out(audit: Audit, cameras: Mapping[str, str]) -> dict[int, list[str]]:
    """Return the number of each episode in which an error was found, or that occurred before -> what.

    What was found in pictures of the cameras that are left out is of no account.
    """
    return _spoilt(audit, with_cameras=True, without=cameras)


def _spoilt(audit: Audit, *, with_cameras: bool, without: Mapping[str, str] | None = None) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for finding in audit.findings:
        if finding.feature is not None and (not with_cameras or finding.feature in (without or {})):
            continue
        is_spoilt = finding.severity == "error" and finding.check not in ("timestamps", "tasks")
        if is_spoilt or finding.check == "duplicates":
            for number in finding.episodes:
                found.setdefault(number, []).append(f"{finding.check}: {finding.message}")
    return dict(sorted(found.items()))


def _has_cameras(contents: Contents) -> bool:
    """Tell whether it can be told what the cameras are."""
    try:
        contents.folder.cameras()
    except InputError:
        return False
    return True


def _unclear(contents: Contents) -> dict[str, str]:
    """Return all features of pictures, where it cannot be told of one what it is."""
    features = contents.folder.info["features"]
    names = [name for name, feature in features.items() if feature["dtype"] in ("video", "image")]
    return dict.fromkeys(names, "info.json does not tell which axis of the pictures is which")


def _episodes(contents: Contents, kept: list[int], observed: list[str], cameras: list[str]) -> Iterator[Episode]:
    numbers, seeds = contents.columns["episode_index"], contents.folder.recording.get("episode_seeds")
    times = recorded_rows(contents) if cameras else None
    tasks = contents.columns.get("task_index", np.empty(0, int))
    has_tasks = len(tasks) == len(numbers)
    for number in kept:
        rows = np.flatnonzero(numbers == number)
        features = {name: contents.columns[name][rows].astype(np.float32) for name in [*observed, ACTION]}
        if times is not None:
            here: Rows = times.take(np.flatnonzero(times.episode == number))
            features |= {camera: decode_rows(contents.folder, camera, here) for camera in cameras}
        texts = (
            [str((contents.tasks or {}).get(n, "") or "not told") for n in tasks[rows].tolist()] if has_tasks else []
        )
        task = (texts if len(set(texts)) > 1 else texts[0]) if texts else "not told"
        seed = seeds[number] if isinstance(seeds, list) and number < len(seeds) else -1
        yield Episode(features, task, seed)
