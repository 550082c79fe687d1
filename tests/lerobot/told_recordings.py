"""Recordings of an SO-101 that LeRobot wrote, in degrees or in percent, whose units somebody told."""

import json
from pathlib import Path

import numpy as np
import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset

from dist2_robot.actions.guess import guess_dimensions
from dist2_robot.actions.spec import ActionSpec
from dist2_robot.data.folder import DIST2_FILE, open_folder
from dist2_robot.data.recorded_spec import recorded_spec
from dist2_robot.data.table import read_table
from dist2_robot.deploy.inference import PolicyCard
from dist2_robot.types import ACTION, STATE
from tests.deploy.rigs import card_of
from tests.lerobot.servos import RANGES

RATE_HZ = 30
NAMES = [f"{joint}.pos" for joint in RANGES]
GOAL = np.array([10.0, -30.0, 30.0, 70.0, 54.7, 60.0])  # where the demonstrations end, in whatever unit
WIDE = np.array([90.0, 90.0, 90.0, 90.0, 90.0, 50.0])  # how far they go to either side of the goal or of the middle


def units_of(joints: str) -> tuple[str, ...]:
    """Return the units of all six, of which the gripper is always told in percent, if it is told."""
    return (*[joints] * 5, "?" if joints == "?" else "%")


def write_told(root: Path, joints: str, spread: np.ndarray | None = None) -> Path:
    """Write demonstrations that end at `GOAL`, and what the units of their actions are.

    Args:
        root: The folder to make.
        joints: Unit of the joints: deg, % or ?.
        spread: How far the demonstrations go to either side of the goal; None for the whole range.
    """
    vector = {"dtype": "float32", "shape": (6,), "names": NAMES}
    dataset = LeRobotDataset.create(
        "someone/their_arm",
        fps=RATE_HZ,
        features={STATE: vector, ACTION: vector},
        root=root,
        robot_type="so101_follower",
        use_videos=False,
    )
    middle = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 50.0])
    ends = (middle - WIDE, middle + WIDE) if spread is None else (GOAL - spread, GOAL + spread)
    for _ in range(2):
        for at in (*ends, *[GOAL] * 8):
            dataset.add_frame({STATE: at.astype(np.float32), ACTION: at.astype(np.float32), "task": "Point."})
        dataset.save_episode()
    dataset.finalize()
    actions = read_table(open_folder(root)).features[ACTION].numpy()
    spec = ActionSpec(guess_dimensions(actions, NAMES, units_of(joints)), "absolute", RATE_HZ, "robot")
    (root / DIST2_FILE).write_text(json.dumps({"action_spec": spec.to_dict()}))
    return root


def card_of_recording(root: Path, state: str) -> PolicyCard:
    """Return the card of a policy that learned from a recording, whose states are in that unit."""
    folder = open_folder(root)
    spec = recorded_spec(folder, torch.as_tensor(read_table(folder).features[ACTION]))
    return card_of(spec, tasks=("Point.",), observation_units={STATE: list(units_of(state))})
