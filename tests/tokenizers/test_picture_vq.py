"""Pictures as codes of a codebook."""

import pytest
import torch

from dist2_robot.distances.euclidean import EuclideanDistance
from dist2_robot.tokenizers.picture_vq import PictureVQ

SMALL = {"codes": 16, "code_width": 4, "channels": 16, "batch_size": 16, "learning_rate": 5e-3}


def pictures(count=24, seed=0):
    """Return bright squares somewhere on a dark ground, (N, 16, 12, 3)."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.full((count, 16, 12, 3), 20, dtype=torch.uint8)
    rows, columns = (torch.randint(n, (count,), generator=generator).tolist() for n in (12, 8))
    for picture, row, column in zip(drawn, rows, columns, strict=True):
        picture[row : row + 5, column : column + 5] = torch.tensor([220, 60, 40], dtype=torch.uint8)
    return drawn


@pytest.fixture(scope="module")
def fitted():
    codec = PictureVQ((16, 12), **SMALL, steps=300)
    codec.fit(pictures())
    return codec


def error(codec):
    held_out = pictures(seed=1)
    return (codec.decode(codec.encode(held_out)).double() - held_out).square().mean()


def test_codes_lie_on_a_grid_of_cells_and_are_the_nearest(fitted):
    codes = fitted.encode(pictures())
    assert codes.shape == (24, fitted.tokens) == (24, 4 * 3)
    features = fitted.encoder(pictures().movedim(-1, 1) / 255 - 0.5).movedim(1, -1).flatten(1, 2)  # (N, L, E)
    assert torch.equal(codes, torch.cdist(features, fitted.codebook).argmin(-1))


def test_it_learns_to_draw_pictures_that_it_never_saw(fitted):
    mean = pictures().double().mean(0)
    assert error(fitted) < 0.5 * (mean - pictures(seed=1)).square().mean()
    assert error(fitted) < 0.5 * error(PictureVQ((16, 12), **SMALL))


def test_it_is_a_function_of_its_seed_and_disturbs_no_draws():
    torch.manual_seed(3)
    books = []
    for seed in (0, 0, 1):
        codec = PictureVQ((16, 12), **SMALL, steps=60, seed=seed)
        codec.fit(pictures())
        books.append(codec.codebook)
    assert torch.equal(torch.rand(2), torch.rand(2, generator=torch.Generator().manual_seed(3)))
    assert torch.equal(books[0], books[1])
    assert not torch.equal(books[0], books[2])


def test_its_state_is_all_of_it(fitted):
    fresh = PictureVQ(**fitted.config())
    fresh.load_state_dict(fitted.state_dict())
    assert torch.equal(fresh.encode(pictures()), fitted.encode(pictures()))
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in fitted.parameters())


def test_codes_are_one_apart_on_average(fitted):
    table = fitted.distances(EuclideanDistance()).distances[0]
    assert table[~torch.eye(16, dtype=torch.bool)].mean() == pytest.approx(1, abs=1e-5)


def test_other_sizes_are_refused(fitted):
    with pytest.raises(ValueError, match="must be"):
        fitted.encode(pictures()[:, :8])
    with pytest.raises(ValueError, match="multiples of 4"):
        PictureVQ((16, 10))
