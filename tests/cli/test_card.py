"""What the cards tell."""

import pytest

from dist2_robot.cli.card import card
from dist2_robot.errors import InputError
from dist2_robot.evaluation.summary import summarise
from dist2_robot.json_file import write_json
from tests.checkpoints.saved import save
from tests.data.recordings import TASK, write_reach

CONFIG = {"evaluation": None, "title": None, "licence": "mit", "overwrite": False}


def episodes(successes, count):
    outcomes = ["success"] * successes + ["failure"] * (count - successes)
    return [
        {"index": i, "seed": i, "outcome": outcome, "steps": 9, "success_step": 5, "success_at_end": True, "jerk": 0.0}
        for i, outcome in enumerate(outcomes)
    ]


def test_of_a_checkpoint(tmp_path):
    folder = save(tmp_path, 7)
    assert card({**CONFIG, "of": str(tmp_path)}) == 0
    text = (folder / "README.md").read_text()
    assert text.startswith("---\nlicense: mit\n")
    assert "| x | ee_position | cm | -1 | 1 | 0.05 |" in text
    assert "has not been measured" in text
    assert "| training steps | 7 |" in text


def test_with_results(tmp_path):
    folder = save(tmp_path, 7)
    write_json(tmp_path / "eval/results.json", summarise(episodes(15, 20)))
    write_json(
        tmp_path / "config.json", {"name": "run", "loss": {"name": "dist2", "tau": {"name": "fixed", "tau": 2.0}}}
    )
    card({**CONFIG, "of": str(tmp_path)})
    text = (folder / "README.md").read_text()
    assert "**Success: 75%**, 95 % interval from 53% to 89%, 20 episodes." in text
    assert "| loss | dist2(tau=fixed(tau=2.0)) |" in text


def test_of_a_dataset(tmp_path):
    root = write_reach(tmp_path / "reach")
    card({**CONFIG, "of": str(root)})
    text = (root / "README.md").read_text()
    assert "8 episodes, 96 frames at 20 Hz of reacher" in text
    assert f"- {TASK}" in text
    assert "| observation.state | float32 [3] | x, v, gripper |" in text


def test_it_is_not_written_over(tmp_path):
    root = write_reach(tmp_path / "reach")
    (root / "README.md").write_text("mine")
    with pytest.raises(InputError, match="overwrite=true"):
        card({**CONFIG, "of": str(root)})
    card({**CONFIG, "of": str(root), "overwrite": True})
