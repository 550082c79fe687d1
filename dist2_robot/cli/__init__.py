"""Hydra commands: the only room that knows of Hydra."""
