"""Other people's recordings as LeRobot datasets."""
