"""A policy as it is served: eager, compiled, or exported as one graph."""
