"""A control: the same distances between the wrong tokens."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.distance_error import DistanceError
from dist2_robot.distances.protocol import Distance
from dist2_robot.distances.squared import SquaredDistance

OF = {"squared": SquaredDistance, "absolute": AbsoluteDistance}


class RandomDistance(Distance):
    """``d(v, w) = d_of(pi(v), pi(w))`` with a random permutation pi of the tokens, drawn for each group.

    Every row of the table is a row of the true one in another order. So the targets have the same entropies, averaged
    over tokens, and as many tokens share their mass as with the true distance: only *which* tokens is without sense.
    What such a loss gains is the gain of smoothing and not of the metric (in arXiv 2503.02379 a random metric gained
    nothing).

    Of negative type exactly as the distance it permutes.
    """

    name = "random"

    def __init__(self, seed: int = 0, of: str = "squared", unit: str = "tolerance") -> None:
        """Args: seed: Of the permutations. of: Which distance to permute, squared or absolute. unit: See `Distance`."""
        super().__init__(unit)
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ValueError(f"seed must be a whole number, 0 or more, got {seed!r}")
        if of not in OF:
            raise ValueError(f"there is no distance '{of}' to permute: use one of {', '.join(OF)}")
        self.seed = seed
        self.of = of
        self.true_distance: Distance = OF[of](unit)
        self.power = self.true_distance.power

    def __call__(self, a: Tensor, b: Tensor, period: float | None = None) -> Tensor:
        raise DistanceError("the random distance permutes tokens and knows no values: use distance=squared")

    def table(self, points: Tensor, period: float | None = None) -> Tensor:
        return self.tables(points[None], [period])[0]

    def tables(self, points: Tensor, periods: Sequence[float | None], valid: Tensor | None = None) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        distances = self.true_distance.tables(points, periods, valid)
        for group, table in enumerate(distances):
            order = torch.arange(len(table))
            # Tokens that a group lacks stay where they are, or true tokens would get their distances.
            there = order.clone() if valid is None else order[valid[group].cpu()]
            order[there] = there[torch.randperm(len(there), generator=generator)]
            order = order.to(table.device)
            distances[group] = table[order][:, order]
        return distances

    def config(self) -> dict[str, Any]:
        return super().config() | {"seed": self.seed, "of": self.of}
