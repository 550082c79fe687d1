"""Recordings as others make them: any names, units, dtypes and robots, written with LeRobot alone."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dist2_robot.data.folder import INFO_FILE

JOINTS = tuple(f"{joint}.pos" for joint in ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll"))
NAMES = (*JOINTS, "gripper.pos")


def swings(amplitudes: Sequence[float], frames: int = 60, seed: int = 0) -> np.ndarray:
    """Return smooth numbers (frames, A) that reach plus and minus their amplitudes exactly."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6, len(amplitudes))
    x = np.sin(np.linspace(0, 9, frames)[:, None] + phase)
    x = 2 * (x - x.min(0)) / np.ptp(x, axis=0) - 1
    return (x * np.asarray(amplitudes)).astype(np.float32)


def write_strange(
    root: Path,
    features: Mapping[str, np.ndarray],
    *,
    names: Mapping[str, Sequence[str]] | None = None,
    robot_type: str | None = "so101_follower",
    fps: int = 30,
    episodes: int = 3,
) -> Path:
    """Write columns (N, ...) as a dataset of episodes of equal length; names of numbers where they are given."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    described = {
        key: {"dtype": str(x.dtype), "shape": x.shape[1:] or (1,), "names": list((names or {}).get(key, [])) or None}
        for key, x in features.items()
    }
    dataset = LeRobotDataset.create(
        "someone/strange", fps=fps, features=described, root=root, robot_type=robot_type, use_videos=False
    )
    for rows in np.array_split(np.arange(len(features["action"])), episodes):
        for row in rows:
            frame = {key: np.asarray(x[row]).reshape(x.shape[1:] or (1,)) for key, x in features.items()}
            dataset.add_frame({**frame, "task": "Wave."})
        dataset.save_episode()
    dataset.finalize()
    return root


def write_arm(root: Path, actions: np.ndarray, names: Sequence[str] = NAMES, **options: Any) -> Path:
    """Write an arm whose state is where it was sent the frame before."""
    states = np.concatenate([actions[:1], actions[:-1]])
    told = {"action": names, "observation.state": names}
    return write_strange(root, {"observation.state": states, "action": actions}, names=told, **options)


def edit_info(root: Path, feature: str, **entries: Any) -> Path:
    """Change what info.json tells of a feature."""
    info = json.loads((root / INFO_FILE).read_text())
    info["features"][feature].update(entries)
    (root / INFO_FILE).write_text(json.dumps(info))
    return root
