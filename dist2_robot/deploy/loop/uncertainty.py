"""How uncertain a policy was of each step when it chose it. T steps of a chunk, A action dimensions, P committed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dist2_robot.deploy.link import TimedChunk


@dataclass(frozen=True)
class Uncertainty:
    """Of the steps of one chunk.

    Attributes:
        expected_error: (T,), in tolerances, mean of the dimensions that are predicted; None if unknown.
        entropy: (T,), of the tokens, in nats; None if unknown.
    """

    expected_error: np.ndarray | None = None
    entropy: np.ndarray | None = None

    @classmethod
    def of(cls, chunk: TimedChunk, tolerances: np.ndarray, is_predicted: np.ndarray) -> "Uncertainty":
        """Return that of a chunk; its committed steps tell nothing yet, see `committed_from`.

        Args:
            chunk: Checked.
            tolerances: (A,), in the units of its actions.
            is_predicted: (A,), false for dimensions that never moved in the data.
        """
        error = chunk.expected_error
        share = None if error is None else (error / tolerances)[:, is_predicted].mean(axis=1)
        return cls(share, chunk.entropy)

    def committed_from(self, older: "Uncertainty", steps: Sequence[int]) -> "Uncertainty":
        """Return the same with the first steps as uncertain as they were when they were chosen.

        A policy chooses nothing where it was told what is decided, and gives 0 there.

        Args:
            older: Of the chunk that chose them.
            steps: (P,), which of its steps they are.
        """
        return Uncertainty(
            _replaced(self.expected_error, older.expected_error, steps), _replaced(self.entropy, older.entropy, steps)
        )

    def at(self, step: int) -> tuple[float | None, float | None]:
        """Return expected error and entropy of a step."""
        error, entropy = self.expected_error, self.entropy
        return None if error is None else float(error[step]), None if entropy is None else float(entropy[step])


def _replaced(values: np.ndarray | None, older: np.ndarray | None, steps: Sequence[int]) -> np.ndarray | None:
    if values is None or older is None:
        return values
    return np.concatenate([older[list(steps)], values[len(steps) :]])
