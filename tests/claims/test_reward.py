"""The measures of the claim on reward models, and that its methods meet the same moments."""

import math
from pathlib import Path

import torch
import yaml

from dist2_robot.claims.learn_to_rate import learn_to_rate, preference_accuracy
from dist2_robot.claims.rated_moments import rated_task
from dist2_robot.claims.reward import MEASURES, METHODS, claim_reward
from dist2_robot.config_dir import config_dir

CONFIG = yaml.safe_load((config_dir() / "study" / "claim_reward.yaml").read_text())
SMALL = {**CONFIG, "tasks": ["PointAround"], "episodes": 4, "held_out": 50, "pairs": 100, "steps": 3}


def test_a_pair_counts_one_half_or_nothing():
    truth, one, two = torch.tensor([0.0, 5.0, 20.0]), torch.tensor([0, 1, 0]), torch.tensor([1, 2, 2])
    assert preference_accuracy(truth, truth, one, two) == 1
    assert preference_accuracy(-truth, truth, one, two) == 0
    assert preference_accuracy(torch.zeros(3), truth, one, two) == 0.5
    assert math.isclose(preference_accuracy(torch.tensor([1.0, 0.0, 2.0]), truth, one, two), 2 / 3)


def test_episodes_are_the_same_from_the_file_and_differ_by_seed(tmp_path: Path):
    first, again, other = (rated_task("PointAround", 4, seed, tmp_path) for seed in (0, 0, 1))
    assert first.table.episodes == 4
    for name, column in first.table.features.items():
        assert torch.equal(column, again.table.features[name])
    assert not torch.equal(first.table.features["action"][:10], other.table.features["action"][:10]) or not torch.equal(
        first.table.features["observation.state"][:10], other.table.features["observation.state"][:10]
    )


def test_a_trial_measures_all_and_the_same_again(tmp_path: Path):
    for name in ("cross_entropy", "mse"):
        found, again = (learn_to_rate({**SMALL, "loss": METHODS[name]}, 20, 0, tmp_path) for _ in range(2))
        assert found == again
        names = {measure.name for measure in MEASURES} - ({"calibration"} if name == "mse" else set())
        assert names <= set(found)
        assert all(math.isfinite(found[measure]) for measure in names - {"rank_correlation"})


def test_the_core_comes_first_and_random_metrics_differ_by_seed():
    claim = claim_reward(**{key: value for key, value in CONFIG.items() if key not in ("name", "kind")})
    parts = [trial.part for trial in claim.trials]
    assert parts == sorted(parts, key=lambda part: part != "core")
    seeds = {trial.settings["loss"]["distance"]["seed"] for trial in claim.trials if trial.method == "random"}
    assert seeds == set(CONFIG["seeds"])
