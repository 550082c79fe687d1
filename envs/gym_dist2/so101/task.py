"""A table with an SO-101 arm and things on it: what all its tasks share.

Positions are in m from where the arm is bolted to the table: x ahead of it, y to its left, z up.
"""

import copy
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Literal, get_args

import gymnasium as gym
import numpy as np

from gym_dist2.pictures import Painter, import_mujoco, picture_size
from gym_dist2.so101.arm import (
    HIGH,
    JOINTS,
    LOW,
    THING_TOUCH,
    Visuals,
    from_percent,
    load_arm,
    to_angles_rad,
    to_percent,
    to_positions,
)
from gym_dist2.so101.kinematics import HandKinematics
from gym_dist2.so101.perturbations import Perturbations

RATE_HZ = 20
TIMESTEP_S = 0.0025
_PHYSICS_STEPS = round(1 / (RATE_HZ * TIMESTEP_S))  # of one step
HOME = np.array([0.0, -40.0, 40.0, 80.0, 0.0, 50.0])  # positions at the start of an episode
HOME_SPREAD = np.array([3.0, 3.0, 3.0, 3.0, 3.0, 0.0])  # half widths
HAND_STEP = np.array([0.03, 0.03, 0.03, 0.15, 0.15])  # farthest that an action may ask the hand to go: m, rad
EXPERT_STEP = np.array([0.012, 0.012, 0.012, 0.08, 0.08])
FAULTS = ("mjWARN_BADQPOS", "mjWARN_BADQVEL", "mjWARN_BADQACC", "mjWARN_BADCTRL")
CAMERAS = ("front", "wrist")

Control = Literal["joint", "hand"]


class SO101Task(gym.Env):
    """Base of the SO-101's tasks: control, observation, end of an episode, pictures.

    Observation: ``agent_pos`` (6,), the joint positions as LeRobot's ``so101_follower`` tells them;
    ``environment_state``, the hand's x, y, z and what the task tells of its things; and with cameras ``pixels``, one
    image a camera.

    Action, 20 a second. ``control=joint`` (6,): where the joints shall go, in LeRobot's positions. ``control=hand``
    (6,): how far the hand shall go from where it is, along x, y and z in m, in pitch and roll in rad, and how far the
    gripper shall be open in percent (the arm has five joints: a hand pose has no free yaw, see `kinematics`).

    Success is told in ``info["is_success"]`` at every step and does not end the episode. It is truncated after
    `time_limit` steps, and at once when the simulation fails, which ``info["simulation_error"]`` tells in words.

    A robot that lives in real time uses `command`, `advance`, `observe` and `is_done` in place of `step`.

    Args:
        control: What an action is.
        cameras: Cameras whose images to observe: front, wrist.
        image_size: Height and width of observed images: one number for squares, or both.
        visuals: ``light`` draws the arm with a few boxes, ``full`` with its meshes, many times slower.
        perturb: Kind -> severity, see `perturbations`.
        use_degrees: Whether joint positions, observed and as actions, are in degrees; else -100 to 100, in percent of
            the joint's range, as LeRobot's option of that name has it. The gripper is in percent with both.
        render_mode: ``rgb_array`` to allow `render`.
        render_size: Height and width of what `render` returns.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": RATE_HZ}  # noqa: RUF012 gymnasium's convention
    task_description: ClassVar[str]
    time_limit: ClassVar[int]  # in steps
    modes: ClassVar[int] = 1  # how many right answers the expert chooses from
    thing_names: ClassVar[tuple[str, ...]]  # of the numbers of `things`

    def __init__(
        self,
        control: Control = "joint",
        cameras: Sequence[str] = (),
        image_size: int | Sequence[int] = 96,
        visuals: Visuals = "light",
        perturb: Mapping[str, float] | None = None,
        use_degrees: bool = True,
        render_mode: str | None = None,
        render_size: int = 240,
    ) -> None:
        if control not in get_args(Control):
            raise ValueError(f"control must be one of {get_args(Control)}, got '{control}'")
        if unknown := set(cameras) - set(CAMERAS):
            raise ValueError(f"there is no camera '{min(unknown)}', only {', '.join(CAMERAS)}")
        if visuals not in get_args(Visuals):
            raise ValueError(f"visuals must be one of {get_args(Visuals)}, got '{visuals}'")
        if not isinstance(use_degrees, bool):
            raise ValueError(f"use_degrees must be true or false, got {use_degrees!r}")
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode must be None or 'rgb_array', got {render_mode!r}")
        self.use_degrees = use_degrees
        self.control, self.cameras, self.image_size = control, tuple(cameras), image_size
        self.render_mode, self.render_size = render_mode, render_size
        self._mujoco = import_mujoco(pictures=bool(cameras) or render_mode is not None)
        self._model = copy.copy(_compiled(type(self), visuals))
        self._data = self._mujoco.MjData(self._model)
        self._hand = HandKinematics(self._mujoco, self._model)
        self._painter = Painter(self._mujoco, self._model)
        self._perturbations = Perturbations(self._mujoco, self._model, perturb or {})
        self._max_episode_steps, self.task = self.time_limit, type(self).__name__
        self.mode = 0  # what the expert has chosen in this episode, below `modes`
        self._steps = 0
        self._begin_time()

        in_degrees = action_spec(control)  # what is done inside, whatever is told outside
        self._low, self._high = _limits(in_degrees)
        self._tolerances = np.array([d["tolerance"] for d in in_degrees["dimensions"]])
        spec = action_spec(control, use_degrees)
        self.action_space = gym.spaces.Box(*_limits(spec))
        names = ["hand_x", "hand_y", "hand_z", *self.thing_names]
        self._is_angle = np.array([name.endswith("yaw") for name in names])
        self.metadata = {
            **type(self).metadata,
            "action_spec": spec,
            "observation_names": {
                "observation.state": [f"{joint}.pos" for joint in JOINTS],
                "observation.environment_state": names,
            },
            "observation_units": {
                "observation.state": ["deg" if use_degrees else "%"] * 5 + ["%"],
                "observation.environment_state": ["rad" if is_angle else "m" for is_angle in self._is_angle],
            },
        }
        spaces: dict[str, gym.Space] = {
            "agent_pos": gym.spaces.Box(-np.inf, np.inf, (6,), np.float32),
            "environment_state": gym.spaces.Box(-np.inf, np.inf, (len(names),), np.float32),
        }
        if self.cameras:
            image = gym.spaces.Box(0, 255, (*picture_size(image_size), 3), np.uint8)
            spaces["pixels"] = gym.spaces.Dict(dict.fromkeys(self.cameras, image))
        self.observation_space = gym.spaces.Dict(spaces)

    # What a task says.

    @classmethod
    def furnish(cls, mujoco: Any, spec: Any) -> None:
        """Put the task's things on the table."""
        raise NotImplementedError

    def place(self, rng: np.random.Generator) -> None:
        """Draw where the things are."""
        raise NotImplementedError

    def things(self) -> np.ndarray:
        """Return what is observed of the things, in the order of `thing_names`."""
        raise NotImplementedError

    def is_success(self) -> bool:
        """Tell whether the task is done now."""
        raise NotImplementedError

    def is_failure(self) -> bool:
        """Tell whether the task can no longer be done, which ends the episode."""
        return False

    def progress(self) -> float:
        """Return the reward of a step, 0 to 1."""
        raise NotImplementedError

    def plan(self) -> tuple[np.ndarray, float]:
        """Return where the expert wants the hand, (5,), and how open the gripper, in percent."""
        raise NotImplementedError

    # gymnasium's side.

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        """Start the episode of a seed, or of a random one."""
        super().reset(seed=seed)
        self._mujoco.mj_resetData(self._model, self._data)
        self._perturbations.begin(self.np_random.spawn(1)[0])
        start = to_angles_rad(HOME + HOME_SPREAD * self.np_random.uniform(-1, 1, 6))
        self._data.qpos[:6] = self._data.ctrl[:] = start
        self.place(self.np_random)
        self.mode = int(self.np_random.integers(self.modes))
        self._mujoco.mj_forward(self._model, self._data)
        self._steps = 0
        self._begin_time()
        return self._observation(), {"is_success": False}

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        """Execute one action, (6,), clipped to its limits."""
        action = np.asarray(action, np.float64)
        if not np.isfinite(action).all():
            return self._broken(f"the action is not finite: {action.tolist()}")
        action = self._perturbations.act(self._in_degrees(action), self._tolerances)
        self._data.ctrl[:] = self._targets_rad(np.clip(action, self._low, self._high))
        self._perturbations.push(self._data, "gripper", self._steps)
        time_before = self._data.time
        self._mujoco.mj_step(self._model, self._data, _PHYSICS_STEPS)
        if error := self._simulation_error(time_before):
            return self._broken(error)
        self._steps += 1
        is_failure = self.is_failure()
        is_success = not is_failure and self.is_success()
        reward = 0.0 if is_failure else self.progress()
        return self._observation(), reward, is_failure, self._steps >= self.time_limit, {"is_success": is_success}

    # A robot's side: time passes by itself. With ``control=joint``, `command(a)`, `advance(1 / RATE_HZ)` and `observe`
    # do to the bit what `step(a)` does.

    def command(self, positions: np.ndarray) -> None:
        """Ask the servos for joint positions (6,), clipped to their limits, from now on.

        Raises:
            ValueError: They are not finite, or an action is a movement of the hand here.
        """
        positions = np.asarray(positions, np.float64)
        if self.control != "joint" or positions.shape != (6,) or not np.isfinite(positions).all():
            raise ValueError(f"needs control=joint and 6 finite joint positions, got {positions.tolist()}")
        positions = self._perturbations.act(self._in_degrees(positions), self._tolerances)
        self._data.ctrl[:] = self._targets_rad(np.clip(positions, self._low, self._high))

    def advance(self, seconds: float) -> None:
        """Let physics run on, in whole steps of `TIMESTEP_S`; what is left over is added the next time.

        Raises:
            RuntimeError: The simulation failed, and goes on failing until `reset`.
        """
        self._owed_s += seconds
        count = int(self._owed_s / TIMESTEP_S + 1e-6)
        self._owed_s -= count * TIMESTEP_S
        while count > 0:
            if self._into_step == 0:
                self._perturbations.push(self._data, "gripper", self._steps)
            run = min(count, _PHYSICS_STEPS - self._into_step)
            time_before = self._data.time
            self._mujoco.mj_step(self._model, self._data, run)
            if error := self._simulation_error(time_before):
                raise RuntimeError(error)
            count, self._into_step = count - run, (self._into_step + run) % _PHYSICS_STEPS
            if self._into_step == 0:
                self._steps += 1
            self._has_failed = self._has_failed or self.is_failure()

    def observe(self, pictures: bool = True) -> dict[str, Any]:
        """Return what is sensed now; without pictures it is cheap."""
        return self._observation(pictures)

    def is_done(self) -> bool:
        """Tell whether the task is done now, and nothing that makes it impossible happened since `reset`."""
        return not self._has_failed and not self.is_failure() and self.is_success()

    def expert_action(self) -> np.ndarray:
        """Return what the scripted expert does now, (6,)."""
        pose, opening = self.plan()
        way = pose - self.hand_pose
        way *= min(1.0, 1 / max(np.abs(way / EXPERT_STEP).max(), 1e-9))
        if self.control == "hand":
            return np.array([*way, opening], np.float32)
        angles = self._hand.solve(self.hand_pose + way, self._data.qpos[:5])
        positions = np.array([*np.degrees(angles), opening])
        return (positions if self.use_degrees else to_percent(positions)).astype(np.float32)

    def render(self) -> np.ndarray | None:
        """Return a picture for a video, (render_size, render_size, 3)."""
        return None if self.render_mode is None else self._painter.draw(self._data, CAMERAS[0], self.render_size)

    def close(self) -> None:
        """Free the drawing contexts."""
        self._painter.close()

    # What tasks and experts look at.

    @property
    def hand_pose(self) -> np.ndarray:
        """Where the hand is, (5,)."""
        return self._hand.pose(self._data.qpos[:5].copy())

    def place_of(self, body: str) -> np.ndarray:
        """Where the middle of a body is, (3,)."""
        return self._data.body(body).xpos

    def mark(self, number: int = 0) -> np.ndarray:
        """Where a mark lies, (2,), counted in the order in which the task added them."""
        return self._data.mocap_pos[number, :2]

    def put_hand(self, pose: np.ndarray, opening: float) -> None:
        """Put the arm, at rest, where its hand has a pose (5,) and its gripper is so far open, in percent."""
        angles = np.degrees(self._hand.solve(pose, to_angles_rad(HOME)[:5]))
        self._data.qpos[:6] = self._data.ctrl[:] = to_angles_rad(np.array([*angles, opening]))

    @property
    def opening(self) -> float:
        """How far the gripper is open, in percent."""
        return float(to_positions(self._data.qpos[:6].copy())[5])

    def _in_degrees(self, action: np.ndarray) -> np.ndarray:
        """Return an action (6,) with its joint positions, if it has some, in degrees."""
        return action if self.use_degrees or self.control == "hand" else from_percent(action)

    def _targets_rad(self, action: np.ndarray) -> np.ndarray:
        """Return the angles that the servos are asked for, (6,)."""
        if self.control == "joint":
            return to_angles_rad(action)
        angles = self._hand.solve(self.hand_pose + action[:5], self._data.qpos[:5])
        return to_angles_rad(np.array([*np.degrees(angles), action[5]]))

    def _begin_time(self) -> None:
        self._owed_s, self._into_step, self._has_failed = 0.0, 0, False

    def _observation(self, pictures: bool = True) -> dict[str, Any]:
        positions, places = self._perturbations.see(
            to_positions(self._data.qpos[:6].copy()),
            np.concatenate([self.hand_pose[:3], self.things()]),
            self._is_angle,
        )
        if not self.use_degrees:  # LeRobot's bus bounds what it reads, too
            positions[:5] = to_percent(positions)[:5].clip(-100, 100)
        observation: dict[str, Any] = {
            "agent_pos": positions.astype(np.float32),
            "environment_state": places.astype(np.float32),
        }
        if self.cameras and pictures:
            observation["pixels"] = {c: self._painter.draw(self._data, c, self.image_size) for c in self.cameras}
        return observation

    def _simulation_error(self, time_before: float) -> str | None:
        # MuJoCo answers impossible states by going back to time 0, from where a task might even succeed.
        for name in FAULTS:
            if self._data.warning[getattr(self._mujoco.mjtWarning, name)].number:
                return f"MuJoCo warned of {name} by {self._data.time:.2f} s"
        if not self._data.time > time_before:
            return f"the simulation went back from {time_before:.2f} s to {self._data.time:.2f} s"
        return None

    def _broken(self, error: str) -> tuple[dict, float, bool, bool, dict]:
        return self._observation(), 0.0, False, True, {"is_success": False, "simulation_error": error}


def action_spec(control: Control, use_degrees: bool = True) -> dict[str, Any]:
    """Return what an action means, as plain values."""
    if control == "joint":
        mode, names = "absolute", [f"{joint}.pos" for joint in JOINTS]
        limits = zip(LOW.tolist(), HIGH.tolist(), strict=True) if use_degrees else [(-100.0, 100.0)] * 6
        unit, tolerance = ("deg", 1.0) if use_degrees else ("%", 2.0)
        dimensions = [
            {"name": name, "kind": "joint", "unit": unit, "low": low, "high": high, "tolerance": tolerance}
            for name, (low, high) in zip(names[:5], limits, strict=False)
        ]
    else:
        mode, limits = "delta", HAND_STEP.tolist()
        dimensions = [
            {"name": n, "kind": "ee_position", "unit": "m", "low": -limit, "high": limit, "tolerance": 0.001}
            for n, limit in zip(("hand_x", "hand_y", "hand_z"), limits, strict=False)
        ]
        dimensions += [
            {"name": n, "kind": "ee_rotation", "unit": "rad", "low": -limit, "high": limit, "tolerance": 0.01}
            for n, limit in zip(("hand_pitch", "hand_roll"), limits[3:], strict=True)
        ]
    gripper = {"name": "gripper.pos", "kind": "gripper", "unit": "%", "low": 0.0, "high": 100.0, "tolerance": 2.0}
    return {"dimensions": [*dimensions, gripper], "control_mode": mode, "rate_hz": RATE_HZ, "source": "environment"}


def _limits(spec: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and the largest action, (6,) each."""
    low, high = (np.array([d[side] for d in spec["dimensions"]], np.float32) for side in ("low", "high"))
    return low, high


@lru_cache
def _compiled(task: type[SO101Task], visuals: Visuals) -> Any:
    """Return the model of a task, which takes seconds to compile: its users copy it."""
    mujoco = import_mujoco(pictures=False)
    spec = load_arm(mujoco, visuals)
    option = spec.option
    option.timestep, option.integrator = TIMESTEP_S, mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone, option.impratio = mujoco.mjtCone.mjCONE_ELLIPTIC, 10.0  # so that what is held does not slip
    headlight = spec.visual.headlight
    headlight.ambient, headlight.diffuse, headlight.specular = [0.45] * 3, [0.45] * 3, [0.1] * 3
    world = spec.worldbody
    world.add_light(name="lamp", pos=[0.3, 0.3, 1.2], dir=[0.0, -0.2, -1.0], diffuse=[0.35] * 3)
    world.add_geom(
        name="table",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[1.5, 1.5, 0.01],
        rgba=[0.82, 0.8, 0.76, 1],
        contype=THING_TOUCH[0],
        conaffinity=THING_TOUCH[1],
    )
    look_at(mujoco, world.add_camera(name="front", fovy=38), [0.62, 0.3, 0.42], [0.17, 0.0, 0.06])
    wrist = spec.body("gripper").add_camera(name="wrist", fovy=75)
    look_at(mujoco, wrist, [0.0, 0.06, -0.02], [0.01, 0.0, -0.12])
    task.furnish(mujoco, spec)
    return spec.compile()


def look_at(mujoco: Any, camera: Any, place: Sequence[float], target: Sequence[float]) -> None:
    """Put a camera at a place, looking at a target, with the z axis of its body upwards (or x, if it looks along z)."""
    camera.pos = place
    back = np.subtract(place, target) / np.linalg.norm(np.subtract(place, target))
    up = np.array([0.0, 0.0, 1.0]) if abs(back[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    right = np.cross(up, back) / np.linalg.norm(np.cross(up, back))
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, np.stack([right, np.cross(back, right), back], axis=1).flatten())
    camera.quat = quaternion
