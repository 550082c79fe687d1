"""Registers dist2-robot's policy, environments and robots with LeRobot, which imports this package by its name."""

import dist2_robot.lerobot  # noqa: F401
