"""The part of its limits that demonstrations use. A action dimensions."""

import torch
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec

MARGIN = 0.1  # of the used part, on either side of it, and a tolerance at least


def used_range(spec: ActionSpec, actions: Tensor) -> Tensor:
    """Return lowest and highest of recorded actions (..., A), with a margin and within the limits: (2, A), float64.

    Dimensions that wrap keep their circle.

    Raises:
        ValueError: There is no action.
    """
    columns = actions.reshape(-1, len(spec)).double()
    if not len(columns):
        raise ValueError("there is no whole chunk to take the range of")

    def of_spec(name: str) -> Tensor:
        return torch.tensor(
            [float(getattr(d, name)) for d in spec.dimensions], dtype=torch.float64, device=columns.device
        )

    low, high, wraps = of_spec("low"), of_spec("high"), of_spec("wraps").bool()
    columns = torch.minimum(torch.maximum(columns, low), high)
    least, most = columns.amin(dim=0), columns.amax(dim=0)
    margin = torch.maximum(MARGIN * (most - least), of_spec("tolerance"))
    used = torch.stack([torch.maximum(least - margin, low), torch.minimum(most + margin, high)])
    return torch.where(wraps, torch.stack([low, high]), used)
