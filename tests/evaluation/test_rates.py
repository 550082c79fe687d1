"""Laws of success rates and of their comparison."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.errors import InputError
from dist2_robot.evaluation.compare import compare_runs, format_table
from dist2_robot.evaluation.intervals import wilson_interval
from dist2_robot.evaluation.paired import compare_paired, compare_results
from dist2_robot.evaluation.summary import summarise
from tests.evaluation.synthetic_runs import make_episodes

Z_95 = 1.959963984540054
# P(U + 0.1 Z < 0.7) - P(U < 0.55): the normal is symmetric and the ends of U are far away.
TRUE_DIFFERENCE = 0.15


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_equals_its_closed_form(counts):
    k, n = counts
    p, z2 = k / n, Z_95**2
    half = Z_95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    center = (p + z2 / (2 * n)) / (1 + z2 / n)
    low, high = wilson_interval(k, n)
    assert (low, high) == pytest.approx((center - half, center + half), abs=1e-9)
    assert 0 <= low <= p <= high <= 1


def test_without_episodes_nothing_is_known():
    assert wilson_interval(0, 0) == (0.0, 1.0)


outcome_pairs = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30)


@given(outcome_pairs)
def test_a_run_does_not_differ_from_itself(pairs):
    same = compare_paired([a for a, _ in pairs], [a for a, _ in pairs])
    assert (same.difference, same.interval, same.mcnemar_p) == (0.0, (0.0, 0.0), 1.0)


@given(outcome_pairs)
def test_swapping_the_runs_mirrors_the_comparison(pairs):
    a, b = map(list, zip(*pairs, strict=True))
    there, back = compare_paired(a, b), compare_paired(b, a)
    assert there.difference == -back.difference == pytest.approx(there.rate_b - there.rate_a)
    assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]), abs=1e-12)
    assert (there.only_a, there.only_b, there.mcnemar_p) == (back.only_b, back.only_a, back.mcnemar_p)


def test_mcnemar_equals_its_closed_form():
    # 8 discordant pairs, all one way: two-sided p of eight equal coin flips.
    assert compare_paired([False] * 8 + [True] * 5, [True] * 13).mcnemar_p == pytest.approx(2 / 2**8)


def test_the_interval_covers_the_true_difference():
    generator = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        difficulty = generator.random(80)
        comparison = compare_paired(list(difficulty < 0.55), list((difficulty + generator.normal(0, 0.1, 80)) < 0.7))
        low, high = comparison.interval
        covered += low <= TRUE_DIFFERENCE <= high
    assert 0.89 < covered / 200 <= 1.0


@pytest.mark.parametrize(("a", "b"), [([True], [True, False]), ([], [])])
def test_what_is_not_paired_is_refused(a, b):
    with pytest.raises(ValueError, match="as many episodes"):
        compare_paired(a, b)


@pytest.mark.fault("R14")
@given(st.lists(st.sampled_from(["success", "failure", "error"]), max_size=60))
def test_every_episode_is_counted_once_and_errors_are_no_failures(outcomes):
    episodes = [{"index": i, "seed": i, "outcome": outcome} for i, outcome in enumerate(outcomes)]
    summary = summarise(episodes)
    assert summary["successes"] + summary["failures"] + summary["errors"] == summary["episodes"] == len(outcomes)
    if summary["errors"] > 0.05 * len(outcomes) or not outcomes:
        assert summary["success_rate"] is summary["success_interval"] is summary["success_rate_at_end"] is None
        assert summary["note"]
    else:
        assert summary["success_rate"] == outcomes.count("success") / (len(outcomes) - outcomes.count("error"))
        assert "note" not in summary


@pytest.mark.fault("R14")
def test_one_error_in_twenty_keeps_the_score_and_two_do_not():
    assert summarise(make_episodes(0.8, n=20, errors=1))["success_rate"] is not None
    assert summarise(make_episodes(0.8, n=20, errors=2))["success_rate"] is None


def test_an_unknown_outcome_is_refused():
    with pytest.raises(ValueError, match="timeout"):
        summarise([{"outcome": "timeout"}])


def test_numbers_of_broken_episodes_do_not_count():
    episodes = [
        {"outcome": "success", "success_step": 10, "success_at_end": False, "jerk": 1.0},
        {"outcome": "success", "success_step": 30, "success_at_end": True, "jerk": math.nan},
        *[{"outcome": "failure", "success_step": None, "success_at_end": False, "jerk": 3.0}] * 18,
        {"outcome": "error", "success_step": 5, "success_at_end": True, "jerk": 1e9},
    ]
    summary = summarise(episodes)
    assert summary["median_steps_to_success"] == 20
    assert summary["success_rate_at_end"] == 1 / 20
    assert summary["action_jerk"] == pytest.approx((1 + 18 * 3) / 19)


def run(rate: float, **options) -> dict:
    return summarise(make_episodes(rate, **options)) | {"environment": "gym_dist2", "task": "Push-v0", "seed": 0}


def test_runs_are_paired_by_seed_and_not_by_order():
    a, b = run(0.5), run(0.8, skill_seed=1)
    shuffled = b | {"per_episode": b["per_episode"][::-1]}
    straight, reversed_order = compare_results(a, b), compare_results(a, shuffled)
    assert straight == reversed_order


def test_a_pair_with_an_error_is_left_out():
    assert compare_results(run(0.5, errors=2), run(0.8)).n == 48


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "Lift-v0"}, "task"),
        ({"per_episode": [{"seed": 1, "outcome": "success"}]}, "share only 0 initial states"),
        ({"per_episode": [{"seed": 1, "outcome": "success"}] * 2}, "1 seeds"),
        ({"per_episode": [e | {"outcome": "error"} for e in make_episodes(0.5)]}, "both finished"),
    ],
)
def test_runs_from_other_initial_states_are_refused(change, message):
    with pytest.raises(InputError, match=message) as refusal:
        compare_results(run(0.5), run(0.8) | change)
    assert "\n" not in str(refusal.value)


def test_all_runs_are_compared_with_the_first():
    comparison = compare_runs({"a": run(0.5), "b": run(0.7, skill_seed=1), "broken": run(0.7, errors=9)})
    assert [row["name"] for row in comparison["rows"]] == ["a", "b", "broken"]
    assert [(entry["name"], entry["against"]) for entry in comparison["differences"]] == [("b", "a"), ("broken", "a")]
    assert "no success rate" in comparison["differences"][1]["note"]
    text = format_table(comparison)
    assert "9 of 50" in text
    assert f"{100 * comparison['rows'][1]['success_rate']:.1f} %" in text
    with pytest.raises(InputError, match="nothing to compare"):
        compare_runs({})
