"""Hydra commands: the only room that knows of Hydra."""

from dist2_robot.lerobot.baselines.register import register_baselines

register_baselines()  # for every command, and every process that one starts
