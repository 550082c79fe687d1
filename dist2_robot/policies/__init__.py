"""Observe, infer, decode."""
