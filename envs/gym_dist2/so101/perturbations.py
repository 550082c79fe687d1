"""What a robot meets outside the simulation that it learned in, each with a severity from 0 (none) to 1.

Every draw comes from a stream of its own, so that an episode starts from the same state with and without.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

# What severity 1 means.
SENSOR_POSITION = 2.0  # standard deviation of noise on joint positions, in degrees and percent
SENSOR_PLACE_M = 0.01  # the same on where things and the hand are seen (for angles in rad ten times as much)
ACTION_TOLERANCES = 5.0  # standard deviation of noise on actions, in tolerances
DELAY_STEPS = 4  # actions come so much later
PUSH_N, PUSH_STEPS, PUSH_SHARE = 4.0, 4, 0.05  # force on the hand, for how long, share of steps at which one begins
LIGHT_SHARE = 0.8  # lamps are so much brighter or darker at most
COLOUR_SHARE = 0.7  # colours are mixed with so much of another one
CAMERA_M, CAMERA_RAD = 0.03, 0.1  # standard deviations
MASS_FACTOR, FRICTION_FACTOR = 3.0, 3.0  # things are heavier and the world is more slippery by up to so much

KINDS = (
    "sensor_noise",
    "action_noise",
    "delay",
    "pushes",
    "lighting",
    "texture",
    "camera_shift",
    "mass",
    "friction",
)
_CHANGED = ("light_diffuse", "geom_rgba", "cam_pos", "cam_quat", "body_mass", "body_inertia", "geom_friction")


class Perturbations:
    """Perturbs one simulation, from the beginning of an episode on.

    Args:
        mujoco: The module.
        model: Changed at the beginning of an episode, from what it is now.
        severities: Kind -> 0 to 1; those that are not named are 0.

    Raises:
        ValueError: There is no such kind, or a severity is not from 0 to 1.
    """

    def __init__(self, mujoco: Any, model: Any, severities: Mapping[str, float]) -> None:
        for kind, severity in severities.items():
            if kind not in KINDS:
                raise ValueError(f"there is no perturbation '{kind}', only {', '.join(KINDS)}")
            if not 0 <= severity <= 1:
                raise ValueError(f"the severity of {kind} must be from 0 to 1, got {severity}")
        self._mujoco, self._model = mujoco, model
        self._severity = dict.fromkeys(KINDS, 0.0) | dict(severities)
        self._pristine = {name: getattr(model, name).copy() for name in _CHANGED}
        self._headlight = np.array(model.vis.headlight.ambient), np.array(model.vis.headlight.diffuse)
        self._rng = np.random.default_rng()
        self._waiting: deque[np.ndarray] = deque()
        self._pushed_until = 0

    def begin(self, rng: np.random.Generator) -> None:
        """Draw what stays the same for an episode."""
        self._rng = rng
        self._waiting.clear()
        self._pushed_until = 0
        for name, values in self._pristine.items():
            getattr(self._model, name)[:] = values
        self._light()
        self._colour()
        self._move_cameras()
        factor = MASS_FACTOR ** (self._severity["mass"] * rng.random())
        free = self._model.body_dofnum == 6
        self._model.body_mass[free] *= factor
        self._model.body_inertia[free] *= factor
        self._model.geom_friction[:, 0] /= FRICTION_FACTOR ** (self._severity["friction"] * rng.random())

    def act(self, action: np.ndarray, tolerances: np.ndarray) -> np.ndarray:
        """Return the action that arrives, (A,), in place of the one that is sent."""
        severity = self._severity["action_noise"]
        action = action + severity * ACTION_TOLERANCES * tolerances * self._rng.standard_normal(action.shape)
        self._waiting.append(action)
        late = round(self._severity["delay"] * DELAY_STEPS)
        return self._waiting.popleft() if len(self._waiting) > late else self._waiting[0]

    def push(self, data: Any, body: str, step: int) -> None:
        """Push a body now and then, sideways."""
        severity, force = self._severity["pushes"], data.body(body).xfrc_applied
        draw, angle = self._rng.random(), self._rng.uniform(0, 2 * np.pi)
        if severity and step >= self._pushed_until:
            force[:] = 0.0
            if draw < PUSH_SHARE:
                self._pushed_until = step + PUSH_STEPS
                force[:2] = severity * PUSH_N * np.array([np.cos(angle), np.sin(angle)])

    def see(self, positions: np.ndarray, places: np.ndarray, is_angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return joint positions (J,) and what is seen of hand and things (P,), some of it angles, with noise."""
        severity = self._severity["sensor_noise"]
        scale = SENSOR_PLACE_M * np.where(is_angle, 10.0, 1.0)
        positions = positions + severity * SENSOR_POSITION * self._rng.standard_normal(positions.shape)
        return positions, places + severity * scale * self._rng.standard_normal(places.shape)

    def _light(self) -> None:
        factors = 1 + self._severity["lighting"] * LIGHT_SHARE * self._rng.uniform(-1, 1, 3)
        headlight = self._model.vis.headlight
        headlight.ambient[:], headlight.diffuse[:] = (f * x for f, x in zip(factors, self._headlight, strict=False))
        self._model.light_diffuse[:] *= factors[2]

    def _colour(self) -> None:
        share = self._severity["texture"] * COLOUR_SHARE
        colours = self._model.geom_rgba[:, :3]
        colours[:] = (1 - share) * colours + share * self._rng.random(colours.shape)

    def _move_cameras(self) -> None:
        severity = self._severity["camera_shift"]
        for i in range(self._model.ncam):
            self._model.cam_pos[i] += severity * CAMERA_M * self._rng.standard_normal(3)
            turn = severity * CAMERA_RAD * self._rng.standard_normal(3)
            self._mujoco.mju_quatIntegrate(self._model.cam_quat[i], turn, 1.0)
