"""What is seen and told, to transformer inputs. B batch, K moments, P tokens of a picture, F tokens in all, D width."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.actions.normalizer import Normalizer
from dist2_robot.models.instruction_encoder import InstructionEncoder
from dist2_robot.models.picture_encoder import PictureEncoder
from dist2_robot.models.state_encoder import StateEncoder
from dist2_robot.types import Observation, ObservationSpec


class ObservationEncoder(nn.Module):
    """One token a vector of numbers, some a picture, one for the task, each with a learned embedding of its place.

    Args:
        observation: What is looked at.
        width: D.
        cameras: Feature name of each picture -> what encodes it.
        instruction: What encodes the task, for a policy that is told one.
    """

    def __init__(
        self,
        observation: ObservationSpec,
        width: int,
        cameras: Mapping[str, PictureEncoder] | None = None,
        instruction: InstructionEncoder | None = None,
    ) -> None:
        super().__init__()
        cameras = cameras or {}
        if set(cameras) != set(observation.pictures):
            raise ValueError(f"pictures {sorted(observation.pictures)} need one encoder each, got {sorted(cameras)}")
        if instruction is None and any(camera.is_told for camera in cameras.values()):
            raise ValueError(
                "vision=film looks for what it is told: it needs an instruction, and data of several tasks"
            )
        if not observation.names:
            raise ValueError("a policy needs at least one observed feature")
        self.observation = observation
        self.normalizer = Normalizer(observation.numbers)
        self.numbers = StateEncoder(observation.numbers, width, observation.history)
        self.cameras = nn.ModuleList(cameras[name] for name in observation.pictures)
        self.instruction = instruction
        seen = [cameras[name].tokens * observation.history for name in observation.pictures]
        self.tokens = len(observation.numbers) + sum(seen) + (instruction is not None)
        self.place = nn.Parameter(torch.randn(self.tokens, width) * 0.02)  # (F, D)

    def config(self) -> dict[str, Any]:
        """Return plain values from which the registry builds this encoder anew, for a width."""
        vision = next((camera.config() for camera in self.cameras), None)  # type: ignore[operator]
        return {
            "observation": self.observation.to_dict(),
            "vision": vision,
            "instruction": None if self.instruction is None else self.instruction.config(),
        }

    def forward(self, observation: Observation) -> Tensor:
        """Return (B, F, D).

        Raises:
            ValueError: A feature is missing, has another shape or holds a number that is not finite, or the task is
                missing or not known.
        """
        parts, told = [], None
        if self.instruction is not None:
            if observation.tasks is None:
                raise ValueError("this policy is told what to do: the observation says no task")
            told = self.instruction(observation.tasks)  # (B, D)
        if self.observation.numbers:
            parts.append(self.numbers(self.normalizer.normalize(observation)))
        for name, camera in zip(self.observation.pictures, self.cameras, strict=True):
            pictures = self._pictures(name, observation)  # (B, K, height, width, 3)
            each = None if told is None else told.repeat_interleave(pictures.shape[1], dim=0)  # (B * K, D)
            seen = camera(pictures.flatten(0, 1), each)
            parts.append(seen.unflatten(0, pictures.shape[:2]).flatten(1, 2))  # (B, K * P, D)
        if told is not None:
            parts.append(told[:, None])
        return torch.cat(parts, dim=1) + self.place

    def _pictures(self, name: str, observation: Observation) -> Tensor:
        pictures = observation.features.get(name)
        if pictures is None:
            raise ValueError(f"'{name}' is missing")
        if pictures.ndim == 4:
            pictures = pictures[:, None]
        if pictures.ndim != 5 or pictures.shape[-1] != 3 or pictures.shape[1] != self.observation.history:
            wanted = "height, width, 3" if self.observation.history == 1 else f"{self.observation.history}, height, ..."
            raise ValueError(f"'{name}' must be (B, {wanted}), got {tuple(pictures.shape)}")
        return pictures
