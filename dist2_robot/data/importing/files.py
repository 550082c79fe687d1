"""The files of a source: which they are, in which order, and that no link leads out of it."""

import re
from collections.abc import Iterable
from pathlib import Path

from dist2_robot.errors import InputError


def is_inside(root: Path, path: Path) -> bool:
    """Tell whether a file lies in a folder for all its links; those of the Hugging Face cache lead to its blobs."""
    try:
        folder, place = root.resolve(), path.resolve()
    except (OSError, RuntimeError):  # a link to itself
        return False
    return place.is_relative_to(folder) or (
        folder.parent.name == "snapshots" and place.is_relative_to(folder.parents[1] / "blobs")
    )


def check_file(root: Path, path: Path) -> None:
    """Raise InputError unless a path is a regular file within the source."""
    if not is_inside(root, path):
        raise InputError(f"'{path}' is a link that leads out of '{root}': put the file itself there")
    if not path.is_file():
        raise InputError(f"'{path}' is no regular file: restore it")


def numbered(paths: Iterable[Path]) -> list[Path]:
    """Return files in the order of the numbers in their names, 2 before 10, and then of the names."""
    return sorted(paths, key=lambda path: ([int(number) for number in re.findall(r"\d+", path.stem)], path.name))
