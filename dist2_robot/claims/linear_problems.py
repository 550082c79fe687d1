"""Linear regression to be read and written: pairs (x, y) of one line, the last y to be told. N problems, P pairs."""

from dataclasses import dataclass

import torch
from torch import Tensor

DETERMINED = 2  # pairs that tell the line


@dataclass(frozen=True)
class LinearProblems:
    """Attributes: x: (N, P), middles of the cells that they are written in. y: (N, P), on a line of each problem's."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def take(self, index: Tensor) -> "LinearProblems":
        """Return some of the problems."""
        return LinearProblems(self.x[index], self.y[index])


def draw_problems(count: int, pairs: int, cells: int, generator: torch.Generator) -> LinearProblems:
    """Draw problems: the line's heights at x = 0 and x = 1 are uniform in (0, 1), and so is the last x.

    The x before it are the same in all problems, evenly spaced from the first cell to the last. With x drawn at random,
    cross-entropy did no better than the mean of the y's after 800 steps of a small network from scratch.

    Args:
        count: N.
        pairs: P, 3 at least.
        cells: How many numbers x is written in: it is the middle of one.
        generator: Of all draws.
    """
    told = torch.linspace(0, cells - 1, pairs - 1).round().expand(count, -1)
    asked = torch.randint(cells, (count, 1), generator=generator)
    x = (torch.cat([told, asked], dim=1) + 0.5) / cells
    left, right = torch.rand(2, count, 1, generator=generator)
    return LinearProblems(x, left + (right - left) * x)


def without_learning(problems: LinearProblems, rule: str) -> Tensor:
    """Return the last y (N,) without training: the ``mean`` of those before, or that of the ``nearest`` x."""
    x, y = problems.x, problems.y
    if rule == "mean":
        return y[:, :-1].mean(1)
    if rule == "nearest":
        nearest = (x[:, :-1] - x[:, -1:]).abs().argmin(1)
        return y[torch.arange(len(y)), nearest]
    raise ValueError(f"no rule '{rule}': mean, nearest")
