"""Demonstrations by scripted experts."""
