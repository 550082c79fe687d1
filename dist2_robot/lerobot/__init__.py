"""What plugs into LeRobot, and LeRobot's robots for our control loop."""
