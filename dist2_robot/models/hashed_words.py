"""A task by its words, without a vocabulary. B batch, D width."""

import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any
from zlib import crc32

import torch
from torch import Tensor, nn

from dist2_robot.models.instruction_encoder import InstructionEncoder


class HashedWords(InstructionEncoder):
    """The mean of learned vectors of words and of pairs of neighbours, each found by a hash (Weinberger et al. 2009).

    Any text can be read, and what shares words with a known task comes near it; that two words mean the same it does
    not know.
    """

    def __init__(self, tasks: Sequence[str], width: int, *, buckets: int = 4096) -> None:
        """Args: tasks: Not needed. width: D. buckets: How many vectors words share."""
        super().__init__()
        if buckets < 1:
            raise ValueError(f"buckets must be at least 1, got {buckets}")
        self.buckets = buckets
        self.words = nn.EmbeddingBag(buckets, width, mode="mean")
        self.mix = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width))

    def forward(self, tasks: Sequence[str]) -> Tensor:
        different = list(dict.fromkeys(tasks))
        numbers = [word_numbers(task, self.buckets) for task in different]
        empty = [task for task, some in zip(different, numbers, strict=True) if not some]
        if empty:
            raise ValueError(f"the task '{empty[0]}' holds no word")
        device = self.words.weight.device
        starts = torch.tensor([0, *map(len, numbers[:-1])], device=device).cumsum(0)
        vectors = self.mix(self.words(torch.tensor([n for some in numbers for n in some], device=device), starts))
        row = {task: i for i, task in enumerate(different)}
        return vectors[torch.tensor([row[task] for task in tasks], device=device)]

    def config(self) -> dict[str, Any]:
        return {"name": "words", "buckets": self.buckets}


@cache
def word_numbers(text: str, buckets: int) -> tuple[int, ...]:
    """Return the numbers of the words of a text and of their pairs; the same on every machine."""
    words = re.findall(r"\w+", text.lower())
    return tuple(crc32(part.encode()) % buckets for part in [*words, *map(" ".join, pairwise(words))])
