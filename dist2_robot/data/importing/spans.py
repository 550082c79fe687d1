"""Where the episodes of one long recording begin and end."""

import numpy as np

from dist2_robot.errors import InputError


def spans_of(ends: np.ndarray, where: str) -> list[tuple[int, int]]:
    """Return (first frame, one past the last) of each episode.

    Args:
        ends: One past the last frame of each episode, as Diffusion Policy writes them.
        where: What to blame, for the message.

    Raises:
        InputError: They are no growing whole numbers, or there is none.
    """
    if ends.ndim != 1 or not len(ends) or ends.dtype.kind not in "iu":
        raise InputError(f"{where} must hold whole numbers, one an episode, got {ends.shape} {ends.dtype}")
    numbers = ends.astype(np.int64)
    starts = np.concatenate([[0], numbers[:-1]])
    wrong = np.flatnonzero(numbers < starts)
    if len(wrong):
        raise InputError(
            f"{where} goes back at episode {wrong[0]} ({starts[wrong[0]]} to {numbers[wrong[0]]}): mend it"
        )
    return [(int(start), int(end)) for start, end in zip(starts, numbers, strict=True)]
