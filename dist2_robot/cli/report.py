"""dist2-report: result files to one self-contained page."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from dist2_robot.cli.app import run_command
from dist2_robot.cli.calibrate import expected_and_real
from dist2_robot.cli.runs import load_runs
from dist2_robot.cli.trackers import send_page
from dist2_robot.deploy.loop.run_log import ODD, read_log
from dist2_robot.errors import InputError
from dist2_robot.evaluation.deployment_page import gather, write_deployment_page
from dist2_robot.evaluation.deployment_rerun import write_rerun
from dist2_robot.evaluation.picture import write_picture
from dist2_robot.evaluation.report import write_report
from dist2_robot.json_file import read_json

RESULTS_FILE = "results.json"
ABOUT = """
Draw one self-contained HTML page from the files of one or more runs, or one of each run on a robot.

  dist2-report runs=[runs/default,runs/one_hot] output=report.html
  dist2-report deployments=[runs/default/deploy]
"""


def report(config: dict[str, Any]) -> int:
    """Runs, page, picture; deployments, a page each."""
    if not config["runs"] and not config["deployments"]:
        raise InputError("give runs=[...] of dist2-train, or deployments=[...] of dist2-deploy")
    for folder in config["deployments"]:
        _report_deployment(Path(folder), config["calibration"], rerun=config["rerun"])
    if not config["runs"]:
        return 0
    runs = load_runs(config["runs"], config["evaluation"])
    page = write_report(runs, Path(config["output"])).resolve()
    print(f"report: {page}")
    send_page(config, page)
    if config["picture"]:
        print(f"picture: {write_picture(runs, Path(config['picture'])).resolve()}")
    return 0


def _report_deployment(folder: Path, calibration: str | None, *, rerun: bool) -> None:
    results = folder / RESULTS_FILE
    try:
        run = gather(read_log(folder), read_json(results) if results.exists() else {})
        if calibration is not None:
            foretold = expected_and_real(run.head["card"]["checkpoint"], calibration)
            run = replace(run, foretold=foretold, foretold_from=f"the demonstrations of '{calibration}'")
        page = write_deployment_page(run, folder / "report.html")
    except (*ODD, StopIteration) as error:
        raise InputError(f"'{folder}' holds no log of dist2-deploy that can be drawn: {error!r}") from error
    print(f"report: {page.resolve()}")
    if rerun:
        print(f"rerun: {write_rerun(run, folder / 'log.rrd').resolve()}")


def main() -> None:
    run_command("dist2-report", "report", ABOUT, report)


if __name__ == "__main__":
    main()
