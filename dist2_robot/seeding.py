"""Seeds of separate streams, so that seed 0 of collecting is not seed 0 of evaluating."""

from typing import Literal

import numpy as np

Stream = Literal["collect", "noise", "train", "evaluate", "validate", "step", "pretrain"]
_STREAM_KEYS: dict[Stream, int] = {
    "collect": 1,
    "noise": 2,
    "train": 3,
    "evaluate": 4,
    "validate": 5,
    "step": 6,
    "pretrain": 7,
}


def stream_seed(seed: int, stream: Stream, index: int = 0) -> int:
    """Return the 31-bit seed of draw `index` in a stream; a function of its arguments and of nothing else."""
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=(_STREAM_KEYS[stream], index))
    return int(sequence.generate_state(1)[0] >> 1)
