"""A policy that is told what to do does it, where nothing but the words tells."""

import json

import numpy as np
import pytest

from dist2_robot.data.episode import Episode
from dist2_robot.data.writer import write_dataset
from tests.cli.small import SMALL
from tests.data.recordings import NAMES, SPEC, reach_episodes


@pytest.fixture
def opposites(tmp_path):
    """Two datasets of the same observations: in the second one the hand goes the other way."""
    roots = []
    for task, sign in (("Go to the goal.", 1), ("Keep away from the goal.", -1)):
        episodes = [
            Episode({**e.features, "action": e.features["action"] * np.float32([sign, 1])}, task, e.seed)
            for e in reach_episodes()
        ]
        root, recording = tmp_path / str(sign), {"environment": None, "task": task, "seed": 0}
        write_dataset(root, episodes, SPEC, observation_names=NAMES, robot_type="reacher", recording=recording)
        roots.append(root)
    return f"dataset.root=[{','.join(map(str, roots))}]"


@pytest.mark.slow
@pytest.mark.parametrize("instruction", ["words", "embedding"])
def test_the_same_scene_and_other_words_give_another_action(command, opposites, tmp_path, instruction):
    options = [
        *SMALL,
        "trainer.batch_size=16",
        "policy.horizon=1",
        "policy.width=32",
        "trainer.steps=900",
        "trainer.learning_rate=0.005",
    ]
    errors = {}
    for told in (instruction, "none"):
        run = tmp_path / told
        assert command("dist2-train", opposites, f"instruction={told}", f"output={run}", *options).code == 0
        lines = (run / "metrics.jsonl").read_text().splitlines()
        errors[told] = json.loads(lines[-1])["action_error"]["x"]
    assert errors[instruction] < 0.5 * errors["none"]
