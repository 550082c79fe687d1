"""How good pictures are, against what can be worked out by hand."""

import math

import pytest
import torch

from dist2_robot.evaluation.frame_measures import frechet_distance, place_error, psnr, random_features, red_places


def square(row, column, side=4, size=(20, 16)):
    picture = torch.full((1, *size, 3), 120, dtype=torch.uint8)
    picture[0, row : row + side, column : column + side] = torch.tensor([220, 40, 30], dtype=torch.uint8)
    return picture


def test_psnr_is_that_of_a_known_error():
    truth = torch.full((2, 4, 4, 3), 100, dtype=torch.uint8)
    assert psnr(truth + 51, truth) == pytest.approx(-20 * math.log10(51 / 255))


def test_frechet_distance_of_normal_distributions_along_axes_and_turned():
    x = torch.randn(500, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = (x - x.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(x.T))).T  # covariance 1, mean 0
    first, second = torch.tensor([1.0, 2.0, 0.5]).double(), torch.tensor([3.0, 1.0, 0.5]).double()
    shift = torch.tensor([1.0, -2.0, 0.0]).double()
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)).Q
    expected = float(shift.square().sum() + (first - second).square().sum())
    assert frechet_distance((x * first) @ turn, (x * second + shift) @ turn) == pytest.approx(expected)
    assert frechet_distance(x, x.flip(0)) == pytest.approx(0, abs=1e-9)


def test_features_are_always_the_same_and_tell_pictures_apart():
    torch.manual_seed(5)
    found = random_features(square(2, 3))
    assert torch.equal(found, random_features(square(2, 3)))
    assert not torch.allclose(found, random_features(square(12, 9)))
    assert found.shape == (1, 128)


def test_red_is_found_where_it_is():
    places, is_there = red_places(torch.cat([square(2, 3), square(10, 8), square(0, 0, side=0)]))
    assert is_there.tolist() == [True, True, False]
    assert torch.allclose(places[:2], torch.tensor([[3.5, 4.5], [11.5, 9.5]]))


def test_place_error_is_how_far_red_moved_and_half_the_diagonal_where_it_is_lost():
    truth = torch.cat([square(2, 3), square(2, 3), square(0, 0, side=0)])
    predicted = torch.cat([square(5, 7), square(0, 0, side=0), square(1, 1)])
    assert place_error(predicted, truth) == pytest.approx((5 + math.hypot(20, 16) / 2) / 2)
    with pytest.raises(ValueError, match="nothing red"):
        place_error(predicted[2:], truth[2:])
