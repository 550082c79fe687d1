"""B batch, K moments."""

import pytest
import torch

from dist2_robot.errors import InputError
from dist2_robot.training.augmentation import Augmentation, recoloured, shifted
from dist2_robot.types import Batch, Observation

PICTURES = torch.randint(0, 256, (6, 2, 20, 24, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def batch_of(pictures):
    seen = {"observation.state": torch.randn(len(pictures), 3), "observation.images.front": pictures}
    return Batch(
        Observation(seen, ("Do.",) * len(pictures)), torch.zeros(len(pictures), 1, 1), torch.zeros(1, 1).bool()
    )


def test_pictures_move_by_whole_pixels_all_moments_alike_and_borders_are_repeated():
    torch.manual_seed(0)
    moved = shifted(PICTURES, 0.2)  # at most 4 rows and 5 columns
    assert moved.dtype == torch.uint8
    places = set()
    for before, after in zip(PICTURES, moved, strict=True):
        found = [
            (dy, dx)
            for dy in range(-4, 5)
            for dx in range(-5, 6)
            if torch.equal(
                after, before[:, (torch.arange(20) + dy).clamp(0, 19)][:, :, (torch.arange(24) + dx).clamp(0, 23)]
            )
        ]
        assert len(found) == 1
        places.add(found[0])
    assert len(places) > 3


def test_colours_change_a_little_and_stay_colours():
    torch.manual_seed(0)
    tinted = recoloured(PICTURES.float(), 0.3)
    assert float(tinted.min()) >= 0
    assert float(tinted.max()) <= 255
    ratio = tinted.mean((1, 2, 3, 4)) / PICTURES.float().mean((1, 2, 3, 4))
    assert ((ratio > 0.65) & (ratio < 1.35)).all()
    assert len(set(ratio.tolist())) == len(ratio)
    assert torch.allclose(recoloured(PICTURES.float(), 0.0), PICTURES.float(), atol=1e-3)


@pytest.mark.parametrize("moments", [1, 2])
def test_only_pictures_change_and_each_seed_gives_other_ones(moments):
    batch = batch_of(PICTURES[:, 0] if moments == 1 else PICTURES)
    results = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        results.append(Augmentation(0.1, 0.2)(batch))
    seen = [result.observation.features["observation.images.front"] for result in results]
    assert seen[0].shape == batch.observation.features["observation.images.front"].shape
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])
    state = batch.observation.features["observation.state"]
    assert torch.equal(results[0].observation.features["observation.state"], state)
    assert results[0].observation.tasks == batch.observation.tasks
    assert Augmentation(0.0, 0.0)(batch) is batch


@pytest.mark.parametrize("value", [-0.1, 1.0, True, "much"])
def test_shares_that_make_no_sense_are_refused_by_name(value):
    with pytest.raises(InputError, match=r"augmentation\.colour"):
        Augmentation(0.1, value)
