"""Transformer, observation encoders and heads."""
