"""dist2-compare: evaluated runs side by side, paired on their initial states."""

import json
from pathlib import Path
from typing import Any

from dist2_robot.cli.app import run_command
from dist2_robot.cli.runs import load_runs
from dist2_robot.errors import InputError
from dist2_robot.evaluation.compare import compare_runs, format_table

ABOUT = """
Compare evaluated runs: success rates with intervals, and differences from the first run, paired episode by episode.

  dist2-compare runs=[runs/default,runs/one_hot]
"""


def compare(config: dict[str, Any]) -> int:
    """Runs, comparison, table."""
    runs = load_runs(config["runs"], config["evaluation"])
    for run in runs:
        if not run.results:
            raise InputError(f"'{run.folder}' has no evaluation '{config['evaluation']}': run dist2-eval on it first")
    comparison = compare_runs({run.name: run.results for run in runs})
    if config["output"]:
        output = Path(config["output"])
        output.mkdir(parents=True, exist_ok=True)
        (output / "comparison.json").write_text(json.dumps(comparison, indent=1))
    print(format_table(comparison))
    return 0


def main() -> None:
    run_command("dist2-compare", "compare", ABOUT, compare)


if __name__ == "__main__":
    main()
