"""The error of a distance that cannot be taken between these tokens."""

from dist2_robot.errors import InputError


class DistanceError(InputError, ValueError):
    """Distance and tokens do not go together, or a file of distances holds none; one line that says what to use.

    It is an `InputError`, for which distance and which tokens meet is the user's choice, and commands print it in one
    line; and a `ValueError`, for to code that calls a distance it is a refused argument.
    """
