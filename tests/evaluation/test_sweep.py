"""What sweeps say."""

from dist2_robot.evaluation.sweep import format_sweep, summarise_sweep


def row(value, outcomes, **changes):
    rate = outcomes.count("success") / len(outcomes)
    episodes = [{"seed": i, "outcome": outcome} for i, outcome in enumerate(outcomes)]
    return {
        "run": "a",
        "over": "delay",
        "value": value,
        "environment": {"id": "e", "kwargs": {"perturb": {"delay": value}}},
        "success_rate": rate,
        "success_interval": [0.0, 1.0],
        "per_episode": episodes,
        **changes,
    }


GOOD, BAD = ["success"] * 3 + ["failure"], ["success"] + ["failure"] * 3


def test_each_point_is_compared_with_the_first_of_its_run_and_thing():
    rows = [row(0, GOOD), row(1, BAD), row(0, BAD, run="b"), row(1, BAD, run="b")]
    found = summarise_sweep(rows)
    changes = [None if entry.change is None else entry.change.difference for entry in found]
    assert changes == [None, -0.5, None, 0.0]
    table = format_sweep(found)
    assert "delay=1" in table
    assert "-50 points" in table


def test_a_point_without_a_rate_is_not_compared():
    rows = [row(0, GOOD), row(1, BAD, success_rate=None, success_interval=None)]
    assert summarise_sweep(rows)[1].change is None
    assert format_sweep(summarise_sweep(rows)).splitlines()[-1].split() == ["a", "delay=1", "-"]
