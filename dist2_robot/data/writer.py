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
from dist2_robot.data.folder import DIST2_FILE
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
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    if root.exists():
        raise InputError(f"dataset folder '{root}' exists: name another dataset.root, or pass overwrite=true")
    root.parent.mkdir(parents=True, exist_ok=True)
    unfinished = root.with_name(f".{root.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)

    dataset, seeds = None, []
    for episode in episodes:
        if dataset is None:
            features = _describe(episode, spec, observation_names, "video" if video else "image")
            # LeRobot stores whole frames a second; the exact rate is in the action spec.
            dataset = LeRobotDataset.create(
                f"local/{root.name}",
                fps=round(spec.rate_hz),
                features=features,
                root=unfinished,
                robot_type=robot_type,
                use_videos=video,
                video_backend="pyav",
            )
        for t in range(len(episode)):
            dataset.add_frame({**{name: x[t] for name, x in episode.features.items()}, "task": episode.task})
        with _without_embedding_images(dataset.meta.camera_keys):
            dataset.save_episode()
        seeds.append(episode.seed)
    if dataset is None:
        raise InputError(f"there is no episode to write to '{root}'")
    dataset.finalize()
    content = {"action_spec": spec.to_dict(), **recording, "episode_seeds": seeds}
    (unfinished / DIST2_FILE).write_text(json.dumps(content, indent=1))
    unfinished.replace(root)
    return dataset.meta.total_frames


def _describe(
    episode: Episode, spec: ActionSpec, observation_names: Mapping[str, Sequence[str]], pictures: str
) -> dict[str, Any]:
    """Return LeRobot's feature table for episodes like this one."""
    features: dict[str, Any] = {
        ACTION: {"dtype": "float32", "shape": (len(spec),), "names": list(spec.names)},
    }
    for name, values in episode.features.items():
        if name == ACTION:
            continue
        if values.dtype == np.uint8:
            if pictures == "video" and min(values.shape[1:3]) < SMALLEST_VIDEO:
                raise InputError(
                    f"'{name}' is {values.shape[1]} x {values.shape[2]} pixels, too small for a video: give at least "
                    f"image_size={SMALLEST_VIDEO}, or video=false"
                )
            features[name] = {"dtype": pictures, "shape": values.shape[1:], "names": ["height", "width", "channels"]}
        else:
            features[name] = {"dtype": "float32", "shape": values.shape[1:], "names": list(observation_names[name])}
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
