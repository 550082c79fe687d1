"""The experiments behind what this project claims: many trainings, run side by side, and the tables they give."""
