"""Environments that show several moments at once, and what workers report of them. K moments."""

import numpy as np

from dist2_robot.rollouts.crew import LocalCrew
from dist2_robot.rollouts.environment import EnvironmentSpec, make_environment
from dist2_robot.rollouts.worker import Execute, Reset

KICK = np.array([0.5, -0.25], np.float32)


def with_history(spec, moments):
    return EnvironmentSpec(spec.id, spec.kwargs, history=moments)


def test_moments_come_first_oldest_first_and_the_first_is_repeated(walk):
    env, plain = make_environment(with_history(walk(), 3)), make_environment(walk())
    for _ in range(2):  # nothing of an episode is left in the next
        seen, _ = env.reset(seed=4)
        places = [plain.reset(seed=4)[0]["agent_pos"]] * 3
        assert seen["agent_pos"].shape == (3, 2)
        np.testing.assert_array_equal(seen["agent_pos"], places)
        for _ in range(4):
            seen = env.step(KICK)[0]
            places = [*places[1:], plain.step(KICK)[0]["agent_pos"]]
            np.testing.assert_array_equal(seen["agent_pos"], places)


def test_one_moment_has_no_axis_of_its_own(walk):
    env = make_environment(with_history(walk(), 1))
    assert env.reset(seed=0)[0]["agent_pos"].shape == (2,)


def test_a_worker_reports_the_moments_and_what_is_to_be_done(walk):
    crew = LocalCrew(with_history(walk(), 2))
    try:
        (first,) = crew.carry_out([Reset(0, seed=3, film=False, max_steps=None)])
        (second,) = crew.carry_out([Execute(0, np.stack([KICK, KICK]))])
    finally:
        crew.close()
    for report in (first, second):
        assert report.error == ""
        assert report.features is not None
        assert str(report.features["task"]) == "Walk to the right."
        assert report.features["observation.state"].shape == (2, 2)
    assert first.features
    assert second.features
    start = first.features["observation.state"]
    np.testing.assert_array_equal(start[0], start[1])
    np.testing.assert_allclose(second.features["observation.state"], start + KICK * np.array([[1], [2]]), atol=1e-6)
