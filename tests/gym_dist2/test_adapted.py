"""Other people's environments through a mapping."""

import re
import sys

import gym_dist2  # noqa: F401  registers the id
import gymnasium as gym
import numpy as np
import pytest
from gym_dist2.adapted import PACKAGES, how_to_install


class Counter(gym.Env):
    """Counts up to three; its observation is nested."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}

    def __init__(self, render_mode=None, start=0, is_broken=False):
        self.start, self.render_mode, self.is_broken = start, render_mode, is_broken
        self.action_space = gym.spaces.Box(np.array([-1.0, 0.0]), np.array([1.0, 2.0]), dtype=np.float64)
        self.observation_space = gym.spaces.Dict({})

    def _see(self):
        count = np.nan if self.is_broken and self.count else self.count
        image = np.full((4, 6, 3), self.count, np.uint8)
        return {"robot": {"b": np.array([count, 1.0]), "a": 7.0}, "goal": np.array([3.0]), "views": {"top": image}}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = self.start + int(self.np_random.integers(1))
        return self._see(), {}

    def step(self, action):
        self.count += 1
        told = {"done": self.count == 3, "height": self.count / 2, "is_success": False}
        return self._see(), float(self.count), self.count > 4, False, told

    def render(self):
        return np.zeros((8, 8, 3), np.uint8)


@pytest.fixture(autouse=True)
def counter():
    gym.register(id="Counter-v0", entry_point=Counter)
    yield
    del gym.registry["Counter-v0"]


MAPPING = {"state": ["robot.b", "robot.a"], "environment_state": "goal", "pixels": {"top": "views.top"}}


def make(env_id="Counter-v0", **arguments):
    return gym.make("gym_dist2/Adapted-v0", env_id=env_id, disable_env_checker=True, **arguments).unwrapped


def test_numbers_and_pictures_are_found_along_their_paths():
    env = make(observation=MAPPING, success="done", options={"start": 1})
    observation, info = env.reset(seed=0)
    np.testing.assert_array_equal(observation["agent_pos"], [1, 1, 7])
    np.testing.assert_array_equal(observation["environment_state"], [3])
    assert observation["pixels"]["top"].shape == (4, 6, 3)
    assert not info["is_success"]
    assert env.observation_space.contains(observation)
    assert env.metadata["observation_names"] == {
        "observation.state": ["state_0", "state_1", "state_2"],
        "observation.environment_state": ["environment_state_0"],
    }
    told = [env.step(np.zeros(2))[4] for _ in range(3)]
    assert [info["is_success"] for info in told] == [False, True, False]
    assert [info["height"] for info in told] == [1.0, 1.5, 2.0]  # what it measures is not lost


def test_a_path_to_a_dictionary_takes_all_its_numbers():
    env = make(observation={"state": "robot"})
    np.testing.assert_array_equal(env.reset(seed=0)[0]["agent_pos"], [0, 1, 7])


def test_success_may_be_an_end_or_a_reward():
    for success, expected in (("terminated", [False] * 4 + [True]), (2.0, [False] + [True] * 4)):
        env = make(observation=MAPPING, success=success)
        env.reset(seed=0)
        assert [env.step(np.zeros(2))[4]["is_success"] for _ in range(5)] == expected


def test_the_action_spec_comes_from_the_space_or_from_the_mapping():
    spec = make(observation=MAPPING).metadata["action_spec"]
    assert [(d["low"], d["high"]) for d in spec["dimensions"]] == [(-1, 1), (0, 2)]
    assert spec["rate_hz"] == 5
    named = [{"name": n, "kind": "ee_position", "unit": "m", "low": -1.0, "high": 1.0} for n in ("x", "y")]
    spec = make(observation=MAPPING, action={"dimensions": named, "control_mode": "delta"}, rate_hz=20)
    assert spec.metadata["action_spec"]["dimensions"] == named
    assert spec.metadata["action_spec"]["control_mode"] == "delta"
    assert spec.metadata["render_fps"] == 20


def test_what_is_not_finite_is_an_error():
    env = make(observation=MAPPING, success="done", options={"is_broken": True})
    env.reset(seed=0)
    *_, truncated, info = env.step(np.zeros(2))
    assert truncated
    assert "not finite" in info["simulation_error"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "which part of an observation is the state.*robot, goal, views"),
        ({"observation": {"state": "robot.c"}}, "no 'robot.c'.*b, a"),
        ({"observation": {**MAPPING, "depth": "goal"}}, "not depth"),
        ({"observation": {**MAPPING, "names": {"state": ["x"]}}}, "1 names for 3 numbers"),
        ({"observation": MAPPING, "action": {"dimensions": [{}]}}, "1 entries, an action 2"),
        ({"env_id": "os:system", "observation": MAPPING}, "without a colon"),
        ({"env_id": "CartPole-v1"}, "actions must be vectors"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_a_missing_key_of_info_is_named():
    env = make(observation=MAPPING, success="won")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="info has no 'won', only done"):
        env.step(np.zeros(2))


def test_an_environment_of_gymnasium_works_as_it_is():
    env = make("Pendulum-v1", success=-0.01)
    observation, _ = env.reset(seed=3)
    assert observation["agent_pos"].shape == (3,)
    np.testing.assert_array_equal(env.reset(seed=3)[0]["agent_pos"], observation["agent_pos"])


def test_a_public_so101_environment_works():
    pytest.importorskip("lerobot_env_so101")
    env = make("lerobot_env_so101/SO101PickCube-v0", success="succeed", options={"random_block_position": True})
    observation, _ = env.reset(seed=3)
    assert observation["agent_pos"].shape == (14,)
    assert observation["environment_state"].shape == (3,)
    env.step(np.zeros(4))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_missing_package_is_named_with_the_way_to_install_it(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=re.escape(how_to_install(package))):
        make(f"{package}/Some-v0")


def test_on_a_python_without_aloha_the_one_that_has_it_is_named():
    assert how_to_install("gym_aloha", (3, 12)).endswith("run: pip install 'dist2-robot[aloha]'")
    assert how_to_install("gym_aloha", (3, 13)).startswith(
        "env=aloha needs Python 3.12 (gym-aloha's labmaze has no build"
    )
    assert how_to_install("gym_pusht", (3, 13)).endswith("run: pip install 'dist2-robot[pusht]'")
