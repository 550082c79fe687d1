"""What never moves in the recordings is played to the last bit, blended or not."""

import math

import numpy as np

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.deploy.loop.timeline import Timeline

SPEC = ActionSpec(
    (
        ActionDimension("lift", "joint", "rad", -1.0, 1.0),
        ActionDimension("turn", "joint", "rad", -math.pi, math.pi, wraps=True, constant=3.5),
        ActionDimension("finger", "joint", "rad", -1.0, 1.0, constant=0.1),
    ),
    "absolute",
    10.0,
    "data",
)


def test_between_steps_and_between_chunks_it_stays():
    timeline = Timeline(SPEC, blend_s=0.4)
    for start, lift in ((0.0, 0.2), (0.3, -0.7)):
        chunk = np.tile(np.array([lift, 3.5, 0.1], np.float32), (8, 1))
        chunk[:, 0] += np.linspace(0, 0.1, 8, dtype=np.float32)
        timeline.put(chunk, start, start)
    for play_s in np.arange(0.3, 0.8, 0.037):
        wanted = timeline.at(play_s)
        assert wanted is not None
        assert (wanted[1:] == np.array([3.5, 0.1], np.float32)).all()
