"""Writes episodes as a LeRobotDataset v3, with our action spec beside LeRobot's metadata."""

import contextlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.data.episode import Episode
from dist2_robot.data.folder import DIST2_FILE, INFO_FILE
from dist2_robot.data.scheduling import scheduling_kept
from dist2_robot.errors import InputError
from dist2_robot.types import ACTION

SMALLEST_VIDEO = 64  # pixels; smaller ones crash the encoder (SVT-AV1), now and then


def write_dataset(
    root: Path,
    episodes: Iterable[Episode],
    spec: ActionSpec,
    *,
    observation_names: Mapping[str, Sequence[str]],
    robot_type: str,
    recording: Mapping[str, Any],
    video: bool = True,
) -> int:
    """Write all episodes, then move the finished dataset to its place. Returns the number of frames.

    Args:
        root: The new folder; InputError if it exists.
        episodes: What to write. Features of images are taken from the first one.
        spec: Goes into ``meta/dist2_robot.json``.
        observation_names: Numeric observation feature -> the names of its numbers.
        robot_type: LeRobot's name of the robot.
        recording: Where the data come from (environment, seeds); plain values, kept beside the spec.
        video: Whether pictures become videos, which lose a little; else PNGs in the tables, which lose nothing.
    """
    seeds = []

    def counted() -> Iterator[Episode]:
        for episode in episodes:
            yield episode
            seeds.append(episode.seed)

    with unfinished_folder(root) as folder:
        # LeRobot stores whole frames a second; the exact rate is in the action spec.
        frames = write_episodes(
            folder,
            counted(),
            fps=round(spec.rate_hz),
            names={ACTION: spec.names, **observation_names},
            robot_type=robot_type,
            video=video,
        )
        if not frames:
            raise InputError(f"there is no episode to write to '{root}'")
        content = {"action_spec": spec.to_dict(), **recording, "episode_seeds": seeds}
        (folder / DIST2_FILE).write_text(json.dumps(content, indent=1))
    return frames


def check_room(root: Path, *, overwrite: bool) -> None:
    """Raise InputError where a new dataset may not be written; never anything but a dataset is replaced."""
    if not root.exists():
        return
    if not overwrite:
        raise InputError(f"dataset folder '{root}' exists: name another dataset.root, or pass overwrite=true")
    if not (root / INFO_FILE).exists():
        raise InputError(f"'{root}' exists and is not a LeRobot dataset, so it is not overwritten: name another folder")


@contextlib.contextmanager
def unfinished_folder(root: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield the folder to write to, which does not exist yet; it takes the place of `root` unless there is an error.

    Raises:
        InputError: There is something at `root` already, unless it is a dataset that may be replaced.
    """
    check_room(root, overwrite=overwrite)
    root.parent.mkdir(parents=True, exist_ok=True)
    unfinished = root.with_name(f".{root.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        yield unfinished
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    if overwrite:
        shutil.rmtree(root, ignore_errors=True)
    unfinished.replace(root)


def write_episodes(
    folder: Path,
    episodes: Iterable[Episode],
    *,
    fps: int,
    names: Mapping[str, Sequence[str]],
    robot_type: str,
    video: bool | Mapping[str, bool] = True,
) -> int:
    """Write all episodes with LeRobot alone, and return the number of frames; 0 where there is no episode.

    Args:
        folder: Where; made by LeRobot.
        episodes: What to write. Features of images are taken from the first one.
        fps: Whole frames a second.
        names: Numeric feature -> the names of its numbers.
        robot_type: LeRobot's name of the robot.
        video: Whether pictures become videos, for all cameras or by the name of each.
    """
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    dataset = None
    try:
        for episode in episodes:
            for name, x in episode.features.items():
                if len(x) != len(episode):
                    raise InputError(f"an episode of {len(episode)} frames has {len(x)} of '{name}': leave it out")
            if dataset is None:
                features = _describe(episode, names, video)
                dataset = LeRobotDataset.create(
                    f"local/{folder.name}",
                    fps=fps,
                    features=features,
                    root=folder,
                    robot_type=robot_type,
                    use_videos=any(feature["dtype"] == "video" for feature in features.values()),
                    video_backend="pyav",
                )
            for t in range(len(episode)):
                task = episode.task if isinstance(episode.task, str) else episode.task[t]
                dataset.add_frame({**{name: x[t] for name, x in episode.features.items()}, "task": task})
            with _without_embedding_images(dataset.meta.camera_keys), scheduling_kept():
                dataset.save_episode()
    finally:  # after an error, too: else it is done when the dataset is collected, and makes the folder anew
        if dataset is not None:
            dataset.finalize()
    return 0 if dataset is None else dataset.meta.total_frames


def _describe(episode: Episode, names: Mapping[str, Sequence[str]], video: bool | Mapping[str, bool]) -> dict[str, Any]:
    """Return LeRobot's feature table for episodes like this one."""
    features: dict[str, Any] = {}
    for name in sorted(episode.features, key=lambda name: name != ACTION):  # that one first, the others as they are
        values = episode.features[name]
        if values.dtype == np.uint8:
            is_video = video if isinstance(video, bool) else video[name]
            if is_video and min(values.shape[1:3]) < SMALLEST_VIDEO:
                raise InputError(
                    f"'{name}' is {values.shape[1]} x {values.shape[2]} pixels, too small for a video: give at least "
                    f"image_size={SMALLEST_VIDEO}, or video=false"
                )
            pictures = "video" if is_video else "image"
            features[name] = {"dtype": pictures, "shape": values.shape[1:], "names": ["height", "width", "channels"]}
        else:
            features[name] = {"dtype": "float32", "shape": values.shape[1:], "names": list(names[name])}
    return features


@contextlib.contextmanager
def _without_embedding_images(cameras: Sequence[str]) -> Iterator[None]:
    """Skip LeRobot's pass over images for data that have none: it costs 0.3 s an episode, ten times all the rest."""
    from lerobot.datasets import dataset_writer

    original = dataset_writer.embed_images
    if not cameras:
        dataset_writer.embed_images = lambda dataset: dataset
    try:
        yield
    finally:
        dataset_writer.embed_images = original
