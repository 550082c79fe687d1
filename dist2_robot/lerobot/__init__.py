"""What plugs into LeRobot, and LeRobot's robots for our control loop.

Its modules register the policy type ``dist2`` and our environments and robots when they are imported, all of them with
``--discover_packages_path=dist2_robot.lerobot``, or where the distribution ``lerobot_policy_dist2`` is installed.
"""
