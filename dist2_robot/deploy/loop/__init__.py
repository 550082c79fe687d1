"""The loop that moves a robot: its clock, its limits, its states, its log."""
