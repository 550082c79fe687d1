"""Whoever writes a video keeps the priority that it had, as root too."""

import os

import pytest

from dist2_robot.data.scheduling import scheduling_kept
from tests.data.recordings import write_filmed

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="needs Linux")


def test_what_changed_the_scheduling_did_so_for_itself_alone():
    before = os.sched_getscheduler(0)
    with scheduling_kept():
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    assert os.sched_getscheduler(0) == before


def test_writing_a_video_makes_nobody_a_real_time_process(tmp_path):
    before = os.sched_getscheduler(0)
    write_filmed(tmp_path / "filmed", video=True)
    after = os.sched_getscheduler(0)
    os.sched_setscheduler(0, before, os.sched_param(0))  # or a failure would hold up all other tests
    assert after == before
