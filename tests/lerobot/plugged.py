"""LeRobot's view of small recordings and small policies of ours."""

from pathlib import Path
from typing import Any

from lerobot.datasets.lerobot_dataset import LeRobotDataset, LeRobotDatasetMetadata
from lerobot.policies import make_policy
from torch.utils.data import default_collate

from dist2_robot.lerobot.configuration_dist2 import Dist2Config
from dist2_robot.lerobot.modeling_dist2 import Dist2Policy

SMALL = {"device": "cpu", "push_to_hub": False, "width": 16, "attention_heads": 2, "depth": 1, "chunk_size": 4}


def fresh(root: Path, **choices: Any) -> Dist2Policy:
    """Make a new policy for a dataset, as lerobot-train does."""
    config = Dist2Config(**{**SMALL, **choices})
    policy = make_policy(config, ds_meta=LeRobotDatasetMetadata("local/data", root=root))
    assert isinstance(policy, Dist2Policy)
    return policy


def rows(root: Path, count: int = 3, history: int = 1, chunk: int = 4) -> dict[str, Any]:
    """Return a batch as LeRobot's own dataset gives it."""
    rate_hz = LeRobotDatasetMetadata("local/data", root=root).fps
    seen = {"observation.state": [i / rate_hz for i in range(1 - history, 1)]} if history > 1 else {}
    deltas = {"action": [i / rate_hz for i in range(chunk)], **seen}
    data = LeRobotDataset("local/data", root=root, delta_timestamps=deltas, video_backend="pyav")
    return default_collate([data[i] for i in range(count)])
