"""The cosine transform of a chunk: slow movements in the first coefficients, jitter in the last. T steps, K kept."""

import math
from typing import Any

import numpy as np
import torch
from scipy.fft import dct

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.tokenizers.transformed import TransformedTokenizer, checked_count


class DctTokenizer(TransformedTokenizer):
    """The first K coefficients of the orthonormal DCT-II, as in FAST (arXiv 2501.09747) without its merging.

    The transform keeps lengths: errors e_k of the coefficients are errors of the steps of ``sqrt(sum e_k^2 / T)`` root
    mean square. A coefficient's tolerance is ``sqrt(T / K)`` of the dimension's: where all coefficients err by theirs,
    the steps err by theirs, root mean square, beside what the dropped ones add.
    """

    def __init__(self, spec: ActionSpec, horizon: int, bins: int = 256, coefficients: int | None = None) -> None:
        """Args: spec: Limits and tolerances. horizon: T. bins: V. coefficients: K; None: all T, and nothing is lost."""
        kept = horizon if coefficients is None else coefficients
        checked_count("coefficients", kept, horizon)
        matrix = torch.from_numpy(dct(np.eye(horizon), axis=0, norm="ortho")[:kept])  # (K, T)
        super().__init__(spec, matrix, matrix.T, bins, math.sqrt(horizon / kept))
        self.coefficients = coefficients

    def config(self) -> dict[str, Any]:
        return {
            "name": "dct",
            "horizon": self.horizon,
            "bins": self.vocab_size,
            "coefficients": self.coefficients,
        }
