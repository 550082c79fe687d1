"""When a training has learned what it can."""

from collections.abc import Mapping
from statistics import fmean
from typing import Any

import torch
from torch import Tensor


class Patience:
    """Counts validations since the smallest held-out action error, in tolerances; 0 validations: never over."""

    def __init__(self, validations: int) -> None:
        self.validations = validations
        self.best = float("inf")
        self.without_progress = 0

    @property
    def is_over(self) -> bool:
        """Whether so many validations brought nothing better."""
        return 0 < self.validations <= self.without_progress

    def note(self, validation: Mapping[str, Any]) -> None:
        """Take in a validation with its ``action_error_by_step``, or with its ``loss`` where nothing acts."""
        if not self.validations:
            return
        acts = "action_error_by_step" in validation
        error = fmean(validation["action_error_by_step"]) if acts else validation["loss"]
        self.without_progress = 0 if error < self.best else self.without_progress + 1
        self.best = min(self.best, error)

    def state(self) -> dict[str, Tensor]:
        """Return what a resumed training needs."""
        return {
            "patience.best": torch.tensor(self.best, dtype=torch.float64),
            "patience.without_progress": torch.tensor(self.without_progress),
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Undo `state`."""
        self.best = float(tensors["patience.best"])
        self.without_progress = int(tensors["patience.without_progress"])

    @classmethod
    def restored(cls, validations: int, tensors: Mapping[str, Tensor]) -> "Patience":
        """Return the patience of a checkpoint, with so many validations from now on."""
        patience = cls(validations)
        patience.restore(tensors)
        return patience
