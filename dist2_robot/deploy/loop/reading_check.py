"""Whether what a robot tells is of now: old, frozen and impossible readings must not be acted on."""

import numpy as np

from dist2_robot.deploy.loop.settings import ControlSettings
from dist2_robot.deploy.loop.tick import TickInput
from dist2_robot.deploy.robot import Reading, RobotDescription

FUTURE_S = 0.05  # a time stamp this far ahead is of another clock


class ReadingCheck:
    """Compares each reading with the clock, and with the ones before.

    Args:
        settings: How old and how frozen readings may be.
        robot: What it must tell.
    """

    def __init__(self, settings: ControlSettings, robot: RobotDescription) -> None:
        self._settings, self._robot = settings, robot
        self.clear()

    def clear(self) -> None:
        """Forget the readings so far."""
        self._last: Reading | None = None
        self._pictures_since_s: dict[str, tuple[int, float]] = {}
        self._positions_since_s: float | None = None

    def fault(self, seen: TickInput, *, is_still: bool) -> str:
        """Return what is wrong with a reading, or an empty string.

        Args:
            seen: Its reading, checksums and time.
            is_still: Whether the robot is not being moved, when pictures and positions may well stay the same.
        """
        reading = seen.reading
        if reading is None:
            return ""
        found = self._not_finite(reading) or self._too_old(reading, seen.now_s) or self._frozen(seen, is_still)
        self._last = reading
        return found

    def _not_finite(self, reading: Reading) -> str:
        if not np.isfinite(reading.positions).all():
            return f"the robot's positions are not finite: {reading.positions.tolist()}"
        for name, values in reading.features.items():
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                return f"'{name}' is not finite: {values.tolist()}"
        return ""

    def _too_old(self, reading: Reading, now_s: float) -> str:
        stamps = {"the robot's positions are": (reading.measured_s, self._settings.max_state_age_s)}
        for name, taken_s in reading.frames_s.items():
            stamps[f"'{name}' is"] = (taken_s, self._settings.max_frame_age_s)
        for what, (taken_s, most_s) in stamps.items():
            age_s = now_s - taken_s
            if not -FUTURE_S <= age_s <= most_s:
                return f"{what} {age_s:.3f} s old; at most {most_s:g} s is allowed"
        return ""

    def _frozen(self, seen: TickInput, is_still: bool) -> str:
        assert seen.reading is not None
        now_s, most_s = seen.now_s, self._settings.frozen_s
        for name, total in seen.picture_sums.items():
            before = self._pictures_since_s.get(name)
            if is_still or before is None or before[0] != total:
                self._pictures_since_s[name] = (total, now_s)
            elif now_s - before[1] > most_s:
                return f"'{name}' has been the same picture for {now_s - before[1]:.1f} s while the robot moves"
        same = self._last is not None and (self._last.positions == seen.reading.positions).all()
        if is_still or not same:
            self._positions_since_s = now_s
        elif self._positions_since_s is not None and now_s - self._positions_since_s > most_s:
            same_s = now_s - self._positions_since_s
            return f"the robot's positions have been the same for {same_s:.1f} s while it moves"
        return ""
