"""SVT-AV1, with which LeRobot encodes videos, makes its caller a real-time thread of the highest priority if it can."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def scheduling_kept() -> Iterator[None]:
    """Give the calling thread back the priority that it had before.

    Root, as in most containers, may be made real-time, and then whatever follows the first video (a simulation, a
    training, a robot's control loop and each process that they start) takes its core from everything else.
    """
    if not hasattr(os, "sched_getscheduler"):  # not Linux, and nothing to give back
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)
