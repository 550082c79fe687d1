"""The evaluations of several tasks, together."""

import pytest

from dist2_robot.evaluation.intervals import wilson_interval
from dist2_robot.evaluation.summary import summarise
from dist2_robot.evaluation.tasks import format_tasks, summarise_tasks


def results(task, outcomes):
    episodes = [
        {"index": i, "seed": i, "outcome": outcome, "steps": 9, "success_step": 5, "success_at_end": False, "jerk": 1.0}
        for i, outcome in enumerate(outcomes)
    ]
    settings = {"seed": 7, "n_action_steps": 4, "ensemble": None, "decoding": "mean", "steps_per_s": 100.0}
    about = {"environment": {"id": "some/Env-v0", "kwargs": {"task": task}}, "task": f"Do {task}."}
    return {**summarise(episodes), **settings, **about}


@pytest.fixture
def both():
    return {"push": results("push", ["success"] * 3 + ["failure"]), "pull": results("pull", ["failure"] * 6)}


def test_all_episodes_count_alike_and_each_task_has_a_row(both):
    together = summarise_tasks(both)
    assert together["success_rate"] == 3 / 10
    assert together["success_interval"] == pytest.approx(list(wilson_interval(3, 10)))
    assert together["episodes"] == together["successes"] + together["failures"] + together["errors"] == 10
    assert [episode["index"] for episode in together["per_episode"]] == list(range(10))
    assert [(row["name"], row["task"], row["success_rate"]) for row in together["per_task"]] == [
        ("push", "Do push.", 0.75),
        ("pull", "Do pull.", 0.0),
    ]
    assert (together["seed"], together["decoding"], together["task"]) == (7, "mean", None)


@pytest.mark.fault("R14")
def test_too_many_errors_in_one_task_leave_no_rate_of_all(both):
    both["lift"] = results("lift", ["error"] * 3)
    together = summarise_tasks(both)
    assert together["success_rate"] is None
    assert "3 of 13 episodes ended in an error" in together["note"]
    assert together["per_task"][2]["success_rate"] is None
    assert format_tasks(together).count("\n") == 3


def test_the_table_has_a_line_a_task_and_one_of_all(both):
    lines = format_tasks(summarise_tasks(both)).splitlines()
    assert [line.split()[0] for line in lines] == ["push", "pull", "all"]
    assert lines[0].endswith("of 4")
    assert lines[2].endswith("of 10")
