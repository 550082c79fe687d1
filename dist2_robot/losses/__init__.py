"""DIST2Loss and its rivals, one a file, one signature."""
