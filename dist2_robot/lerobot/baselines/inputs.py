"""Our observations as LeRobot's policies want them. B batch, S numbers of a vector."""

from collections.abc import Mapping

import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from torch import Tensor, nn

from dist2_robot.actions.normalizer import Normalizer
from dist2_robot.errors import InputError
from dist2_robot.models.picture_encoder import imagenet_scale
from dist2_robot.pictures import resize
from dist2_robot.types import ENVIRONMENT_STATE, STATE, Observation, ObservationSpec


class Inputs(nn.Module):
    """All numbers in two vectors, of the robot and of its surroundings; pictures channels first.

    ACT and Diffusion refuse the state of a robot alone. Without pictures and with one vector only, that one is cut in
    two halves, so that they see the same numbers as everybody else. Numbers are on the scale of our `Normalizer`,
    whatever LeRobot's preset: mean and standard deviation, those of the surroundings, too.

    Args:
        observation: What is looked at: numbers, pictures, one moment, no words.
        one_vector: Whether all numbers go in the state of the robot.
        imagenet: Whether pictures are on ImageNet's scale rather than from 0 to 1.

    Raises:
        InputError: It looks at several moments, is told what to do, or sees less than two numbers and no picture.
    """

    def __init__(self, observation: ObservationSpec, *, one_vector: bool, imagenet: bool) -> None:
        super().__init__()
        self.observation, self.imagenet = observation, imagenet
        self.normalizer = Normalizer(observation.numbers)
        self._names = sorted(observation.numbers, key=lambda name: name == ENVIRONMENT_STATE)  # it comes last
        self.size = sum(observation.numbers.values())
        around = observation.numbers.get(ENVIRONMENT_STATE, 0)
        if observation.history != 1:
            raise InputError("LeRobot's policies see one moment here: leave policy.history at 1")
        if observation.tasks:
            raise InputError("LeRobot's policies are not told what to do: give data of one task, or instruction=none")
        if self.size < 2 and not observation.pictures:
            raise InputError("LeRobot's policies need at least two observed numbers, or a picture")
        self.cut = self.size  # numbers before it are of the robot
        if not one_vector and 0 < around < self.size:
            self.cut -= around
        elif not one_vector and not observation.pictures:
            self.cut = (self.size + 1) // 2

    @property
    def features(self) -> dict[str, PolicyFeature]:
        """What LeRobot's config calls ``input_features``."""
        sizes = {STATE: self.cut, ENVIRONMENT_STATE: self.size - self.cut}
        types = {STATE: FeatureType.STATE, ENVIRONMENT_STATE: FeatureType.ENV}
        numbers = {name: PolicyFeature(types[name], (size,)) for name, size in sizes.items() if size}
        pictures = {
            name: PolicyFeature(FeatureType.VISUAL, (3, height, width))
            for name, (height, width) in self.observation.pictures.items()
        }
        return {**numbers, **pictures}

    def forward(self, observation: Observation) -> Mapping[str, Tensor]:
        """Return feature -> vectors (B, S), and pictures (B, 3, height, width).

        Raises ValueError where a feature is missing, has another shape or holds a number that is not finite.
        """
        found: dict[str, Tensor] = {}
        if self._names:
            seen = self.normalizer.normalize(observation).features
            vector = torch.cat([seen[name] for name in self._names], dim=-1)
            found = {STATE: vector[:, : self.cut], ENVIRONMENT_STATE: vector[:, self.cut :]}
        for name, size in self.observation.pictures.items():
            pictures = observation.features.get(name)
            if pictures is None or pictures.ndim != 4 or pictures.shape[-1] != 3:
                shape = "missing" if pictures is None else tuple(pictures.shape)
                raise ValueError(f"'{name}' must be (B, height, width, 3), got {shape}")
            scaled = resize(pictures, size).movedim(-1, 1).float() / 255
            found[name] = imagenet_scale(scaled) if self.imagenet else scaled
        return {name: x for name, x in found.items() if x.shape[-1]}
