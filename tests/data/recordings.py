"""Small recordings: one as our recorder writes it, one as a stranger's teleoperation with LeRobot would."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dist2_robot.actions.rating import RATING, rating_spec, to_rating
from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.data.episode import Episode
from dist2_robot.data.writer import write_dataset

LENGTHS = (12, 9, 15, 11, 14, 10, 13, 12)  # frames of the episodes, 96 in all
STARTS = tuple(int(start) for start in np.cumsum((0, *LENGTHS[:-1])))
TASK = "Reach the goal and close the gripper."
SPEC = ActionSpec(
    (
        ActionDimension("x", "ee_position", "cm", -1.0, 1.0, tolerance=0.05),
        ActionDimension("gripper", "gripper", "%", 0.0, 100.0),
    ),
    control_mode="delta",
    rate_hz=20.0,
    source="environment",
)
NAMES = {"observation.state": ["x", "v", "gripper"], "observation.environment_state": ["goal"]}
CAMERA = "observation.images.front"
JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
DATA_FILE = Path("data/chunk-000/file-000.parquet")


def reach_episodes(seed: int = 0) -> list[Episode]:
    """Return episodes in which the action is a smooth function of what is seen, so that it can be learned."""
    rng = np.random.default_rng(seed)
    episodes = []
    for index, length in enumerate(LENGTHS):
        state = rng.uniform(-1, 1, (length, 3)).astype(np.float32)
        goal = np.full((length, 1), rng.uniform(-0.5, 0.5), np.float32)
        action = np.stack([0.6 * (goal[:, 0] - state[:, 0]), 100.0 * (state[:, 2] > 0)], axis=1).astype(np.float32)
        features = {"observation.state": state, "observation.environment_state": goal, "action": action}
        episodes.append(Episode(features, TASK, seed=100 + index))
    return episodes


def write_reach(root: Path, seed: int = 0) -> Path:
    """Write the episodes with our recorder."""
    recording = {"environment": None, "task": TASK, "seed": seed}
    write_dataset(root, reach_episodes(seed), SPEC, observation_names=NAMES, robot_type="reacher", recording=recording)
    return root


def write_rated(root: Path, seed: int = 0) -> Path:
    """Write the same episodes with a rating of each moment, which grows with the first number that is seen."""
    episodes = []
    for episode in reach_episodes(seed):
        share = (episode.features["observation.state"][:, 0] + 1) / 2
        ratings = np.stack([to_rating({"reached": x, "closed": x * x}) for x in share])
        episodes.append(Episode({**episode.features, RATING: ratings}, episode.task, episode.seed))
    spec = rating_spec(["reached", "closed"], SPEC.rate_hz)
    recording = {"environment": None, "task": TASK, "seed": seed, f"{RATING}_spec": spec.to_dict()}
    names = {**NAMES, RATING: list(spec.names)}
    write_dataset(root, episodes, SPEC, observation_names=names, robot_type="reacher", recording=recording)
    return root


def write_filmed(root: Path, task: str = TASK, seed: int = 0, *, video: bool = False, size: int = 64) -> Path:
    """Write the same episodes with a camera that sees a bright square where the state says."""
    episodes = []
    for episode in reach_episodes(seed)[:4]:
        pictures = np.zeros((len(episode), size, size, 3), np.uint8)
        for t, state in enumerate(episode.features["observation.state"]):
            row, column = ((state[:2] + 1) / 2 * (size - 7)).astype(int)
            pictures[t, row : row + 6, column : column + 6] = (200, 40 * (t % 5), 90)
        episodes.append(Episode({**episode.features, CAMERA: pictures}, task, episode.seed))
    recording = {"environment": None, "task": task, "seed": seed}
    settings = {"observation_names": NAMES, "robot_type": "reacher", "recording": recording}
    write_dataset(root, episodes, SPEC, **settings, video=video)
    return root


def write_teleoperated(root: Path) -> Path:
    """Write six joints of an SO-101 arm, in degrees, with LeRobot alone."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    names = [f"{joint}.pos" for joint in JOINTS]
    vector = {"dtype": "float32", "shape": (6,), "names": names}
    dataset = LeRobotDataset.create(
        "someone/their_arm",
        fps=30,
        features={"observation.state": vector, "action": vector},
        root=root,
        robot_type="so101_follower",
        use_videos=False,
    )
    rng = np.random.default_rng(7)
    for _ in range(4):
        centre = np.array([0, -40, 60, 20, 0, 50])
        swing = np.array([60, 50, 40, 30, 90, 45]) * np.sin(np.linspace(0, 3, 12) + rng.uniform(0, 6))[:, None]
        positions = (centre + swing).astype(np.float32)
        for t in range(11):
            frame = {"observation.state": positions[t], "action": positions[t + 1], "task": "Wave."}
            dataset.add_frame(frame)
        dataset.save_episode()
    dataset.finalize()
    return root


def edit(root: Path, change: Callable[[pa.Table], pa.Table]) -> Path:
    """Rewrite the data file of a dataset, and return its path."""
    path = root / DATA_FILE
    pq.write_table(change(pq.read_table(path)), path)
    return path


def replace_column(table: pa.Table, name: str, values: list) -> pa.Table:
    """Return the table with other values in a column."""
    number = table.schema.get_field_index(name)
    return table.set_column(number, table.schema.field(number), pa.array(values, table.schema.field(number).type))


@pytest.fixture(scope="session")
def reach(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of our recorder, to be read only."""
    return write_reach(tmp_path_factory.mktemp("recordings") / "reach")


@pytest.fixture(scope="session")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset of `reach` with ratings, to be read only."""
    return write_rated(tmp_path_factory.mktemp("recordings") / "rated")


@pytest.fixture(scope="session")
def teleoperated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset without anything of ours, to be read only."""
    return write_teleoperated(tmp_path_factory.mktemp("recordings") / "their_arm")
