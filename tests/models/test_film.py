"""An eye that looks for what it is told."""

import pytest
import torch

from dist2_robot.checkpoints.registry import build_observation_encoder
from dist2_robot.errors import InputError
from dist2_robot.models.film_encoder import FilmEncoder
from dist2_robot.types import Observation

VISION = {"name": "film", "channels": 8, "keypoints": 2}
SEEN = {"numbers": {}, "pictures": {"observation.images.front": [32, 32]}, "tasks": ["red", "blue"], "history": 2}


def test_each_row_and_moment_is_told_its_own_task():
    torch.manual_seed(0)
    config = {"observation": SEEN, "vision": VISION, "instruction": {"name": "words"}}
    encoder = build_observation_encoder(config, 8).eval()
    pictures = torch.randint(255, (2, 2, 32, 32, 3), dtype=torch.uint8)
    both = encoder(Observation({"observation.images.front": pictures}, ("red", "blue")))
    other = encoder(Observation({"observation.images.front": pictures}, ("red", "red")))
    assert both.shape == (2, 3, 8)
    assert torch.allclose(both[0], other[0], atol=1e-6)
    assert not torch.allclose(both[1, :2], other[1, :2])


def test_without_a_task_there_is_nothing_to_look_for():
    with pytest.raises(InputError, match="needs an instruction"):
        build_observation_encoder({"observation": SEEN, "vision": VISION, "instruction": None}, 8)


def test_what_is_found_is_the_mean_place_of_each_map():
    torch.manual_seed(0)
    encoder = FilmEncoder((32, 16), 8, channels=8, keypoints=3)
    maps, found = encoder.look(torch.rand(4, 3, 32, 16), torch.randn(4, 8))
    assert maps.shape == (4, 3, 8, 4)
    attention = maps.flatten(2).softmax(-1).view_as(maps)
    x, y = torch.linspace(-1, 1, 4), torch.linspace(-1, 1, 8)
    places = torch.stack([(attention.sum(2) * x).sum(-1), (attention.sum(3) * y).sum(-1)], dim=-1)
    assert torch.allclose(found.view(4, 3, -1)[..., :2], places, atol=1e-5)
    assert found.shape[1] == encoder.found_size
