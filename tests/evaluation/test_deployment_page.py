"""The page of a run on a robot, drawn from its log."""

from pathlib import Path

import numpy as np

from dist2_robot.deploy.loop.run_log import LOG_FILE, read_log
from dist2_robot.evaluation.deployment_page import gather, write_deployment_page
from tests.deploy.rigs import Rig, logged


def page_of(rig: Rig, folder: Path) -> str:
    """Return the page of a second of a rig."""
    log = logged(folder / LOG_FILE, rig)
    rig.moving(1.0)
    log.close()
    results = {"reason": "a test", "time": {}, "log_lines_dropped": log.dropped}
    return write_deployment_page(gather(read_log(folder), results), folder / "report.html").read_text()


def test_the_page_shows_joints_time_and_sureness_in_plain_numbers(tmp_path: Path) -> None:
    rig = Rig()
    rig.policy.unsure = 1.5
    page = page_of(rig, tmp_path)
    for said in ("pan.pos", "begun late by (ms)", "expects to be off"):
        assert said in page
    assert "mathdefault" not in page


def test_what_was_committed_is_no_prediction_to_be_judged(tmp_path: Path) -> None:
    rig = Rig(mode="shadow", latency_s=0.1, max_prefix=6)
    rig.policy.unsure = 1.5
    log = logged(tmp_path / LOG_FILE, rig)
    rig.arm()
    rig.run(3.0)
    log.close()
    assert any(len(request.prefix) for request in rig.link.requests)
    foretold = gather(read_log(tmp_path), {}).foretold
    assert len(foretold) > 20
    assert np.allclose(foretold[:, 0], 1.5)
