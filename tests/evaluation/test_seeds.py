"""Laws of comparisons over several training seeds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.evaluation.paired import compare_paired, compare_seeds, rate_of_seeds

OUTCOMES = st.sampled_from(["success", "failure"])


def runs(*lists):
    """Return training seed -> episode seed -> outcome."""
    return {seed: dict(enumerate(outcomes)) for seed, outcomes in enumerate(lists)}


def drawn(rates, n, generator):
    return runs(*[["success" if each else "failure" for each in generator.random(n) < rate] for rate in rates])


pairs = st.integers(1, 12).flatmap(
    lambda n: st.lists(
        st.tuples(st.lists(OUTCOMES, min_size=n, max_size=n), st.lists(OUTCOMES, min_size=n, max_size=n)),
        min_size=1,
        max_size=4,
    )
)


@given(pairs)
def test_swapping_mirrors_and_a_method_does_not_differ_from_itself(lists):
    a, b = runs(*[first for first, _ in lists]), runs(*[second for _, second in lists])
    there, back = compare_seeds([(a, b)]), compare_seeds([(b, a)])
    assert there.difference == -back.difference == pytest.approx(rate_of_seeds([b])[0] - rate_of_seeds([a])[0])
    assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]), abs=1e-12)
    same = compare_seeds([(a, a)])
    assert (same.difference, same.interval) == (0.0, (0.0, 0.0))


def test_one_seed_is_a_paired_comparison_of_its_episodes():
    generator = np.random.default_rng(0)
    a, b = (drawn([rate], 60, generator) for rate in (0.4, 0.7))
    seeds = compare_seeds([(a, b)])
    plain = compare_paired(*([outcome == "success" for outcome in each[0].values()] for each in (a, b)))
    assert seeds.difference == pytest.approx(plain.difference)
    assert seeds.interval == pytest.approx(plain.interval, abs=0.02)  # other draws
    assert (seeds.n, seeds.training_seeds) == (60, 1)


def test_a_spread_between_seeds_widens_the_interval():
    alike, apart = (drawn(rates, 50, np.random.default_rng(0)) for rates in ([0.5] * 4, [0.0, 0.0, 1.0, 1.0]))
    (_, narrow), (_, wide) = rate_of_seeds([alike]), rate_of_seeds([apart])
    assert wide[1] - wide[0] > 3 * (narrow[1] - narrow[0])
    # Two of four at 1 and two at 0, with no spread inside: the number of ones among four draws is binomial.
    assert wide == (0.0, 1.0)


def test_more_tasks_make_it_surer_and_count_alike():
    generator = np.random.default_rng(1)
    tasks = [drawn([rate] * 3, 50, generator) for rate in (0.2, 0.4, 0.6, 0.8)]
    rate, (low, high) = rate_of_seeds(tasks)
    assert rate == pytest.approx(np.mean([rate_of_seeds([task])[0] for task in tasks]))
    assert high - low < 0.7 * np.mean([np.diff(rate_of_seeds([task])[1])[0] for task in tasks])
    unequal = [runs(["success"] * 2), runs(["failure"] * 50)]
    assert rate_of_seeds(unequal)[0] == 0.5


def test_episodes_with_an_error_do_not_count():
    a = runs(["success", "error", "failure"], ["failure", "failure", "failure"])
    b = runs(["success", "success", "success"], ["error", "success", "success"])
    found = compare_seeds([(a, b)])
    assert found.n == 4
    assert found.difference == pytest.approx((0.5 + 1.0) / 2)
    assert rate_of_seeds([a])[0] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("tasks", "says"),
    [
        ([], "at least one task"),
        ([(runs(["success"]), runs(["success"], ["success"]))], "training seeds differ"),
        ([(runs(["success"]), runs(["success", "failure"]))], "episodes differ"),
        ([(runs(["error"]), runs(["success"]))], "no episode"),
        ([(runs([]), runs([]))], "no episode"),
    ],
)
def test_what_is_not_paired_is_refused(tasks, says):
    with pytest.raises(ValueError, match=says):
        compare_seeds(tasks)


@pytest.mark.slow
def test_the_interval_covers_the_true_difference():
    """Eight training seeds whose skills are drawn anew: 95 % intervals must cover in most of 200 studies."""
    generator = np.random.default_rng(2)
    covered = 0
    for _ in range(200):
        skills = generator.normal([[0.4], [0.6]], 0.05, size=(2, 8))
        difficulty = generator.random((8, 40))
        a, b = (
            runs(*[["success" if solved else "failure" for solved in row] for row in difficulty < skill[:, None]])
            for skill in skills
        )
        low, high = compare_seeds([(a, b)]).interval
        covered += low <= 0.2 <= high
    assert 0.88 < covered / 200 <= 0.99
