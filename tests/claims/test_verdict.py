"""A verdict follows its rule."""

from dataclasses import replace

import pytest

from dist2_robot.claims.results import gather
from dist2_robot.claims.verdict import verdict
from tests.claims.fake_trials import WOBBLE, make_claim


def results_of(one_hot, dist2, smoothed, *, published=True, wobble=1.0):
    claim = make_claim(sizes=(1,), published=published)
    level = {"one_hot": one_hot, "dist2": dist2, "smoothed": smoothed}
    found = {
        trial.name: {"error": level[trial.method] + wobble * WOBBLE[trial.seed] * (trial.method == "dist2")}
        for trial in claim.trials
    }
    return gather(claim, found, {})


@pytest.mark.parametrize(
    ("levels", "wobble", "expected"),
    [
        ((1.0, 0.8, 0.9), 1, "holds"),
        ((1.0, 0.8, 0.8), 1, "holds in part"),  # no better than smoothing: not the gain of the metric
        ((1.0, 0.8, 0.7), 1, "holds in part"),
        ((1.0, 1.2, 1.2), 1, "does not hold"),
        ((1.0, 1.0, 1.0), 1, "does not hold"),  # the interval leaves out half of what was reported
        ((1.0, 0.9, 1.0), 20, "cannot be told"),
    ],
)
def test_the_four_verdicts(levels, wobble, expected):
    assert verdict(results_of(*levels, wobble=wobble)) == expected


def test_no_gain_is_no_refutation_where_the_paper_gives_no_number():
    assert verdict(results_of(1.0, 1.0, 1.0, published=False)) == "cannot be told"


def test_a_correction_can_undo_a_verdict():
    results = results_of(1.0, 0.8, 0.9, published=False)
    assert (verdict(results), verdict(results, 0.2)) == ("holds", "cannot be told")


def test_where_more_is_better_signs_turn():
    results = results_of(0.8, 1.0, 0.9)
    gain = replace(results, measures=[replace(results.measures[0], is_error=False)])
    assert (verdict(gain), verdict(results)) == ("holds", "does not hold")
