"""Observed numbers to the scale that networks like, and nothing that explodes."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dist2_robot.finite import all_finite
from dist2_robot.types import Observation

# A spread below this share of the magnitude is taken for a constant: dividing by it would blow up noise.
CONSTANT_SPREAD = 1e-4
LIMIT = 10.0  # standard deviations


class Normalizer(nn.Module):
    """``(x - mean) / std`` of each number of each feature, cut off at 10 standard deviations.

    A number that hardly moved in the data (std < 1e-4 max(1, |mean|)) is only shifted, never divided.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        """Args: sizes: Feature name -> length of its vector. Starts as the identity; `fit` sets it."""
        super().__init__()
        self.sizes = dict(sizes)
        for name, size in self.sizes.items():
            self.register_buffer(_key(name, "mean"), torch.zeros(size))
            self.register_buffer(_key(name, "std"), torch.ones(size))

    def fit(self, columns: Mapping[str, Tensor]) -> None:
        """Take mean and spread from recorded columns (N, size). Raises ValueError where a number is not finite."""
        for name in self.sizes:
            column = self._checked(name, columns.get(name)).double()
            mean, std = column.mean(dim=0), column.std(dim=0, correction=0)
            constant = std < CONSTANT_SPREAD * mean.abs().clamp(min=1.0)
            std = torch.where(constant, torch.ones_like(std), std)
            self.get_buffer(_key(name, "mean")).copy_(mean)
            self.get_buffer(_key(name, "std")).copy_(std)

    def statistics(self, name: str) -> tuple[Tensor, Tensor]:
        """Return mean and spread (size,) of a feature."""
        return self.get_buffer(_key(name, "mean")), self.get_buffer(_key(name, "std"))

    def normalize(self, observation: Observation) -> Observation:
        """Return the observation on the normalised scale.

        Raises ValueError where a feature is missing, has another length or holds a number that is not finite.
        """
        normalised = {}
        for name in self.sizes:
            x = self._checked(name, observation.features.get(name))
            mean, std = self.get_buffer(_key(name, "mean")), self.get_buffer(_key(name, "std"))
            normalised[name] = ((x - mean) / std).clamp(-LIMIT, LIMIT)
        return Observation(normalised)

    def _checked(self, name: str, x: Tensor | None) -> Tensor:
        if x is None:
            raise ValueError(f"'{name}' is missing")
        if x.ndim not in (2, 3) or x.shape[-1] != self.sizes[name]:  # a single number would broadcast in silence
            raise ValueError(f"'{name}' must be (B, {self.sizes[name]}), got {tuple(x.shape)}")
        if not all_finite(x):
            raise ValueError(f"'{name}' holds a number that is not finite")
        return x


def _key(feature: str, statistic: str) -> str:
    return f"{feature.replace('.', '_')}_{statistic}"
