"""A checkpoint on a robot: limits, clock, control loop, state machine, policy process, export.

Nothing here imports hydra, wandb, mujoco or lerobot.
"""
