"""Whether an answer may be played. T steps of a chunk, A action dimensions."""

import numpy as np

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.deploy.link import TimedChunk


class NotFiniteError(Exception):
    """A chunk holds NaN or infinity: something is broken, not merely late."""


def check_content(chunk: TimedChunk, spec: ActionSpec, horizon: int) -> str:
    """Return why a chunk cannot be played, or an empty string.

    Raises:
        NotFiniteError: It holds a number that is not finite.
    """
    actions = np.asarray(chunk.actions)
    if actions.dtype.kind != "f" or actions.shape != (horizon, len(spec)):
        return f"it is {actions.dtype} {actions.shape}, not float ({horizon}, {len(spec)})"
    if not np.isfinite(actions).all():
        step, dimension = np.argwhere(~np.isfinite(actions))[0]
        raise NotFiniteError(f"step {step} of '{spec.names[dimension]}' is {actions[step, dimension]}")
    for d, dimension in enumerate(spec.dimensions):
        low, high = dimension.low - dimension.tolerance, dimension.high + dimension.tolerance
        out = (actions[:, d] < low) | (actions[:, d] > high)
        if not dimension.wraps and out.any():
            value = actions[out.argmax(), d]
            return f"'{dimension.name}' is {value:.4g}, outside [{dimension.low:.4g}, {dimension.high:.4g}]"
    for name, shape in (("entropy", (horizon,)), ("expected_error", actions.shape)):
        extra = getattr(chunk, name)
        if extra is not None and (extra.shape != shape or not np.isfinite(extra).all()):
            return f"its {name} is not {shape} finite numbers"
    return ""
