"""LeRobot datasets: write, open, check, cut into windows."""
