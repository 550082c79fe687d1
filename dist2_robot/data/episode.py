"""One recorded episode, as it is handed to the dataset writer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Episode:
    """A demonstration from reset to end.

    Attributes:
        features: LeRobot's feature names -> (T, ...), the observation before each action and the action itself.
            Numbers are float32, images uint8 (T, height, width, 3), perhaps read when they are asked for.
        task: What was to be done, in words; or one text a frame.
        seed: The environment seed that gave the initial state.
    """

    features: Mapping[str, np.ndarray]
    task: str | Sequence[str]
    seed: int

    def __len__(self) -> int:
        return len(self.features["action"])
