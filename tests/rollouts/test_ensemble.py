"""Temporal ensembling: what several chunks say of the same moment is averaged in value space."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.rollouts.ensemble import TemporalEnsemble

SPEC = ActionSpec(
    (
        ActionDimension("x", "joint", "m", -1.0, 1.0),
        ActionDimension("angle", "ee_rotation", "rad", -np.pi, np.pi, wraps=True),
        ActionDimension("gripper", "gripper", "%", 0.0, 100.0),
    ),
    "absolute",
    10.0,
    "file",
)


def chunk(x, angle=0.0, gripper=0.0, steps=4):
    return np.tile(np.array([x, angle, gripper], np.float32), (steps, 1))


def test_a_first_chunk_stays_as_it_is():
    first = np.random.default_rng(0).uniform(-1, 1, (4, 3)).astype(np.float32)
    np.testing.assert_allclose(TemporalEnsemble(SPEC, 0.5).blend(first, 2), first, atol=1e-6)


@given(st.floats(-1, 1), st.lists(st.floats(-1, 1), min_size=1, max_size=5))
def test_weights_fall_off_from_the_oldest(decay, values):
    ensemble = TemporalEnsemble(SPEC, decay)
    for value in values:
        blended = ensemble.blend(chunk(value, steps=8), 1)
    weights = np.exp(-decay * np.arange(len(values)))
    assert blended[0, 0] == pytest.approx(np.average(values, weights=weights), abs=1e-5)


def test_each_chunk_is_asked_of_its_own_step():
    ensemble = TemporalEnsemble(SPEC, 0.0)
    ramp = chunk(0.0)
    ramp[:, 0] = [0.0, 0.1, 0.2, 0.3]
    ensemble.blend(ramp, 2)
    blended = ensemble.blend(chunk(0.0), 2)
    np.testing.assert_allclose(blended[:, 0], [0.1, 0.15, 0, 0], atol=1e-6)  # the older ends half-way


def test_a_chunk_that_is_over_counts_no_more():
    ensemble = TemporalEnsemble(SPEC, 0.0)
    ensemble.blend(chunk(1.0), 4)
    np.testing.assert_allclose(ensemble.blend(chunk(0.0), 4)[:, 0], 0)


def test_of_grippers_the_newest_decides():
    ensemble = TemporalEnsemble(SPEC, 0.0)
    ensemble.blend(chunk(0, gripper=100.0), 1)
    assert ensemble.blend(chunk(0, gripper=0.0), 1)[0, 2] == 0


def test_angles_are_averaged_the_short_way_round():
    ensemble = TemporalEnsemble(SPEC, 0.0)
    ensemble.blend(chunk(0, angle=np.pi - 0.2), 1)
    blended = ensemble.blend(chunk(0, angle=-np.pi + 0.1), 1)[0, 1]
    assert blended == pytest.approx(np.pi - 0.05, abs=1e-5)


def test_a_decay_must_be_a_number():
    with pytest.raises(ValueError, match="finite"):
        TemporalEnsemble(SPEC, np.nan)


def test_what_never_moves_in_the_recordings_stays_to_the_last_bit():
    turned = ActionDimension("turned", "joint", "rad", -np.pi, np.pi, wraps=True, constant=3.5)
    spec = ActionSpec((*SPEC.dimensions[:1], turned), "absolute", 10.0, "data")
    ensemble, chunks = TemporalEnsemble(spec, 0.3), np.tile(np.array([0.1, 3.5], np.float32), (4, 1))
    for _ in range(3):
        blended = ensemble.blend(chunks, 1)
    assert (blended[:, 1] == np.float32(3.5)).all()
