"""LeRobot's own policies behind our `Policy`, so that they train, save, act and are judged as ours do."""
