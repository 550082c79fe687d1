"""dist2-compare: evaluated runs side by side, paired on their initial states."""

from pathlib import Path
from typing import Any

from dist2_robot.cli.app import run_command
from dist2_robot.cli.runs import load_runs
from dist2_robot.errors import InputError
from dist2_robot.evaluation.compare import compare_runs, format_table
from dist2_robot.evaluation.comparison_picture import write_comparison_picture
from dist2_robot.evaluation.methods import are_methods, compare_methods, format_methods
from dist2_robot.evaluation.report import write_report
from dist2_robot.json_file import write_json

ABOUT = """
Compare evaluated runs: success rates with intervals, and differences from the first, paired episode by episode.

  dist2-compare runs=[runs/default,runs/one_hot]
  dist2-compare runs=['runs/*'] output=comparison     # also a picture, a page and comparison.json

Runs that were trained with the same name= are the tasks and training seeds of one method, and are told together.
"""


def compare(config: dict[str, Any]) -> int:
    """Runs, comparison, table, and by request picture and page."""
    runs = load_runs(config["runs"], config["evaluation"])
    for run in runs:
        if not run.results:
            raise InputError(f"'{run.folder}' has no evaluation '{config['evaluation']}': run dist2-eval on it first")
    if are_methods(runs):
        comparison = compare_methods(runs)
        print(format_methods(comparison))
    else:
        comparison = compare_runs({run.name: run.results for run in runs})
        print(format_table(comparison))
    if config["output"]:
        output = Path(config["output"])
        output.mkdir(parents=True, exist_ok=True)
        write_json(output / "comparison.json", comparison)
        picture = write_comparison_picture(comparison, output / "comparison.png")
        page = write_report(runs, output / "comparison.html")
        print(f"picture: {picture}; page: {page}; results: {output / 'comparison.json'}")
    return 0


def main() -> None:
    run_command("dist2-compare", "compare", ABOUT, compare)


if __name__ == "__main__":
    main()
