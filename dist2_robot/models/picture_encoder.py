"""The contract of what looks at pictures. N pictures, P tokens of a picture, D width."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn

from dist2_robot.pictures import resize


class PictureEncoder(nn.Module, ABC):
    """Pictures to tokens.

    Attributes:
        size: (height, width) that it sees pictures in.
        tokens: How many each becomes, P.
        is_told: Whether it needs the task too.
    """

    is_told: ClassVar[bool] = False

    def __init__(self, size: tuple[int, int], tokens: int) -> None:
        super().__init__()
        self.size, self.tokens = size, tokens

    def forward(self, pictures: Tensor, told: Tensor | None = None) -> Tensor:
        """Return (N, P, D) for pictures (N, height, width, 3) from 0 to 255, of any size.

        Args:
            pictures: What is seen.
            told: The vectors of the tasks, (N, D), for those that are told.
        """
        scaled = self.scaled(pictures)
        return self.encode(scaled, told) if self.is_told else self.encode(scaled)

    def scaled(self, pictures: Tensor) -> Tensor:
        """Return pictures as `encode` takes them."""
        return resize(pictures, self.size).movedim(-1, 1).float() / 255

    @abstractmethod
    def encode(self, pictures: Tensor, told: Tensor | None = None) -> Tensor:
        """Return (N, P, D) for pictures (N, 3, height, width) from 0 to 1, of the size, and tasks (N, D) if told."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return plain values from which the registry builds such an encoder anew, for a size and a width."""


def imagenet_scale(pictures: Tensor) -> Tensor:
    """Return pictures (N, 3, height, width) from 0 to 1 on the scale that pretrained networks expect."""
    mean = pictures.new_tensor((0.485, 0.456, 0.406))[:, None, None]
    std = pictures.new_tensor((0.229, 0.224, 0.225))[:, None, None]
    return (pictures - mean) / std
