"""Folders that hold a trained policy."""
