"""Runs of several tasks and training seeds, told by method."""

import json

import pytest

from dist2_robot.cli.compare import compare
from dist2_robot.errors import InputError
from dist2_robot.evaluation.methods import are_methods, compare_methods, format_methods
from dist2_robot.evaluation.report import write_report
from dist2_robot.evaluation.run_files import load_run


@pytest.fixture
def runs(write_run):
    """Two methods, two tasks, two training seeds: better by 20 points of the first, and not trained on the second."""

    def write(name, task, training_seed, rate, number):
        folder = write_run(name, rate, seed=number)
        config = json.loads((folder / "config.json").read_text()) | {"seed": training_seed}
        (folder / "config.json").write_text(json.dumps(config))
        results = json.loads((folder / "eval" / "results.json").read_text())
        results["environment"] = {"id": "gym_dist2/Push-v0", "kwargs": {"control": task, "visuals": "light"}}
        (folder / "eval" / "results.json").write_text(json.dumps(results))
        return load_run(folder)

    return [
        write("tokens", "joint", 0, 0.80, 0),
        write("tokens", "joint", 1, 0.90, 1),
        write("tokens", "hand", 0, 0.90, 2),
        write("tokens", "hand", 1, 0.95, 3),
        write("numbers", "joint", 0, 0.50, 4),
        write("numbers", "joint", 1, 0.55, 5),
    ]


def test_runs_of_one_name_are_one_method(runs):
    comparison = compare_methods(runs)
    tokens, numbers = comparison["rows"]
    assert comparison["tasks"] == ["control=joint", "control=hand"]
    assert (tokens["runs"], numbers["runs"]) == (4, 2)
    successes = sum(run.results["successes"] for run in runs[:2])
    assert tokens["tasks"]["control=joint"]["success_rate"] == successes / 100
    by_hand = [sum(run.results["success_rate"] for run in pair) / 2 for pair in (runs[:2], runs[2:4])]
    assert tokens["mean_rate"] == pytest.approx(sum(by_hand) / 2)
    assert "mean_rate" not in numbers  # a task is missing: no mean of other tasks is put beside the first's


def test_methods_are_compared_on_the_tasks_that_both_have(runs):
    (entry,) = compare_methods(runs)["differences"]
    gain = sum(b.results["success_rate"] - a.results["success_rate"] for a, b in zip(runs[:2], runs[4:], strict=True))
    assert list(entry["tasks"]) == ["control=joint"]
    assert entry["mean"]["difference"] == pytest.approx(gain / 2)
    assert entry["mean"]["training_seeds"] == 2
    assert entry["beats_rate"] == 0.0
    assert "not compared" not in format_methods(compare_methods(runs))


def test_other_training_seeds_are_not_paired(runs):
    comparison = compare_methods(runs[:2] + runs[4:5])
    assert "training seeds differ" in comparison["differences"][0]["note"]
    assert "not compared" in format_methods(comparison)


def test_two_runs_of_one_seed_are_refused_by_the_comparison_and_told_apart_on_the_page(runs, write_run, tmp_path):
    twice = [load_run(write_run("same", seed=number)) for number in (7, 8)]
    (twice[1].folder / "config.json").write_text((twice[0].folder / "config.json").read_text())
    twice[1] = load_run(twice[1].folder)
    assert are_methods(twice)
    with pytest.raises(InputError, match="name="):
        compare_methods(twice)
    assert "<h2>Methods" not in write_report(twice, tmp_path / "report.html").read_text()


def test_the_command_writes_picture_page_and_json(runs, tmp_path, capsys):
    output = tmp_path / "comparison"
    assert compare({"runs": [f"{tmp_path}/run*"], "evaluation": "eval", "output": str(output)}) == 0
    assert "control=joint" in capsys.readouterr().out
    assert json.loads((output / "comparison.json").read_text())["kind"] == "methods"
    assert "<h2>Methods" in (output / "comparison.html").read_text()
    assert (output / "comparison.png").stat().st_size > 5_000
    alone = {"runs": [str(runs[0].folder), str(runs[4].folder)], "evaluation": "eval", "output": str(output)}
    assert compare(alone) == 0
    assert json.loads((output / "comparison.json").read_text())["kind"] == "comparison"
