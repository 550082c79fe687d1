"""A learned vector for each task of the data. B batch, D width."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.models.instruction_encoder import InstructionEncoder


class TaskEmbedding(InstructionEncoder):
    """Knows the tasks of its data by heart, and no others."""

    def __init__(self, tasks: Sequence[str], width: int) -> None:
        """Args: tasks: Those of the data. width: D."""
        super().__init__()
        if not tasks:
            raise ValueError("the data tell no task to learn")
        self.numbers = {task: number for number, task in enumerate(tasks)}
        self.embedding = nn.Embedding(len(self.numbers), width)

    def forward(self, tasks: Sequence[str]) -> Tensor:
        unknown = sorted(set(tasks) - set(self.numbers))
        if unknown:
            raise ValueError(f"the policy never learned the task '{unknown[0]}', only {sorted(self.numbers)}")
        device = self.embedding.weight.device
        return self.embedding(torch.tensor([self.numbers[task] for task in tasks], device=device))

    def config(self) -> dict[str, Any]:
        return {"name": "embedding"}
