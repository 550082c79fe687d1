"""An observation as a language model sees it: words of the task, then tokens of what is seen, then those of the chunk.

B batch, P words of the prompt, F tokens of what is seen, n tokens of the chunk so far, D width.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.models.language_model import LanguageModel
from dist2_robot.models.observation_encoder import ObservationEncoder
from dist2_robot.types import Observation

TASK = "{task}"


@dataclass
class LanguageState:
    """Attributes:
    cache: Keys and values of all so far.
    mask: (B, all so far), 1 for what counts.
    """

    cache: Any
    mask: Tensor


class LanguageTrunk(nn.Module):
    """From an observation and the tokens of a chunk, as vectors, to features of the chunk.

    Args:
        encoder: Makes tokens of what is seen, of the width of the model; they begin as large as words.
        language: The model.
        prompt: A text in which ``{task}`` stands for what is to be done.
    """

    def __init__(self, encoder: ObservationEncoder, language: LanguageModel, prompt: str) -> None:
        super().__init__()
        if TASK not in prompt:
            raise ValueError(f"the prompt must say where the task stands, with {TASK}: got '{prompt}'")
        self.encoder, self.language, self.prompt = encoder, language, prompt
        self.norm = nn.LayerNorm(language.width)
        nn.init.constant_(self.norm.weight, language.spread)

    def forward(self, observation: Observation, inputs: Tensor, count: int) -> Tensor:
        """Return the features (B, count, D) of the last elements of prompt and chunk.

        Args:
            observation: What is seen, in its own units.
            inputs: (B, n, D), the tokens of the chunk.
            count: How many features.
        """
        seen, mask = self._look(observation)
        x = torch.cat([seen, inputs.to(seen.dtype)], dim=1)
        return self.language(x, _longer(mask, inputs.shape[1]))[:, -count:].to(inputs.dtype)

    @property
    def blocks(self) -> Iterable[nn.Module]:
        """The layers of the model."""
        return next(module for module in self.language.modules() if isinstance(module, nn.ModuleList))

    def begin(self, observation: Observation) -> tuple[LanguageState, Tensor]:
        """Look at the observation once; return where `extend` goes on from, and the last feature (B, 1, D)."""
        seen, mask = self._look(observation)
        state = LanguageState(self.language.new_cache(), mask)
        return state, self.language(seen, mask, state.cache)[:, -1:].to(self.norm.weight.dtype)

    def extend(self, state: LanguageState, inputs: Tensor) -> Tensor:
        """Return the features (B, n, D) of more tokens of the chunk, as vectors (B, n, D)."""
        state.mask = _longer(state.mask, inputs.shape[1])
        return self.language(inputs, state.mask, state.cache).to(inputs.dtype)

    def _look(self, observation: Observation) -> tuple[Tensor, Tensor]:
        """Return the prompt (B, P + F, D), and what of it counts (B, P + F)."""
        words, mask = self.language.read([self.prompt.replace(TASK, task) for task in self._tasks(observation)])
        seen = self.norm(self.encoder(observation))
        return torch.cat([words.to(seen.dtype), seen], dim=1), _longer(mask, seen.shape[1])

    def _tasks(self, observation: Observation) -> tuple[str, ...]:
        if observation.tasks is not None:
            return observation.tasks
        known = self.encoder.observation.tasks
        if len(known) != 1:
            raise ValueError("this policy is told what to do: the observation says no task")
        return known * observation.batch_size  # it never did anything else


def _longer(mask: Tensor, count: int) -> Tensor:
    return nn.functional.pad(mask, (0, count), value=1)
