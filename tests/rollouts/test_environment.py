import subprocess
import sys

import numpy as np
import pytest

from dist2_robot.errors import InputError
from dist2_robot.rollouts.environment import EnvironmentSpec, action_spec, make_environment, to_features


def test_an_environment_of_an_installed_package_is_found(walk):
    env = make_environment(walk(goal=1.0))
    assert action_spec(env).names == ("x", "y")
    assert action_spec(env).rate_hz == 32


@pytest.mark.fault("S2")
@pytest.mark.parametrize(
    "environment_id", ["os:system", "fake_environments:fake/Walk-v0", "fake/os:Walk-v0", "Walk-v0"]
)
def test_an_id_that_could_import_something_is_refused(walk, monkeypatch, environment_id):
    monkeypatch.delitem(sys.modules, "fake_environments", raising=False)
    with pytest.raises(InputError, match="without a colon"):
        make_environment(EnvironmentSpec(environment_id))
    assert "fake_environments" not in sys.modules


def test_wrong_names_are_answered_with_the_nearest(walk):
    with pytest.raises(InputError, match="Did you mean 'fake/Walk-v0'"):
        make_environment(EnvironmentSpec("fake/Wallk-v0"))
    with pytest.raises(InputError, match="Did you mean 'fake'"):
        make_environment(EnvironmentSpec("fakes/Walk-v0"))


def test_features_have_lerobots_names_and_types():
    image = np.zeros((4, 4, 3), np.uint8)
    observation = {"agent_pos": np.ones(2), "environment_state": np.ones(3), "pixels": {"top": image}}
    features = to_features(observation)
    assert {name: (value.shape, value.dtype.name) for name, value in features.items()} == {
        "observation.state": ((2,), "float32"),
        "observation.environment_state": ((3,), "float32"),
        "observation.images.top": ((4, 4, 3), "uint8"),
    }


def test_workers_start_without_torch():
    code = (
        "import sys, dist2_robot.rollouts.runner, dist2_robot.demonstrations.collect;"
        "sys.exit('torch' in sys.modules or 'lerobot' in sys.modules or 'mujoco' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
