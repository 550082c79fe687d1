"""Keeps targets inside position, velocity, acceleration and jerk limits together, with the distance to brake.

Clamping to one limit after the other breaks the earlier ones, and a target that is inside all of them may still be one
from which no braking is possible before the end of a joint's range. So the guard always holds a *brake plan*: targets
that bring every joint to rest inside all limits, within `BRAKE_S`. A target is sent only if such a plan follows it.

Velocity, acceleration and jerk are those of the targets: differences of consecutive ones over the period.

A action dimensions, F candidates, K lengths of a plan, N ticks of the longest one.
"""

import math
from dataclasses import dataclass

import numpy as np

from dist2_robot.deploy.limits import MotionLimits
from dist2_robot.errors import InputError

BRAKE_S = 0.2  # standstill within, at any time
CANDIDATES = 24
EPSILON = 1e-9  # of a limit: what rounding may add


@dataclass(frozen=True)
class _Motion:
    """Where targets are and how they move, each (..., A), in shares of the velocity limit a second."""

    position: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray


class MotionGuard:
    """The targets of one robot, from tick to tick.

    Args:
        limits: What no target may pass.
        period_s: Of the control loop.

    Raises:
        InputError: The loop is too slow to brake within `BRAKE_S`.
    """

    def __init__(self, limits: MotionLimits, period_s: float) -> None:
        ticks = math.floor(BRAKE_S / period_s + 1e-9)
        if ticks < 3:
            raise InputError(
                f"a loop of {1 / period_s:.3g} Hz cannot brake within {BRAKE_S} s: rate_hz must be at least "
                f"{3 / BRAKE_S:.0f}"
            )
        self.limits, self.period_s = limits, period_s
        # All is computed in shares of the velocity limit, so that one rounding error suits all units.
        self._scale = limits.velocity
        self._low, self._high = limits.low / self._scale, limits.high / self._scale
        self._most_a, self._most_j = limits.acceleration / self._scale, limits.jerk / self._scale
        # With at most so much more speed than what is wanted has, it is met within a tick or two.
        self._meeting = np.minimum(self._most_a, self._most_j * period_s) * period_s / 2
        self._maps = _brake_maps(ticks, period_s)
        self._now = _Motion(*np.zeros((3, len(limits.low))))
        self._plan = np.zeros((ticks, len(limits.low)))  # positions of the coming ticks

    def begin(self, position: np.ndarray) -> None:
        """Take a robot over where it stands, at rest, (A,).

        Raises:
            InputError: It stands outside its limits, or its position is not finite.
        """
        scaled = np.asarray(position, np.float64) / self._scale
        if not np.isfinite(scaled).all() or (scaled < self._low).any() or (scaled > self._high).any():
            raise InputError(
                f"the robot stands at {np.round(position, 3).tolist()}, outside its limits "
                f"{np.round(self.limits.low, 3).tolist()} to {np.round(self.limits.high, 3).tolist()}: move it inside"
            )
        self._now = _Motion(scaled, np.zeros_like(scaled), np.zeros_like(scaled))
        self._plan = np.repeat(scaled[None], len(self._plan), axis=0)

    def stood_still(self) -> None:
        """Take note that no target was sent for at least a period: the motion starts anew from rest."""
        self.begin(self.position)

    @property
    def position(self) -> np.ndarray:
        """The last target, (A,)."""
        return np.clip(self._now.position * self._scale, self.limits.low, self.limits.high)

    @property
    def speed(self) -> np.ndarray:
        """How fast the targets move, (A,), in shares of the velocity limit."""
        return np.abs(self._now.velocity)

    @property
    def is_at_rest(self) -> bool:
        """Whether the targets neither move nor will."""
        return bool((self._plan == self._now.position).all() and not self._now.velocity.any())

    def brake(self) -> np.ndarray:
        """Return the next target (A,) on the way to rest."""
        return self._advance(self._plan[0], np.concatenate([self._plan[1:], self._plan[-1:]]))

    def step(self, wanted: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Return the next target (A,), as near to what is wanted as the limits allow.

        What can be reached exactly, without passing it, is. Else it is the target whose brake plan ends nearest to
        where a joint would come to rest that moved like what is wanted: it comes up from behind and does not overshoot.

        Args:
            wanted: (A,), finite.
            velocity: (A,), how fast what is wanted moves, in units a second.
        """
        wanted = np.clip(np.asarray(wanted, np.float64) / self._scale, self._low, self._high)
        velocity = np.clip(np.asarray(velocity, np.float64) / self._scale, -1, 1)
        nearest, farthest = self._plan[0], self._inside(wanted)
        shares = np.linspace(0, 1, CANDIDATES)[:, None]
        candidates = nearest + shares * (farthest - nearest)  # (F, A); the first is the plan's own next target
        candidates[-1] = farthest
        motion = self._moved(candidates)
        plans, is_viable, rests = self._brakes(motion)  # (F, N, A), (F, A), (F, A)
        is_viable[0] = True
        rest = self._brakes(_Motion(wanted[None], velocity[None], np.zeros_like(velocity[None])))[2][0]
        cost = np.where(is_viable, np.abs(rests - rest), np.inf)
        cost[0] = np.where(np.isfinite(cost[0]), np.abs(self._plan[-1] - rest), np.inf)
        is_met = is_viable[-1] & (farthest == wanted)
        is_met &= np.abs(motion.velocity[-1] - velocity) <= self._meeting
        best = np.where(is_met, CANDIDATES - 1, cost.argmin(axis=0))  # (A,)
        each = np.arange(len(best))
        follows = np.concatenate([self._plan[1:], self._plan[-1:]])
        plan = np.where(best == 0, follows, plans[best, :, each].T)
        return self._advance(candidates[best, each], plan)

    def _advance(self, position: np.ndarray, plan: np.ndarray) -> np.ndarray:
        motion = self._moved(position[None])
        self._now = _Motion(position, _settled(motion.velocity[0]), _settled(motion.acceleration[0]))
        self._plan = plan
        return self.position

    def _moved(self, positions: np.ndarray) -> _Motion:
        """Return the motions (F, A) of moving to positions (F, A) in one tick."""
        velocity = (positions - self._now.position) / self.period_s
        return _Motion(positions, velocity, (velocity - self._now.velocity) / self.period_s)

    def _inside(self, wanted: np.ndarray) -> np.ndarray:
        """Return what is nearest to the wanted positions (A,) of all that one tick can reach inside all limits."""
        now, period = self._now, self.period_s
        most_a = np.minimum(self._most_a, now.acceleration + self._most_j * period)
        least_a = np.maximum(-self._most_a, now.acceleration - self._most_j * period)
        most_v = np.minimum(1.0, now.velocity + most_a * period)
        least_v = np.maximum(-1.0, now.velocity + least_a * period)
        low = np.maximum(self._low, now.position + least_v * period)
        high = np.minimum(self._high, now.position + most_v * period)
        return np.where(low <= high, np.clip(wanted, low, high), self._plan[0])

    def _brakes(self, motion: _Motion) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the shortest brake plan from each motion (F, A): positions (F, N, A), whether it is inside all
        limits (F, A), and where it ends (F, A)."""
        moving = np.stack([motion.velocity, motion.acceleration], axis=-1)  # (F, A, 2)
        shift, v, a, j = np.einsum("sknc,fac->sfakn", self._maps, moving)  # each (F, A, K, N)
        positions = motion.position[..., None, None] + shift
        slack = 1 + EPSILON
        low, high = self._low[:, None, None], self._high[:, None, None]
        is_inside = (
            (np.abs(v) <= slack)
            & (np.abs(a) <= slack * self._most_a[:, None, None])
            & (np.abs(j) <= slack * self._most_j[:, None, None])
            & (positions >= low - EPSILON)
            & (positions <= high + EPSILON)
        ).all(axis=-1)  # (F, A, K)
        ends = is_inside & (np.abs(v[..., -1]) <= 1e-9) & (np.abs(a[..., -1]) <= 1e-9)
        shortest = ends.argmax(axis=-1)[..., None, None]  # (F, A, 1, 1)
        plans = np.take_along_axis(positions, shortest, axis=2)[:, :, 0]  # (F, A, N)
        return plans.swapaxes(1, 2), ends.any(axis=-1), plans[..., -1]


def _settled(x: np.ndarray) -> np.ndarray:
    """Return x (A,) with what is left of rounding set to zero."""
    return np.where(np.abs(x) < 1e-9, 0.0, x)


def _brake_maps(ticks: int, period_s: float) -> np.ndarray:
    """Return how (velocity, acceleration) shape each brake plan of 1 to N ticks, (4, K, N, 2).

    The four are the shift of the position, velocity, acceleration and jerk at each tick. Each plan is the jerks of
    least norm that end at rest, by the pseudo-inverse of the map from jerks to the last acceleration and velocity.
    """
    maps = np.zeros((4, ticks, ticks, 2))
    for k in range(ticks):
        n = k + 1
        to_a = np.full(n, period_s)
        to_v = period_s**2 * np.arange(n, 0, -1)
        free_end = np.array([[0.0, 1.0], [1.0, n * period_s]])  # what (v, a) would become without any jerk: a, v
        jerks = -np.linalg.pinv(np.stack([to_a, to_v])) @ free_end  # (n, 2)
        maps[3, k, :n] = jerks
        maps[2, k, :n] = np.array([0.0, 1.0]) + period_s * jerks.cumsum(axis=0)
        maps[1, k, :n] = np.array([1.0, 0.0]) + period_s * maps[2, k, :n].cumsum(axis=0)
        maps[0, k, :n] = period_s * maps[1, k, :n].cumsum(axis=0)
        maps[0, k, n:] = maps[0, k, n - 1]  # it rests there
        for order in (1, 2):  # a plan of one tick cannot end every motion at rest: what is left shows that it does not
            maps[order, k, n:] = maps[order, k, n - 1]
    return maps
