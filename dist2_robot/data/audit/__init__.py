"""A whole dataset put to the test: everything about it that could spoil a training, with file, episode and frame."""
