"""Where the hand of an arm is, and which joint angles bring it somewhere.

A hand pose is (5,): x, y, z in m, pitch and roll in rad. Pitch is how far the hand points below the horizon: shoulder
lift, elbow and wrist turn about parallel axes, so it is the sum of their angles. Roll is the angle of the wrist's roll.
So two of the five numbers are solved exactly, and pan, lift and elbow are left to bring the hand to its place.
"""

from typing import Any

import numpy as np

from gym_dist2.so101.arm import HAND, HIGH_RAD, LOW_RAD

ITERATIONS = 12
_DAMPING_M = 1e-3  # of the least squares: where the arm is stretched out it gives way by millimetres, not by leaps
_CLOSE_M = 1e-5


class HandKinematics:
    """Forward and inverse kinematics on a simulation of its own. Angles are of the arm's five joints, (5,)."""

    def __init__(self, mujoco: Any, model: Any) -> None:
        self._mujoco, self._model, self._data = mujoco, model, mujoco.MjData(model)
        self._site = model.site(HAND).id
        self._jacobian = np.zeros((3, model.nv))

    def pose(self, angles_rad: np.ndarray) -> np.ndarray:
        """Return the hand pose (5,)."""
        self._data.qpos[:5] = angles_rad
        self._mujoco.mj_kinematics(self._model, self._data)
        return np.array([*self._data.site_xpos[self._site], angles_rad[1:4].sum(), angles_rad[4]])

    def solve(self, pose: np.ndarray, start_rad: np.ndarray) -> np.ndarray:
        """Return joint angles within their limits that bring the hand to a pose (5,), or near: pitch gives way first.

        Args:
            pose: Where to.
            start_rad: Where to begin the search; its nearest solution is found.
        """
        low, high = LOW_RAD[:5], HIGH_RAD[:5]
        angles = np.clip(start_rad, low, high)
        angles[4] = np.clip(pose[4], low[4], high[4])
        for _ in range(ITERATIONS):
            wanted = pose[3] - angles[1] - angles[2]
            angles[3] = np.clip(wanted, low[3], high[3])
            error = pose[:3] - self.pose(angles)[:3]
            if np.abs(error).max() < _CLOSE_M:
                break
            self._mujoco.mj_comPos(self._model, self._data)
            self._mujoco.mj_jacSite(self._model, self._data, self._jacobian, None, self._site)
            pan, lift, elbow, wrist = self._jacobian[:, :4].T
            wrist = wrist if angles[3] == wanted else 0 * wrist  # it makes up for lift and elbow as far as it turns
            jacobian = np.stack([pan, lift - wrist, elbow - wrist], axis=1)
            step = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + _DAMPING_M**2 * np.eye(3), error)
            angles[:3] = np.clip(angles[:3] + np.clip(step, -0.5, 0.5), low[:3], high[:3])
        angles[3] = np.clip(pose[3] - angles[1] - angles[2], low[3], high[3])
        return angles
