"""Pictures moved and tinted a little, so that a policy learns what in them matters. B batch."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dist2_robot.errors import InputError
from dist2_robot.types import Batch


@dataclass(frozen=True)
class Augmentation:
    """What is drawn anew for every picture of every step.

    Attributes:
        shift: At most how far it is moved along each axis, as a share of its size; the border is repeated (random
            crops of a padded picture, Yarats et al. 2021, arXiv:2004.13649).
        colour: At most how far brightness, contrast and saturation are changed, as a share.
    """

    shift: float
    colour: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
                raise InputError(f"augmentation.{name} must be a share in [0, 1), got {value!r}")

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with other pictures, as floats from 0 to 255; numbers stay as they are."""
        if not self.shift and not self.colour:
            return batch
        seen = {name: self._change(x) if x.ndim >= 4 else x for name, x in batch.observation.features.items()}
        return replace(batch, observation=replace(batch.observation, features=seen))

    def _change(self, pictures: Tensor) -> Tensor:
        """Change pictures (B, [moments,] height, width, 3); the moments of one history alike."""
        moments = pictures if pictures.ndim == 5 else pictures[:, None]
        moved = shifted(moments, self.shift) if self.shift else moments
        tinted = recoloured(moved.float(), self.colour) if self.colour else moved
        return tinted.view(pictures.shape)


def shifted(pictures: Tensor, share: float) -> Tensor:
    """Return pictures (B, K, height, width, 3), each row of the batch moved by whole pixels."""
    batch, device = len(pictures), pictures.device
    places = []
    for size in pictures.shape[2:4]:
        most = round(share * size)
        offset = torch.randint(-most, most + 1, (batch, 1), device=device)
        places.append((torch.arange(size, device=device) + offset).clamp(0, size - 1))  # (B, size)
    rows, columns = places
    each = torch.arange(batch, device=device)[:, None, None]
    return pictures.movedim(1, 3)[each, rows[:, :, None], columns[:, None, :]].movedim(3, 1).contiguous()


def recoloured(pictures: Tensor, share: float) -> Tensor:
    """Return pictures (B, K, height, width, 3) from 0 to 255 in another light, saturation and contrast."""
    factors = 1 + share * (2 * torch.rand(3, len(pictures), 1, 1, 1, 1, device=pictures.device) - 1)
    light, saturation, contrast = factors
    grey = pictures.mean(-1, keepdim=True)
    pictures = (grey + saturation * (pictures - grey)) * light
    mean = pictures.mean((1, 2, 3, 4), keepdim=True)
    return (mean + contrast * (pictures - mean)).clamp(0, 255)
