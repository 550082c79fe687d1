"""dist2-sweep: the same initial states, one thing changed."""

import json

import pytest

from tests.cli.small import SMALL

TRAINING = [option for option in SMALL if option != "env=none"]


@pytest.fixture
def run(command, tmp_path):
    """Return a run folder on PointAround."""
    data, output = tmp_path / "data", tmp_path / "run"
    assert command("dist2-collect", "env=point_around", "episodes=3", f"dataset.root={data}", "workers=1").code == 0
    assert command("dist2-train", f"dataset.root={data}", f"output={output}", *TRAINING).code == 0
    return output


FEW = ("episodes=2", "max_steps=6", "workers=0", "batch_size=2", "n_action_steps=2")


def test_success_against_executed_actions(command, run):
    outcome = command("dist2-sweep", f"runs=[{run}]", "over=n_action_steps", "values=[1,3]", *FEW)
    assert outcome.code == 0
    assert "n_action_steps=1" in outcome.out
    rows = json.loads((run / "sweep/sweep.json").read_text())["rows"]
    assert [row["n_action_steps"] for row in rows] == [1, 3]
    first, second = ([episode["seed"] for episode in row["per_episode"]] for row in rows)
    assert first == second
    assert (run / "sweep/sweep.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ("n_action_step", "Did you mean 'n_action_steps'?"),
        ("[delay]", "perturb"),  # an environment that cannot be perturbed says so
    ],
)
def test_what_cannot_be_swept_is_refused(command, run, over, message):
    outcome = command("dist2-sweep", f"runs=[{run}]", f"over={over}", "values=[1]", *FEW)
    assert outcome.code == 2
    assert message in outcome.err
