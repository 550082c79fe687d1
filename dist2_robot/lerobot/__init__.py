"""What joins us with LeRobot: its policies as ours. Beside `data`, the only room that imports lerobot."""
