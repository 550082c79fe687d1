"""Robots for the loop: a simulated arm, and any robot in a process of its own."""
