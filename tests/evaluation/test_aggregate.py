"""Interquartile mean and probability of improvement over tasks and training seeds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.evaluation.aggregate import interquartile_mean, probability_of_improvement

scores = st.lists(st.lists(st.floats(0, 1), min_size=2, max_size=4), min_size=1, max_size=4)


def test_the_middle_half_counts():
    assert interquartile_mean([[0.0, 0.4], [0.6, 1.0]]).value == pytest.approx(0.5)
    assert interquartile_mean([[0.0] * 2 + [0.5] * 4 + [100.0] * 2]).value == pytest.approx(0.5)


@given(scores)
def test_the_interquartile_mean_lies_among_the_scores_and_in_its_interval_s_reach(tasks):
    estimate = interquartile_mean(tasks)
    flat = np.concatenate(tasks)
    assert flat.min() - 1e-9 <= estimate.value <= flat.max() + 1e-9
    assert flat.min() - 1e-9 <= estimate.interval[0] <= estimate.interval[1] <= flat.max() + 1e-9


def test_runs_are_drawn_within_their_tasks():
    """Tasks that differ make no interval where their runs agree."""
    assert interquartile_mean([[0.1, 0.1], [0.9, 0.9]]).interval == pytest.approx((0.5, 0.5))


@given(scores)
def test_a_method_beats_itself_half_of_the_time(tasks):
    assert probability_of_improvement(tasks, tasks).value == pytest.approx(0.5)


@given(scores, st.integers(0, 2**31))
def test_swapping_the_methods_mirrors_the_probability(tasks, seed):
    others = [np.random.default_rng(seed).uniform(size=3) for _ in tasks]
    there, back = probability_of_improvement(tasks, others), probability_of_improvement(others, tasks)
    assert there.value + back.value == pytest.approx(1)


def test_a_method_that_always_wins_has_probability_one():
    estimate = probability_of_improvement([[0.8, 0.9], [0.3]], [[0.1, 0.7], [0.2, 0.1]])
    assert (estimate.value, estimate.interval) == (1.0, (1.0, 1.0))


def test_chance_is_told_apart_from_skill():
    generator = np.random.default_rng(1)
    tasks = [generator.normal(0.5, 0.1, 20) for _ in range(3)]
    better = [generator.normal(0.6, 0.1, 20) for _ in range(3)]
    low, high = probability_of_improvement(better, tasks).interval
    expected = 0.76  # Phi(0.1 / (0.1 sqrt 2))
    assert 0.5 < low < expected < high < 1


@pytest.mark.parametrize("tasks", [[], [[]], [[0.5], []]])
def test_nothing_to_count_is_refused(tasks):
    with pytest.raises(ValueError, match="at least one"):
        interquartile_mean(tasks)


def test_methods_need_the_same_tasks():
    with pytest.raises(ValueError, match="on 1 and on 2 tasks"):
        probability_of_improvement([[1.0]], [[1.0], [1.0]])
