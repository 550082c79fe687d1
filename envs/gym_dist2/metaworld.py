"""Meta-World's fifty tabletop tasks with their full state and their scripted experts.

Meta-World is used with known goals, seeded resets and one task at a time. Its own `reset(seed)` ignores the seed, and
its resets depend on what was simulated before; here an initial state is a function of the seed alone.
"""

import difflib
import warnings
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from gym_dist2.metaworld_tasks import TASKS
from gym_dist2.pictures import Painter, import_mujoco, picture_size

# Meta-World lists hand (3), gripper (1) and two objects (7 each) now, then the same one step before, then the goal.
_HAND = ["hand_x", "hand_y", "hand_z", "gripper"]
_OBJECTS = [f"object_{i}_{part}" for i in (1, 2) for part in ("x", "y", "z", "quat_0", "quat_1", "quat_2", "quat_3")]
_PREVIOUS = [f"previous_{name}" for name in _HAND + _OBJECTS]
_GOAL = ["goal_x", "goal_y", "goal_z"]

VIDEO_CAMERA = "corner4"  # sees the whole workspace of every task from near by
FAULTS = ("mjWARN_BADQPOS", "mjWARN_BADQVEL", "mjWARN_BADQACC", "mjWARN_BADCTRL")

# The experts' gains are meant to saturate; Meta-World warns of it at nearly every step.
warnings.filterwarnings("ignore", "Constant.s. may be too high", UserWarning)


class MetaWorld(gym.Env):
    """One task of Meta-World, by name.

    Observation: ``agent_pos`` (4,), the hand's x, y, z in m and the gripper's opening in [0, 1]; ``environment_state``
    (35,), objects, everything one step before, and the goal; and with cameras ``pixels``, one image a camera.
    Action (4,): how far to move the hand's target along x, y and z, in cm a step, and the effort to shut the gripper.
    An episode is truncated after 500 steps, and at once when the simulation fails, which
    ``info["simulation_error"]`` tells in words.

    Args:
        task: Name of the task, such as ``push-v3``.
        cameras: Cameras whose images to observe: corner, corner2, corner3, corner4, topview, behindGripper, gripperPOV.
        image_size: Height and width of observed images: one number for squares, or both.
        render_mode: ``rgb_array`` to allow `render`.
        render_size: Height and width of what `render` returns.

    Raises:
        ValueError: No task or camera has that name.
        ImportError: Meta-World is not installed.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 80}  # noqa: RUF012 gymnasium's convention

    def __init__(
        self,
        task: str = "push-v3",
        cameras: Sequence[str] = (),
        image_size: int | Sequence[int] = 96,
        render_mode: str | None = None,
        render_size: int = 240,
    ) -> None:
        if task not in TASKS:
            near = difflib.get_close_matches(task, TASKS, n=3) or list(TASKS)
            raise ValueError(f"Meta-World has no task '{task}'; nearest: {', '.join(near)}")
        self._mujoco = import_mujoco(pictures=bool(cameras) or render_mode is not None)
        environments, experts = _import_metaworld()

        self.task, self.task_description = task, TASKS[task]
        self.cameras, self.image_size = tuple(cameras), image_size
        self.render_mode, self.render_size = render_mode, render_size

        self._env = environments[task]()
        self._env._partially_observable = False
        del self._env.sawyer_observation_space  # cached, and would clip the goal to zero
        self._env._freeze_rand_vec = False
        self._env.seeded_rand_vec = True
        self._env._set_task_called = True
        self._expert = experts[task]()
        self._max_episode_steps = self._env.max_path_length
        self._pristine = _owned_attributes(self._env)
        self._pristine_positions = {name: getattr(self._env.model, name).copy() for name in ("body_pos", "site_pos")}
        self._flat = np.zeros(39)  # Meta-World's own observation, which its experts read
        self._painter = Painter(self._mujoco, self._env.model)

        known = [self._env.model.camera(i).name for i in range(self._env.model.ncam)]
        for camera in self.cameras:
            if camera not in known:
                raise ValueError(f"Meta-World has no camera '{camera}', only {', '.join(known)}")
        self.metadata = {
            **type(self).metadata,
            "action_spec": _action_spec(rate_hz=1 / self._env.dt),
            "observation_names": {
                "observation.state": _HAND,
                "observation.environment_state": _OBJECTS + _PREVIOUS + _GOAL,
            },
            "observation_units": {
                "observation.state": [_unit(name) for name in _HAND],
                "observation.environment_state": [_unit(name) for name in _OBJECTS + _PREVIOUS + _GOAL],
            },
        }
        self.action_space = gym.spaces.Box(-1.0, 1.0, (4,), np.float32)
        spaces: dict[str, gym.Space] = {
            "agent_pos": gym.spaces.Box(-np.inf, np.inf, (4,), np.float32),
            "environment_state": gym.spaces.Box(-np.inf, np.inf, (35,), np.float32),
        }
        if self.cameras:
            image = gym.spaces.Box(0, 255, (*picture_size(image_size), 3), np.uint8)
            spaces["pixels"] = gym.spaces.Dict(dict.fromkeys(self.cameras, image))
        self.observation_space = gym.spaces.Dict(spaces)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        """Start the episode of a seed, or of a random one."""
        super().reset(seed=seed)
        self._rewind()
        self._env.seed(int(self.np_random.integers(2**31)) if seed is None else seed)
        self._flat, _ = self._env.reset()
        return self._observation(), {"is_success": False}

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        """Execute one action, (4,), clipped to [-1, 1]."""
        time_before = self._env.data.time
        try:
            self._flat, reward, _, truncated, info = self._env.step(np.asarray(action, np.float32))
        except ValueError:  # some tasks cannot compute a reward from NaN
            if self._simulation_error(time_before) is None:
                raise
        error = self._simulation_error(time_before)
        if error is not None:
            return self._observation(), 0.0, False, True, {"is_success": False, "simulation_error": error}
        return self._observation(), float(reward), False, bool(truncated), {"is_success": bool(info["success"])}

    def expert_action(self) -> np.ndarray:
        """Return what Meta-World's scripted expert does in the present state, (4,)."""
        return np.clip(self._expert.get_action(self._flat), -1, 1).astype(np.float32)

    def render(self) -> np.ndarray | None:
        """Return a picture for a video, (render_size, render_size, 3)."""
        return None if self.render_mode is None else self._picture(VIDEO_CAMERA, self.render_size)

    def close(self) -> None:
        """Free the drawing contexts."""
        self._painter.close()

    def _rewind(self) -> None:
        """Make Meta-World's environment as it was when it was new: its attributes, its model, its simulation."""
        attributes = vars(self._env)
        for name in attributes.keys() - self._pristine.keys() - _KEPT:
            del attributes[name]
        attributes.update(_copied(self._pristine))
        for name, positions in self._pristine_positions.items():  # tasks move their furniture by editing the model
            getattr(self._env.model, name)[:] = positions
        self._mujoco.mj_resetData(self._env.model, self._env.data)
        self._mujoco.mj_forward(self._env.model, self._env.data)

    def _simulation_error(self, time_before: float) -> str | None:
        # MuJoCo answers impossible states by going back to time 0, from where a task might even succeed.
        data = self._env.data
        for name in FAULTS:
            if data.warning[getattr(self._mujoco.mjtWarning, name)].number:
                return f"MuJoCo warned of {name} by {data.time:.2f} s"
        if not data.time > time_before:
            return f"the simulation went back from {time_before:.2f} s to {data.time:.2f} s"
        return None

    def _observation(self) -> dict[str, Any]:
        flat = self._flat.astype(np.float32)
        observation: dict[str, Any] = {"agent_pos": flat[:4], "environment_state": flat[4:]}
        if self.cameras:
            observation["pixels"] = {camera: self._picture(camera, self.image_size) for camera in self.cameras}
        return observation

    def _picture(self, camera: str, size: int | Sequence[int]) -> np.ndarray:
        image = self._painter.draw(self._env.data, camera, size)
        # Meta-World hung its corner cameras upside down.
        is_fixed = self._env.model.camera(camera).mode == self._mujoco.mjtCamLight.mjCAMLIGHT_FIXED
        up_z = self._env.data.camera(camera).xmat.reshape(3, 3)[2, 1]
        return image[::-1, ::-1].copy() if is_fixed and up_z < -0.1 else image


# What `_rewind` leaves to MuJoCo, to gymnasium and to Meta-World's `seed`.
_KEPT = {"model", "data", "mujoco_renderer", "observation_space", "action_space", "sawyer_observation_space"}


def _owned_attributes(env: Any) -> dict[str, Any]:
    """Return the attributes of Meta-World's environment that its resets and steps may change, copied."""
    return _copied({name: value for name, value in vars(env).items() if name not in _KEPT})


def _copied(attributes: dict[str, Any]) -> dict[str, Any]:
    # An array without memory of its own is a window into the simulation (`get_body_com`) and must stay one.
    return {
        name: value.copy() if isinstance(value, np.ndarray) and value.flags.owndata else value
        for name, value in attributes.items()
    }


def _import_metaworld() -> tuple[Any, Any]:
    """Return Meta-World's environments and experts, by task."""
    try:
        from metaworld import env_dict, policies
    except ModuleNotFoundError as error:
        raise ImportError("Meta-World is not installed; run: pip install 'dist2-robot[metaworld]'") from error
    return env_dict.ALL_V3_ENVIRONMENTS, policies.ENV_POLICY_MAP


def _unit(name: str) -> str:
    """Return the unit of an observed number: places are in m, the gripper's opening and quaternions have none."""
    return "1" if "quat" in name or "gripper" in name else "m"


def _action_spec(rate_hz: float) -> dict[str, Any]:
    hand = [{"name": name, "kind": "ee_position", "unit": "cm", "low": -1.0, "high": 1.0} for name in _HAND[:3]]
    gripper = {"name": "gripper", "kind": "gripper", "unit": "effort", "low": -1.0, "high": 1.0}
    return {"dimensions": [*hand, gripper], "control_mode": "delta", "rate_hz": rate_hz, "source": "environment"}
