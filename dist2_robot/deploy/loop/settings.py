"""What a user may choose about a run on a robot."""

import math
from dataclasses import dataclass, fields
from typing import Literal, get_args

from dist2_robot.errors import InputError

Mode = Literal["live", "dry_run", "shadow"]
Start = Literal["check", "ramp"]


@dataclass(frozen=True)
class ControlSettings:
    """Times in s.

    Attributes:
        rate_hz: Of the control loop; the policy's own rate is in its action spec.
        mode: ``live``; ``dry_run`` sends nothing; ``shadow`` sends nothing while a person moves the robot.
        task: What the policy is told.
        n_action_steps: Steps of a chunk that are played before the next is to take over.
        use_prefix: Whether the policy is given what is committed, if it was trained for it.
        wait: Stand still while the policy thinks.
        blend_s: How long it takes to go over from one chunk to the next.
        latency_s: How long the first answer is expected to take; later the answers tell.
        start: Where the first action is far: ``check`` refuses, ``ramp`` goes there slowly first.
        start_within_s: How far is far: what full speed would take so long for.
        ramp_speed: Of the velocity limit.
        answer_timeout_s: How long the first answer may take, and the first one after a ramp.
        hold_timeout_s: How long it stands for lack of a fresh chunk before it stops; a shadow, has nothing to show.
        limited_timeout_s: How long targets may lag behind what is wanted before it stops.
        max_state_age_s: How old joint positions may be.
        max_frame_age_s: How old pictures may be.
        frozen_s: How long pictures or positions may stay the same to the bit while the robot moves.
        slow_when_unsure: Expected error, in tolerances, above which it goes slower; None for never.
        stop_when_unsure: Expected error, in tolerances, above which it holds; None for never.
    """

    rate_hz: float = 30.0
    mode: Mode = "live"
    task: str | None = None
    n_action_steps: int = 4
    use_prefix: bool = True
    wait: bool = False
    blend_s: float = 0.1
    latency_s: float = 0.05
    start: Start = "check"
    start_within_s: float = 0.25
    ramp_speed: float = 0.2
    answer_timeout_s: float = 10.0
    hold_timeout_s: float = 2.0
    limited_timeout_s: float = 1.0
    max_state_age_s: float = 0.1
    max_frame_age_s: float = 0.5
    frozen_s: float = 1.0
    slow_when_unsure: float | None = None
    stop_when_unsure: float | None = None

    def __post_init__(self) -> None:
        for name, choices in (("mode", get_args(Mode)), ("start", get_args(Start))):
            if getattr(self, name) not in choices:
                raise InputError(f"{name} must be one of {', '.join(choices)}, got '{getattr(self, name)}'")
        if isinstance(self.n_action_steps, bool) or self.n_action_steps < 1:
            raise InputError(f"n_action_steps must be at least 1, got {self.n_action_steps}")
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, bool | str) or value is None:
                continue
            least = 0.0 if entry.name == "blend_s" else 1e-6
            if not (math.isfinite(value) and value >= least):
                raise InputError(f"{entry.name} must be a positive number, got {value}")
        if self.ramp_speed > 1:
            raise InputError(f"ramp_speed must be at most 1, the velocity limit, got {self.ramp_speed}")

    @property
    def period_s(self) -> float:
        """Of the control loop."""
        return 1 / self.rate_hz
