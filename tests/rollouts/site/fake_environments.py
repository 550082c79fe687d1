"""An environment of no physics that can be told how to break; spawned workers import it by its entry point."""

import os
import time

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import register

register(id="fake/Walk-v0", entry_point="fake_environments:Walk")

_AXES = [{"name": name, "kind": "ee_position", "unit": "m", "low": -1.0, "high": 1.0} for name in ("x", "y")]


class Walk(gym.Env):
    """A point walks from where the seed puts it; it succeeds while it is right of `goal`.

    Args:
        faults: Seed -> (step, what happens there): raise, die, hang, simulation_error, end.
        goal: Where success begins.
        fails_to_build: Raise in the constructor.
        tells: Give rewards, and tell of numbers, of what is none, and once of NaN.
        diary: A file that gets a line when it is built, and one when it is closed.
        fails_to_close: Raise at that.
    """

    metadata = {
        "render_modes": ["rgb_array"],
        "render_fps": 32,
        "action_spec": {"dimensions": _AXES, "control_mode": "delta", "rate_hz": 32.0, "source": "environment"},
        "observation_names": {"observation.state": ["x", "y"]},
    }
    action_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    observation_space = gym.spaces.Dict({"agent_pos": gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)})
    task, task_description, _max_episode_steps = "walk", "Walk to the right.", 20

    def __init__(
        self,
        faults=None,
        goal=5.0,
        fails_to_build=False,
        tells=False,
        diary=None,
        fails_to_close=False,
        render_mode=None,
    ):
        if fails_to_build:
            raise ValueError("no such walk")
        self.faults, self.goal, self.tells, self.render_mode = faults or {}, goal, tells, render_mode
        self.diary, self.fails_to_close = diary, fails_to_close
        self._write("built")

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seed, self.steps = seed, 0
        self.position = self.np_random.normal(size=2)
        return self._observation(), {"is_success": False}

    def step(self, action):
        self.steps += 1
        self.position = self.position + action
        step, fault = self.faults.get(self.seed, (0, ""))
        info = {"is_success": bool(self.position[0] > self.goal)}
        if self.steps == step:
            if fault == "raise":
                raise RuntimeError("the floor is gone")
            if fault == "die":
                os._exit(7)
            if fault == "hang":
                time.sleep(3600)
            if fault == "simulation_error":
                info["simulation_error"] = "the floor is lava"
        terminated = self.steps == step and fault == "end"
        if self.tells:
            rise = np.float32(min(self.steps, 6 - self.steps))  # to 3, and down again
            info |= {"height": np.nan if self.steps == 20 else rise, "steps": np.array(self.steps), "seen": np.bool_(1)}
            info |= {"place": self.position, "name": "walk", "one": np.ones(1), "flag": True, "none": None}
        return self._observation(), 0.25 * self.tells, terminated, self.steps >= self._max_episode_steps, info

    def close(self):
        self._write("closed")
        if self.fails_to_close:
            raise RuntimeError("the door is stuck")

    def _write(self, line):
        if self.diary:
            with open(self.diary, "a") as file:  # noqa: PTH123
                file.write(f"{line}\n")

    def expert_action(self):
        return np.array([0.5, 0.0], np.float32)

    def render(self):
        return np.full((16, 16, 3), self.steps, np.uint8)

    def _observation(self):
        return {"agent_pos": self.position.astype(np.float32)}
