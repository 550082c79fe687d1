"""Run policies in simulation: environments in worker processes, episodes that always add up, videos."""
