import numpy as np
import pytest

from dist2_robot.rollouts.episode import jerk


def test_jerk_of_a_cubic_is_constant_and_in_tolerances():
    t = np.arange(10.0)[:, None]
    cubic = np.hstack([t**3, 5 * t**2 + t])  # third differences 6 and 0
    assert jerk(cubic, np.ones(2)) == pytest.approx(36 / 2)
    assert jerk(cubic, np.array([0.1, 1.0])) == pytest.approx(3600 / 2)


def test_jerk_needs_four_actions():
    assert np.isnan(jerk(np.zeros((3, 2)), np.ones(2)))
