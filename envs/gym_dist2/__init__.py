"""Manipulation tasks as gymnasium environments with scripted experts. Importing this package registers their ids.

``python -m gym_dist2`` lists them.
"""

from gymnasium.envs.registration import register

SO101_TASKS = {
    "Reach": "reach",
    "Push": "push",
    "Lift": "lift",
    "PickPlace": "pick_place",
    "OpenDrawer": "open_drawer",
    "ReachAround": "reach_around",
    "SortTwo": "sort_two",
}

# Without max_episode_steps: the environment truncates by itself.
register(id="gym_dist2/Adapted-v0", entry_point="gym_dist2.adapted:Adapted")
register(id="gym_dist2/MetaWorld-v0", entry_point="gym_dist2.metaworld:MetaWorld")
register(id="gym_dist2/PointAround-v0", entry_point="gym_dist2.point_around:PointAround")
register(id="gym_dist2/PointChoice-v0", entry_point="gym_dist2.point_choice:PointChoice")
register(id="gym_dist2/Grounding-v0", entry_point="gym_dist2.tabletop.grounding:Grounding")
register(id="gym_dist2/TablePlace-v0", entry_point="gym_dist2.tabletop.table_place:TablePlace")
for _name, _module in SO101_TASKS.items():
    register(id=f"gym_dist2/{_name}-v0", entry_point=f"gym_dist2.so101.{_module}:{_name}")
