"""dist2-compare: evaluated runs side by side, paired on their initial states or on held-out episodes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dist2_robot.cli.app import run_command
from dist2_robot.cli.runs import load_runs
from dist2_robot.errors import InputError
from dist2_robot.evaluation.compare import compare_runs, format_table
from dist2_robot.evaluation.comparison_picture import write_comparison_picture
from dist2_robot.evaluation.held_out_compare import compare_held_out, compare_held_out_methods
from dist2_robot.evaluation.held_out_text import format_held_out_comparison
from dist2_robot.evaluation.methods import are_methods, compare_methods, format_methods
from dist2_robot.evaluation.report import write_report
from dist2_robot.evaluation.run_files import RunFiles
from dist2_robot.json_file import write_json

ABOUT = """
Compare evaluated runs: success rates with intervals, and differences from the first, paired episode by episode. And
without a simulation: error, CRPS and likelihood on the episodes that were held out in training.

  dist2-compare runs=[runs/default,runs/one_hot]
  dist2-compare runs=['runs/*'] output=comparison     # also a picture, a page and comparison.json
  dist2-compare runs=[runs/door] evaluation=[eval,median]     # one policy, evaluated in two ways

Runs that were trained with the same name= are the tasks and training seeds of one method, and are told together.
"""


def compare(config: dict[str, Any]) -> int:
    """Runs, comparison, table, and by request picture and page."""
    runs = load_runs(config["runs"], config["evaluation"])
    for run in runs:
        if not (run.results or run.held_out):
            raise InputError(f"'{run.folder}' has no evaluation '{run.evaluation.name}': run dist2-eval on it first")
    comparison = _compare(runs)
    if config["output"]:
        output = Path(config["output"])
        output.mkdir(parents=True, exist_ok=True)
        write_json(output / "comparison.json", comparison)
        picture = write_comparison_picture(comparison, output / "comparison.png")
        page = write_report(runs, output / "comparison.html")
        print(f"picture: {picture}; page: {page}; results: {output / 'comparison.json'}")
    return 0


def _compare(runs: Sequence[RunFiles]) -> dict[str, Any]:
    """Compare, and print, what all of the runs have: success, scores on held-out episodes, or both."""
    without_success = [run for run in runs if not run.results]
    without_scores = [run for run in runs if not run.held_out]
    if without_success and without_scores:
        raise InputError(
            f"'{without_success[0].folder}' has only scores on held-out episodes, and '{without_scores[0].folder}' has "
            "none: run dist2-eval on the latter with env=none, or leave one of them out"
        )
    comparison: dict[str, Any] = {"kind": "held_out"}
    if not without_success:
        if are_methods(runs):
            comparison = compare_methods(runs)
            print(format_methods(comparison))
        else:
            comparison = compare_runs({run.name: run.results for run in runs})
            print(format_table(comparison))
    if not without_scores:
        if are_methods(runs):
            scores = compare_held_out_methods(runs)
        else:
            scores = compare_held_out({run.name: run.held_out for run in runs}, strict=bool(without_success))
        comparison["held_out"] = scores
        print(("" if without_success else "\n") + format_held_out_comparison(scores))
    return comparison


def main() -> None:
    run_command("dist2-compare", "compare", ABOUT, compare)


if __name__ == "__main__":
    main()
