"""A run on a robot for the rerun viewer (rerun.io), to scrub through. Its package is an extra."""

from pathlib import Path

import numpy as np

from dist2_robot.errors import InputError
from dist2_robot.evaluation.deployment_page import RobotRun


def write_rerun(run: RobotRun, path: Path) -> Path:
    """Write a ``.rrd`` file: each joint as measured, sent and wanted, how sure the policy was, and what happened.

    Raises:
        InputError: The package is not installed.
    """
    try:
        import rerun as rr  # pyright: ignore[reportMissingImports] an extra
    except ImportError as error:
        raise InputError("rerun is not installed; run: pip install 'dist2-robot[rerun]'") from error
    recording = rr.RecordingStream("dist2_deploy")
    recording.save(str(path))
    columns = {
        f"joints/{dimension['name']}/{kind}": values[:, i]
        for i, dimension in enumerate(run.head["card"]["spec"]["dimensions"])
        for kind, values in (("measured", run.measured), ("sent", run.target), ("wanted", run.wanted))
    }
    columns |= {f"policy/{name}": values for name, values in run.series.items()}
    columns["loop/late_ms"] = 1000 * run.late_s
    for name, values in columns.items():
        known = np.isfinite(values)
        if known.any():
            at = rr.TimeColumn("time", duration=run.seconds[known])
            recording.send_columns(name, indexes=[at], columns=rr.Scalars.columns(scalars=values[known]))
    if run.events:
        at = rr.TimeColumn("time", duration=np.array([seconds for seconds, _ in run.events]))
        texts = [text for _, text in run.events]
        recording.send_columns("events", indexes=[at], columns=rr.TextLog.columns(text=texts))
    recording.flush()
    return path
