"""dist2-report: result files to one self-contained page."""

from pathlib import Path
from typing import Any

from dist2_robot.cli.app import run_command
from dist2_robot.cli.runs import load_runs
from dist2_robot.cli.trackers import send_page
from dist2_robot.evaluation.picture import write_picture
from dist2_robot.evaluation.report import write_report

ABOUT = """
Draw one self-contained HTML page from the files of one or more runs.

  dist2-report runs=[runs/default,runs/one_hot] output=report.html
"""


def report(config: dict[str, Any]) -> int:
    """Runs, page, picture."""
    runs = load_runs(config["runs"], config["evaluation"])
    page = write_report(runs, Path(config["output"])).resolve()
    print(f"report: {page}")
    send_page(config, page)
    if config["picture"]:
        print(f"picture: {write_picture(runs, Path(config['picture'])).resolve()}")
    return 0


def main() -> None:
    run_command("dist2-report", "report", ABOUT, report)


if __name__ == "__main__":
    main()
