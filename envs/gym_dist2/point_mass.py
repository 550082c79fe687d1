"""A point mass that slides over a table towards goals and past obstacles: what all point tasks share.

G goals, O obstacles; positions are of centres, seen from above, in m from the middle of the table.
"""

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from gym_dist2.pictures import Painter, import_mujoco

PERIOD_S = 0.1  # of an action
TIMESTEP_S = 0.01  # of the simulation
LAG_S = 0.02  # the velocity follows its command with this time constant
STEP_LIMIT_M = 0.03  # how far an action may move the point along x and along y
SPEED_LIMIT_M_S = STEP_LIMIT_M / PERIOD_S  # along x and along y
EXPERT_STEP_M = 0.02  # how far an expert moves the point
HALF_TABLE_M = 0.5
POINT_RADIUS_M = 0.02
CAMERA, CAMERA_HEIGHT_M = "top", 8.0  # so high that it looks straight down everywhere

_STATE = ["point_x", "point_y", "point_velocity_x", "point_velocity_y"]


class PointTask(gym.Env):
    """Base of the point tasks: simulation, observation, end of an episode, pictures.

    Observation: ``agent_pos`` (4,), the point's x, y in m and its velocity in m/s; ``environment_state``, what the task
    tells of goals and obstacles. Action (2,): how far to move along x and y in this step, in m, clipped to its limits;
    the point is pushed at that velocity, so what actions say is where it comes to rest, but for edge and obstacles.

    Success, in ``info["is_success"]`` at every step: the point's centre is in a goal, and nothing was touched. It does
    not end the episode. Touching an obstacle does, as a failure. Else it is truncated after `time_limit` steps. The
    reward of a step is 1 minus the distance to the nearest goal over the table's diagonal, and 0 for a touch: never
    negative, so that an early end is no gain.

    Every draw of an episode comes from its seed: first `place` draws what is observed, then `mode` is drawn, the right
    answer that the expert chooses, which therefore tells nothing of the observation, nor the observation of it.

    Args:
        environment_names: Names of the numbers of ``environment_state``.
        goals: How many goals there are.
        obstacle_radii_m: Radius of each obstacle, (O,).
        render_mode: ``rgb_array`` to allow `render`.
        render_size: Height and width of what `render` returns.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": round(1 / PERIOD_S)}  # noqa: RUF012 gymnasium's convention
    task_description: ClassVar[str]
    time_limit: ClassVar[int]  # in steps
    modes: ClassVar[int]  # how many right answers the expert chooses from
    goal_radius_m: ClassVar[float]

    def __init__(
        self,
        environment_names: list[str],
        goals: int,
        obstacle_radii_m: list[float],
        render_mode: str | None = None,
        render_size: int = 240,
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode must be None or 'rgb_array', got {render_mode!r}")
        self._mujoco = import_mujoco(pictures=render_mode is not None)
        scene = _scene([self.goal_radius_m] * goals, obstacle_radii_m, render_size)
        self._model = self._mujoco.MjModel.from_xml_string(scene)
        self._data = self._mujoco.MjData(self._model)
        self._painter = Painter(self._mujoco, self._model)
        self.render_mode, self.render_size = render_mode, render_size
        self._max_episode_steps, self.task = self.time_limit, type(self).__name__

        self.mode = 0  # what the expert has chosen in this episode, below `modes`
        self.goals = np.zeros((goals, 2))
        self.obstacles = np.zeros((len(obstacle_radii_m), 2))
        self._steps, self._touched = 0, False
        self.metadata = {
            **type(self).metadata,
            "action_spec": _action_spec(),
            "observation_names": {
                "observation.state": _STATE,
                "observation.environment_state": environment_names,
            },
            "observation_units": {
                "observation.state": ["m", "m", "m/s", "m/s"],
                "observation.environment_state": ["m"] * len(environment_names),
            },
        }
        self.action_space = gym.spaces.Box(-STEP_LIMIT_M, STEP_LIMIT_M, (2,), np.float32)
        most = np.array([HALF_TABLE_M] * 2 + [SPEED_LIMIT_M_S] * 2, np.float32)
        spaces: dict[str, gym.Space] = {
            "agent_pos": gym.spaces.Box(-most, most),
            "environment_state": gym.spaces.Box(-HALF_TABLE_M, HALF_TABLE_M, (len(environment_names),), np.float32),
        }
        self.observation_space = gym.spaces.Dict(spaces)

    def place(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw where the point starts (2,), the goals (G, 2) and the obstacles (O, 2)."""
        raise NotImplementedError

    def environment_state(self) -> np.ndarray:
        """Return what is observed besides the point, in the order of `environment_names`."""
        raise NotImplementedError

    def expert_action(self, mode: int | None = None) -> np.ndarray:
        """Return what the expert does now, (2,), in the mode of this episode unless another is given."""
        raise NotImplementedError

    @property
    def position(self) -> np.ndarray:
        """Where the point is, (2,)."""
        return self._data.qpos.copy()

    @property
    def velocity(self) -> np.ndarray:
        """Velocity of the point in m/s, (2,)."""
        return self._data.qvel.copy()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        """Start the episode of a seed, or of a random one."""
        super().reset(seed=seed)
        self._mujoco.mj_resetData(self._model, self._data)
        self._data.qpos[:], self.goals, self.obstacles = self.place(self.np_random)
        self.mode = int(self.np_random.integers(self.modes))
        self._data.mocap_pos[:, :2] = np.concatenate([self.goals, self.obstacles])
        self._mujoco.mj_forward(self._model, self._data)
        self._steps, self._touched = 0, False
        return self._observation(), {"is_success": False}

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        """Execute one action, (2,), clipped to the limits."""
        action = np.asarray(action, np.float64)
        if not np.isfinite(action).all():
            error = f"the action is not finite: {action.tolist()}"
            return self._observation(), 0.0, False, True, {"is_success": False, "simulation_error": error}
        self._data.ctrl[:] = np.clip(action, -STEP_LIMIT_M, STEP_LIMIT_M) / PERIOD_S
        touched = self._simulate()
        self._steps += 1
        self._touched = touched
        reward = 0.0 if touched else 1 - self._distance_m() / (2 * np.sqrt(2) * HALF_TABLE_M)
        info = {"is_success": self.is_success()}
        return self._observation(), reward, touched, self._steps >= self.time_limit, info

    def is_success(self) -> bool:
        """Tell whether the point is in a goal and touches nothing."""
        return not self._touched and self._distance_m() <= self.goal_radius_m

    def render(self) -> np.ndarray | None:
        """Return a picture from above, (render_size, render_size, 3), x to the right and y upwards."""
        return None if self.render_mode is None else self._painter.draw(self._data, CAMERA, self.render_size)

    def close(self) -> None:
        """Free the drawing context."""
        self._painter.close()

    def _distance_m(self) -> float:
        """Return how far the nearest goal's centre is."""
        return float(np.hypot(*(self.goals - self._data.qpos).T).min())

    def _simulate(self) -> bool:
        """Simulate one period, or until the point touches an obstacle, and tell whether it does."""
        for _ in range(round(PERIOD_S / TIMESTEP_S)):
            self._mujoco.mj_step(self._model, self._data)
            if self._data.ncon:  # nothing else can collide
                return True
        return False

    def _observation(self) -> dict[str, np.ndarray]:
        return {
            "agent_pos": np.concatenate([self._data.qpos, self._data.qvel], dtype=np.float32),
            "environment_state": self.environment_state().astype(np.float32),
        }


def step_towards(target: np.ndarray, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """Return the expert's action (2,) straight to a place, where it comes to rest."""
    way = target - position - LAG_S * velocity  # what it will still coast
    return (way * min(1.0, EXPERT_STEP_M / max(float(np.hypot(*way)), 1e-9))).astype(np.float32)


def _scene(goal_radii_m: list[float], obstacle_radii_m: list[float], picture_size: int) -> str:
    """Return the MJCF of the table, the point, and goals then obstacles as mocap bodies, which a reset may move."""
    reach = HALF_TABLE_M - POINT_RADIUS_M
    view_deg = 2 * np.degrees(np.arctan(1.05 * HALF_TABLE_M / CAMERA_HEIGHT_M))
    goals = "".join(
        f"""
    <body mocap="true"><geom type="cylinder" size="{radius} 0.001" rgba="0.2 0.7 0.3 1"/></body>"""
        for radius in goal_radii_m
    )
    obstacles = "".join(
        f"""
    <body mocap="true" pos="0 0 {POINT_RADIUS_M}">
      <geom type="cylinder" size="{radius} {POINT_RADIUS_M}" contype="1" rgba="0.75 0.25 0.2 1"/>
    </body>"""
        for radius in obstacle_radii_m
    )
    return f"""
<mujoco>
  <option timestep="{TIMESTEP_S}" gravity="0 0 0" integrator="implicitfast"/>
  <visual>
    <global offwidth="{picture_size}" offheight="{picture_size}"/>
    <quality numslices="72"/>
    <headlight ambient="0.6 0.6 0.6" diffuse="0.4 0.4 0.4" specular="0 0 0"/>
  </visual>
  <default><geom contype="0" conaffinity="0"/></default>
  <worldbody>
    <camera name="{CAMERA}" pos="0 0 {CAMERA_HEIGHT_M}" fovy="{view_deg}"/>
    <geom type="plane" size="{HALF_TABLE_M} {HALF_TABLE_M} 1" rgba="0.9 0.9 0.88 1"/>
    <body pos="0 0 {POINT_RADIUS_M}">
      <joint name="x" type="slide" axis="1 0 0" limited="true" range="{-reach} {reach}"/>
      <joint name="y" type="slide" axis="0 1 0" limited="true" range="{-reach} {reach}"/>
      <geom type="sphere" size="{POINT_RADIUS_M}" mass="1" conaffinity="1" rgba="0.15 0.35 0.85 1"/>
    </body>{goals}{obstacles}
  </worldbody>
  <actuator>
    <velocity joint="x" kv="{1 / LAG_S}"/>
    <velocity joint="y" kv="{1 / LAG_S}"/>
  </actuator>
</mujoco>"""


def _action_spec() -> dict[str, Any]:
    limits = {"low": -STEP_LIMIT_M, "high": STEP_LIMIT_M}
    dimensions = [{"name": name, "kind": "ee_position", "unit": "m", **limits} for name in _STATE[:2]]
    return {"dimensions": dimensions, "control_mode": "delta", "rate_hz": 1 / PERIOD_S, "source": "environment"}
