"""Manipulation tasks as gymnasium environments with scripted experts. Importing this package registers their ids."""

from gymnasium.envs.registration import register

# Without max_episode_steps: the environment truncates by itself.
register(id="gym_dist2/MetaWorld-v0", entry_point="gym_dist2.metaworld:MetaWorld")
register(id="gym_dist2/PointAround-v0", entry_point="gym_dist2.point_around:PointAround")
register(id="gym_dist2/PointChoice-v0", entry_point="gym_dist2.point_choice:PointChoice")
