"""Registers dist2-robot's policy, environments and robots with LeRobot, which imports this package by its name."""

from importlib import import_module
from pkgutil import iter_modules

import dist2_robot.lerobot as plug_ins

for _module in iter_modules(plug_ins.__path__):
    import_module(f"dist2_robot.lerobot.{_module.name}")
