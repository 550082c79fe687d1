"""A drawer must be pulled open by its handle."""

from typing import Any

import numpy as np

from gym_dist2.so101.arm import THING_TOUCH
from gym_dist2.so101.task import SO101Task

OPEN_M = 0.05  # how far counts as open
TRAVEL_M = 0.09
LOW, HIGH = (0.30, -0.06), (0.33, 0.06)  # of the middle of the drawer's front when it is shut
HANDLE_Z_M, HANDLE_OUT_M = 0.055, 0.035  # height of the knob, and how far it stands out of the front
PITCH_RAD = 0.9
OPENING, SHUT = 55.0, 8.0

_TOUCH = f'contype="{THING_TOUCH[0]}" conaffinity="{THING_TOUCH[1]}"'
_CABINET = f"""
<mujoco>
  <worldbody>
    <body name="frame">
      <geom type="box" pos="0.06 -0.062 0.05" size="0.06 0.004 0.05" rgba="0.5 0.5 0.5 1" {_TOUCH}/>
      <geom type="box" pos="0.06 0.062 0.05" size="0.06 0.004 0.05" rgba="0.5 0.5 0.5 1" {_TOUCH}/>
      <geom type="box" pos="0.06 0 0.104" size="0.06 0.066 0.004" rgba="0.5 0.5 0.5 1" {_TOUCH}/>
      <body name="drawer" pos="0 0 {HANDLE_Z_M}">
        <joint name="drawer" type="slide" axis="-1 0 0" limited="true" range="0 {TRAVEL_M}"
               damping="2" frictionloss="0.3"/>
        <geom type="box" pos="0.004 0 0" size="0.004 0.056 0.045" mass="0.1" rgba="0.15 0.35 0.8 1" {_TOUCH}/>
        <geom name="handle" type="box" pos="-{HANDLE_OUT_M} 0 0" size="0.006 0.006 0.022" mass="0.01"
              condim="4" friction="1 0.02 0.0005" {_TOUCH}/>
        <geom type="box" pos="-{HANDLE_OUT_M / 2} 0 -0.02" size="{HANDLE_OUT_M / 2} 0.003 0.003" mass="0.005" {_TOUCH}/>
        <geom type="box" pos="-{HANDLE_OUT_M / 2} 0 0.02" size="{HANDLE_OUT_M / 2} 0.003 0.003" mass="0.005" {_TOUCH}/>
      </body>
    </body>
  </worldbody>
</mujoco>"""


class OpenDrawer(SO101Task):
    """Pull the drawer out by 5 cm, within 120 steps. It slides towards the arm, and its handle is an upright bar."""

    task_description = "Open the drawer."
    time_limit = 120
    thing_names = ("handle_x", "handle_y", "handle_z", "drawer_open")

    @classmethod
    def furnish(cls, mujoco: Any, spec: Any) -> None:
        """Add the cabinet, which a reset may move, and in it the drawer."""
        cabinet = mujoco.MjSpec.from_string(_CABINET)
        spec.attach(cabinet, prefix="cabinet_", frame=spec.worldbody.add_frame())

    def place(self, rng: np.random.Generator) -> None:
        """Draw where the cabinet stands."""
        self._model.body("cabinet_frame").pos[:2] = rng.uniform(LOW, HIGH)

    def things(self) -> np.ndarray:
        """Return the handle's place and how far the drawer is open."""
        return np.array([*self._handle, self._opened_m])

    def is_success(self) -> bool:
        """Tell whether the drawer is open."""
        return self._opened_m >= OPEN_M

    def progress(self) -> float:
        """Return half for being at the handle, half for how far the drawer is open."""
        near = np.exp(-np.linalg.norm(self.hand_pose[:3] - self._handle) / 0.1)
        return float(0.5 * near + 0.5 * np.clip(self._opened_m / OPEN_M, 0, 1))

    def plan(self) -> tuple[np.ndarray, float]:
        """Go before the handle, around it, shut, and back."""
        hand, handle = self.hand_pose, self._handle
        pan = -np.arctan2(handle[1], handle[0] - 0.0388)
        off = np.linalg.norm(hand[:3] - handle)
        roll = np.pi / 2 + pan * np.sin(PITCH_RAD)
        if off < 0.02 and self.opening < 30.0:
            return np.array([handle[0] - 0.03, handle[1], handle[2], PITCH_RAD, roll]), SHUT
        if off < 0.008:
            return np.array([*handle, PITCH_RAD, roll]), SHUT
        beside = np.linalg.norm(hand[1:3] - handle[1:])
        is_ready = (beside < 0.008 and abs(hand[4] - roll) < 0.15) or off < 0.025
        goal = handle if is_ready else handle - np.array([0.05, 0.0, 0.0])
        return np.array([*goal, PITCH_RAD, roll]), OPENING

    @property
    def _handle(self) -> np.ndarray:
        return self._data.geom("cabinet_handle").xpos

    @property
    def _opened_m(self) -> float:
        return float(self._data.joint("cabinet_drawer").qpos[0])
