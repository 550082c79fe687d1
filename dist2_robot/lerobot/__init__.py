"""Our policy and environments as LeRobot plug-ins. Importing this package registers them.

``lerobot-train``, ``lerobot-eval`` and ``lerobot-rollout`` find them with
``--discover_packages_path=dist2_robot.lerobot``, or by themselves where ``lerobot_policy_dist2`` is installed.
"""

from dist2_robot.lerobot import configuration_dist2, environments, processor_dist2

__all__ = ["configuration_dist2", "environments", "processor_dist2"]
