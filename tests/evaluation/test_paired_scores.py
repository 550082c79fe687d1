"""Scores of two methods from the same seeds."""

import math

import pytest
from scipy.stats import ttest_rel

from dist2_robot.evaluation.paired_scores import compare_scores

A = {0: 1.0, 1: 1.4, 2: 0.8, 3: 1.1}
B = {3: 1.0, 2: 0.75, 1: 1.1, 0: 0.9, 7: 100.0}


def test_it_is_the_paired_t_test_of_the_shared_seeds():
    found = compare_scores(A, B)
    theirs = ttest_rel([B[seed] for seed in range(4)], [A[seed] for seed in range(4)])
    bounds = theirs.confidence_interval()
    assert found.n == 4
    assert found.p_value == pytest.approx(theirs.pvalue)
    assert found.interval == pytest.approx((bounds.low, bounds.high))
    assert found.effect_size == pytest.approx(theirs.statistic / 2)  # t / sqrt(n)
    assert found.difference == pytest.approx(found.mean_b - found.mean_a)
    assert found.relative == pytest.approx(found.difference / 1.075)


def test_swapping_turns_the_sign():
    one, two = compare_scores(A, B), compare_scores(B, A)
    assert (one.difference, one.p_value) == pytest.approx((-two.difference, two.p_value))


def test_too_few_seeds_tell_nothing():
    assert compare_scores({0: 1.0}, {1: 1.0}) is None
    found = compare_scores({0: 1.0}, {0: 2.0})
    assert (found.p_value, found.interval) == (1.0, (-math.inf, math.inf))


def test_scores_without_noise():
    assert compare_scores({0: 1.0, 1: 1.0}, {0: 2.0, 1: 2.0}).p_value == 0.0
    assert compare_scores({0: 1.0, 1: 1.0}, {0: 1.0, 1: 1.0}).p_value == 1.0
