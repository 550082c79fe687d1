"""Expected against real errors."""

import math

import numpy as np
import pytest

from dist2_robot.errors import InputError
from dist2_robot.evaluation.calibration import calibration, write_calibration_picture

DRAW = np.random.default_rng(0)
SCALE = DRAW.uniform(0.2, 3.0, (4000, 2))


def test_errors_that_come_as_expected_are_calibrated():
    found = calibration(SCALE, np.abs(DRAW.laplace(scale=SCALE)))  # of a Laplace distribution the mean is the scale
    assert found.ratio == pytest.approx(1, abs=0.05)
    assert found.slope == pytest.approx(1, abs=0.1)
    assert found.calibration_error < 0.1
    assert sum(found.counts) == SCALE.size
    assert max(found.counts) - min(found.counts) <= 1
    assert list(found.expected) == sorted(found.expected)


def test_who_trusts_himself_too_much_is_found_out():
    found = calibration(SCALE, 2 * SCALE)
    assert found.ratio == pytest.approx(2)
    assert found.slope == pytest.approx(2)
    assert found.correlation == pytest.approx(1)
    assert found.calibration_error == pytest.approx(SCALE.mean())


def test_who_expects_always_the_same_has_no_slope():
    found = calibration(np.ones(50), SCALE[:50, 0])
    assert math.isnan(found.slope)
    assert math.isnan(found.correlation)
    assert found.ratio == pytest.approx(SCALE[:50, 0].mean())


@pytest.mark.parametrize(
    ("expected", "actual"),
    [(np.ones(3), np.ones(4)), (np.ones(0), np.ones(0)), (np.full(3, np.nan), np.ones(3)), (np.ones(3), -np.ones(3))],
)
def test_what_is_no_error_is_refused(expected, actual):
    with pytest.raises(InputError, match=r"^calibration needs [^\n]+$"):
        calibration(expected, actual)


def test_the_picture_is_drawn(tmp_path):
    path = write_calibration_picture(SCALE, SCALE, ["a", "b"], tmp_path / "calibration.png")
    assert path.stat().st_size > 5000
