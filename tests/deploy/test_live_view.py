"""What a person sees while a robot moves."""

import io
import os
import pty
import sys
import threading

from rich.console import Console

from dist2_robot.deploy.loop.keys import Keys
from dist2_robot.deploy.loop.live_view import LiveView
from tests.deploy.rigs import Rig


def drawn(rig: Rig) -> str:
    """Return what the view shows of all ticks of a rig."""
    screen = Console(file=io.StringIO(), width=110, force_terminal=False)
    spec = rig.robot.description.spec
    view = LiveView("a policy on a robot", spec.names, spec.units, rig.loop.controller.limits, rig.settings, screen)
    for tick in rig.ticks:
        view(tick)
    screen.print(view._draw())
    return screen.file.getvalue()  # type: ignore[attr-defined]


def test_the_view_shows_state_latency_sureness_and_joints() -> None:
    rig = Rig(latency_s=0.1)
    rig.policy.unsure = 1.5
    rig.moving(1.0)
    text = drawn(rig)
    for said in ("RUNNING", "pan.pos", "gripper.pos", "answers in 100 ms", "entropy 0.50 nats", "1.50 tolerances"):
        assert said in text


def test_the_view_says_why_the_robot_stopped() -> None:
    rig = Rig().moving()
    rig.loop.stop("emergency stop")
    rig.run(0.5)
    text = drawn(rig)
    assert "STOPPED" in text
    assert "emergency stop" in text


def test_a_key_is_heard(monkeypatch) -> None:
    ours, theirs = pty.openpty()
    heard = threading.Event()
    with os.fdopen(theirs, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        with Keys({" ": heard.set}) as keys:
            assert keys.is_listening
            os.write(ours, b"x ")
            assert heard.wait(5)
    os.close(ours)


def test_without_a_terminal_no_key_is_heard(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(" "))
    with Keys({" ": lambda: None}) as keys:
        assert not keys.is_listening
