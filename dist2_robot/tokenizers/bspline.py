"""The control points of a B-spline through a chunk. T steps, K control points."""

from typing import Any

import numpy as np
import torch
from scipy.interpolate import BSpline
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.tokenizers.transformed import TransformedTokenizer, checked_count

DEGREE = 3


class BsplineTokenizer(TransformedTokenizer):
    """K control points of the clamped cubic B-spline that is nearest to the chunk in the sense of least squares.

    After BEAST (Zhou et al. 2025, arXiv 2506.06072): smooth, of fixed length, and every token a number. With K below 4
    the degree is K - 1: a parabola, a line, a constant.

    Each step is a weighted mean of control points, so its error is at most the largest of theirs: the tolerance of a
    control point is the one of the dimension. What the spline cannot follow, as a gripper that snaps shut, adds to it.
    """

    def __init__(self, spec: ActionSpec, horizon: int, bins: int = 256, control_points: int | None = None) -> None:
        """Args: spec: Limits and tolerances. horizon: T. bins: V.

        control_points: K, at most T; None: half as many as steps, at least 4 where the steps are that many.
        """
        count = min(horizon, max(DEGREE + 1, (horizon + 1) // 2)) if control_points is None else control_points
        basis = spline_basis(horizon, checked_count("control_points", count, horizon))
        super().__init__(spec, torch.linalg.pinv(basis), basis, bins)
        self.control_points = control_points

    def config(self) -> dict[str, Any]:
        return {
            "name": "bspline",
            "horizon": self.horizon,
            "bins": self.vocab_size,
            "control_points": self.control_points,
        }


def spline_basis(steps: int, count: int) -> Tensor:
    """Return how much each control point counts at each step, (T, K), float64; rows add up to 1.

    Knots are evenly spaced over [0, 1], as are the steps, and the ends are clamped: the curve begins at the first
    control point and ends at the last.
    """
    degree = min(DEGREE, count - 1)
    inner = np.linspace(0, 1, count - degree + 1)
    knots = np.concatenate([np.zeros(degree), inner, np.ones(degree)])
    return torch.from_numpy(BSpline.design_matrix(np.linspace(0, 1, steps), knots, degree).toarray())
