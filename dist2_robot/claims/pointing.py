"""A pretrained eye: it points at what words name, and knows nothing of coordinates as tokens.

N scenes, P points of a scene, M maps, h x w cells of a map, D width, S numbers of what it tells.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor, nn

from dist2_robot.claims.scenes import POINTS, scenes
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.models.film_encoder import FilmEncoder
from dist2_robot.models.hashed_words import HashedWords
from dist2_robot.seeding import stream_seed
from dist2_robot.types import ACTION, STATE, Observation

CAMERA = "observation.images.front"
MAPS_A_POINT = 2


Points = tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]


@dataclass(frozen=True)
class Pretraining:
    """Attributes:
    environment: A gymnasium id.
    options: Of its constructor.
    points: Which numbers of an answer are one point in the picture: of each P the places of x and of y. Several places
        are averaged, as left and right of a box. None: the points that the environment tells.
    seed: Of scenes, weights and order.
    scenes: How many; none of them is seen by what is trained on the eye.
    steps: Of the optimiser.
    batch_size: Scenes of a step.
    learning_rate: Its peak.
    width: Of the vector of the words, D.
    channels: Of the first convolution.
    """

    environment: str
    options: tuple[tuple[str, object], ...]
    points: Points | None
    seed: int
    scenes: int
    steps: int
    batch_size: int
    learning_rate: float
    width: int
    channels: int


class Eye(nn.Module):
    """Words and pictures to what a policy is told of them: for every map where it points, and what is there."""

    def __init__(self, size: tuple[int, int], points: int, width: int, channels: int) -> None:
        """Args: size: Of pictures. points: P. width: D. channels: Of the first convolution."""
        super().__init__()
        self.words = HashedWords([], width)
        self.encoder = FilmEncoder(size, width, channels=channels, keypoints=MAPS_A_POINT * points)

    def forward(self, observation: Observation) -> tuple[Tensor, Tensor]:
        """Return the maps (N, M, h, w) and what is found (N, S)."""
        assert observation.tasks is not None
        pictures = self.encoder.scaled(observation.features[CAMERA])
        return self.encoder.look(pictures, self.words(observation.tasks))


@lru_cache(maxsize=1)
def pretrained(how: Pretraining) -> Eye:
    """Return an eye that has learned to tell in which cell each point of an answer lies; once in a process."""
    windows = scenes(how.environment, dict(how.options), "pretrain", how.seed, how.scenes)
    torch.manual_seed(stream_seed(how.seed, "pretrain"))
    picture = windows.table.features[CAMERA]
    points = _points(windows, how.points)  # (N, P, 2)
    eye = Eye((picture.shape[1], picture.shape[2]), points.shape[1], how.width, how.channels)
    optimizer = torch.optim.AdamW(eye.parameters(), lr=how.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, how.learning_rate, how.steps, pct_start=0.1)
    generator = torch.Generator().manual_seed(stream_seed(how.seed, "pretrain", 1))
    for _ in range(how.steps):
        some = torch.randint(how.scenes, (how.batch_size,), generator=generator)
        maps, _ = eye(windows.gather(some).observation)
        cells = cells_of(points[some], maps.shape[-2:]).repeat_interleave(MAPS_A_POINT, dim=1)
        optimizer.zero_grad()
        nn.functional.cross_entropy(maps.flatten(2).mT, cells).backward()
        nn.utils.clip_grad_norm_(eye.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return eye.eval()


def cells_of(points: Tensor, size: torch.Size) -> Tensor:
    """Return in which cell of a map of a size (h, w) points (N, P, 2) lie, (N, P)."""
    height, width = size
    column = (points[..., 0] * width).long().clamp(0, width - 1)
    row = (points[..., 1] * height).long().clamp(0, height - 1)
    return row * width + column


def _points(windows: ChunkWindows, places: Points | None) -> Tensor:
    if places is None:
        return windows.table.features[POINTS]
    answers = windows.table.features[ACTION]
    return torch.stack([torch.stack([answers[:, list(xy)].mean(1) for xy in one], -1) for one in places], dim=1)


@torch.no_grad()
def seen_by(eye: Eye, windows: ChunkWindows, places_only: bool = False) -> ChunkWindows:
    """Return the same scenes with what an eye tells of them in place of the pictures.

    Args:
        eye: Pretrained.
        windows: Scenes with pictures.
        places_only: Whether it tells where its maps point, and not what is there.
    """
    parts = [eye(windows.gather(some).observation)[1] for some in torch.arange(len(windows)).split(250)]
    found = torch.cat(parts)
    if places_only:
        found = found.view(len(found), eye.encoder.keypoints, -1)[..., :2].flatten(1)
    features = {STATE: found, ACTION: windows.table.features[ACTION]}
    return ChunkWindows(replace(windows.table, features=features), windows.frames, windows.horizon)
