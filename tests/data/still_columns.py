"""A stranger's recording of an arm with a hand: of its six actions two never move, one of them the gripper."""

from pathlib import Path

import numpy as np

NAMES = ("pan.pos", "thumb.pos", "lift.pos", "elbow.pos", "gripper.pos", "wrist.pos")
MOVING, STANDS = [0, 2, 3, 5], [1, 4]
SENT = np.array([0.1, 41.3], np.float32)


def write_still_columns(root: Path, *, moves: bool = True) -> Path:
    """Write four episodes with LeRobot alone; with ``moves=False`` no action moves."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    vector = {"dtype": "float32", "shape": (6,), "names": list(NAMES)}
    features = {"observation.state": vector, "action": vector}
    dataset = LeRobotDataset.create("someone/hand", fps=20, features=features, root=root, use_videos=False)
    rng = np.random.default_rng(3)
    for _ in range(4):
        positions = np.sin(np.linspace(0, 3, 12)[:, None] + rng.uniform(0, 6, 6)).astype(np.float32)
        actions = np.zeros_like(positions) if not moves else positions[1:].copy()
        if moves:
            actions[:, STANDS] = SENT
        for t in range(11):
            dataset.add_frame({"observation.state": positions[t], "action": actions[t], "task": "Wave."})
        dataset.save_episode()
    dataset.finalize()
    return root
