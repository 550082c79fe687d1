"""The claims of the DIST2Loss paper, tried again with controls."""
