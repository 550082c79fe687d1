"""Which tokens of a language model's vocabulary have a distance. V_d metric tokens, in the order of their distances."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class MetricVocabulary(nn.Module):
    """Finds metric tokens among vocabulary ids.

    Args:
        token_ids: (V_d,), the vocabulary id of metric token 0, 1, ...

    Raises:
        ValueError: An id is negative or comes twice.
    """

    token_ids: Tensor
    index: Tensor

    def __init__(self, token_ids: Sequence[int] | Tensor) -> None:
        super().__init__()
        ids = torch.as_tensor(token_ids)
        if ids.ndim != 1 or not len(ids) or ids.is_floating_point() or ids.min() < 0:
            raise ValueError(f"token_ids must be a list of vocabulary ids, got shape {tuple(ids.shape)}, {ids.dtype}")
        if len(ids.unique()) != len(ids):
            raise ValueError("token_ids must name each token once")
        index = torch.full((int(ids.max()) + 2,), -1)  # the last place is for all ids beyond
        index[ids] = torch.arange(len(ids))
        self.register_buffer("token_ids", ids.long(), persistent=False)
        self.register_buffer("index", index, persistent=False)

    def __len__(self) -> int:
        return len(self.token_ids)

    def find(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the number of each target among the metric tokens, 0 where it is none, and whether it is one."""
        beyond = len(self.index) - 1
        found = self.index[torch.where((targets < 0) | (targets > beyond), beyond, targets)]
        return found.clamp(min=0), found >= 0
