"""A run on an arm that falls when it is let go, as dist2-deploy does it: ``python -m tests.deploy.held_arm FOLDER``."""

import signal
import sys
from pathlib import Path

import numpy as np

from dist2_robot.cli.deploy_run import DeployRun
from dist2_robot.deploy.clock import MonotonicClock
from dist2_robot.deploy.loop.log_writer import LogWriter
from dist2_robot.deploy.loop.settings import ControlSettings
from dist2_robot.deploy.robots.remote_robot import start_robot_host
from dist2_robot.deploy.serving.in_process_link import InProcessLink
from tests.deploy.rigs import Mover, card_of

CALM = dict.fromkeys(("max_state_age_s", "frozen_s", "limited_timeout_s", "answer_timeout_s"), 60.0)  # a busy machine


def main(folder: Path) -> None:
    """Move for a second, then hold until a signal comes; the calls of the robot are in ``calls``."""
    host = [sys.executable, "-m", "tests.deploy.file_robot"]
    robot = start_robot_host(host, {"path": str(folder / "calls"), "options": {}}, answer_s=10.0, silence_s=20.0)
    assert robot.description.falls
    try:
        policy = Mover(card_of(robot.description.spec), np.array([40.0, 40.0, 60.0]))
        link = InProcessLink(policy, MonotonicClock(), lambda _: 0.0)
        config = {"arm": "yes", "view": True, "duration_s": 1, "episodes": None, "seed": 0, "robot": {}}
        run = DeployRun(robot, link, ControlSettings(**CALM), LogWriter(folder / "log.jsonl", {}), config)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda code, _: run.stop(signal.Signals(code).name))
        results = run.run()
        (folder / "reason").write_text(results["reason"])
    finally:
        robot.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
