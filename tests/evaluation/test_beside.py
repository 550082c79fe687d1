"""Beliefs beside frames."""

import numpy as np

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.evaluation.beside import Moment, draw_beside

SPEC = ActionSpec(
    (ActionDimension("x", "joint", "m", -1.0, 1.0), ActionDimension("gripper", "gripper", "%", 0.0, 100.0)),
    "absolute",
    10.0,
    "file",
)
FRAMES = np.zeros((6, 120, 160, 3), np.uint8)


def moment(step, mean):
    values = np.stack([np.linspace(-1, 1, 32), np.linspace(0, 100, 32)])
    heights = np.exp(-((np.linspace(-1, 1, 32) - mean) ** 2) / 0.02)
    probabilities = np.stack([heights / heights.sum()] * 2)
    return Moment(step, values, probabilities, np.array([mean, 50 * (mean + 1)]))


def test_a_frame_shows_the_belief_of_its_chunk():
    film = draw_beside(FRAMES, 2.0, [moment(0, -0.5), moment(4, 0.5)], SPEC)
    assert film.shape == (6, 120, 160 + 90, 3)
    assert film.dtype == np.uint8
    panels = film[:, :, 160:]
    np.testing.assert_array_equal(panels[0], panels[1])  # actions 0 and 2
    np.testing.assert_array_equal(panels[2], panels[5])  # actions 4 and 10
    assert not np.array_equal(panels[1], panels[2])
    np.testing.assert_array_equal(film[:, :, :160], FRAMES)


def test_the_bump_is_where_the_mass_is():
    left, right = (draw_beside(FRAMES[:1], 1.0, [moment(0, m)], SPEC)[0, :, 160:].astype(int) for m in (-0.6, 0.6))
    blue = [(panel[..., 2] - panel[..., 0] > 60) for panel in (left, right)]
    columns = [np.argwhere(mask)[:, 1].mean() for mask in blue]
    assert columns[0] < 45 < columns[1]


def test_without_moments_the_film_stays_as_it_is():
    assert draw_beside(FRAMES, 1.0, [], SPEC) is FRAMES
