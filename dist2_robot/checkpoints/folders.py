"""Folders that come and go whole, at whatever moment the process is killed.

On its way a folder has a hidden name beside its own: ``.NAME.unfinished`` while it is written, ``.NAME.replaced`` when
a new one takes its place, ``.NAME.removed`` while it is deleted. Only one process may write to a name at a time.
"""

import shutil
from pathlib import Path

_HIDDEN = ("unfinished", "replaced", "removed")


def begin_folder(folder: Path) -> Path:
    """Return an empty folder to write to, beside the one it is to become."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    settle_folder(folder)
    unfinished = _beside(folder, "unfinished")
    unfinished.mkdir()
    return unfinished


def put_in_place(unfinished: Path, folder: Path) -> None:
    """Give a folder that is written its name. What had the name before is removed when the new one stands."""
    if folder.exists():
        folder.replace(_beside(folder, "replaced"))
    unfinished.replace(folder)
    settle_folder(folder)


def remove_folder(folder: Path) -> None:
    """Delete a folder, if it is there: nobody ever finds half of it under its name."""
    settle_folder(folder)
    if folder.exists():
        folder.replace(_beside(folder, "removed"))
        settle_folder(folder)


def standing(folder: Path) -> Path:
    """Return a folder, or the one it was to replace if the process was killed just then."""
    if not folder.name:  # the folder in which we are
        return folder
    replaced = _beside(folder, "replaced")
    return replaced if replaced.exists() and not folder.exists() else folder


def settle_folder(folder: Path) -> None:
    """Finish or undo what killed processes had begun with a folder, and remove their leftovers."""
    if standing(folder) != folder:
        standing(folder).replace(folder)
    for what in _HIDDEN:
        shutil.rmtree(_beside(folder, what), ignore_errors=True)


def names_begun(parent: Path, pattern: str) -> set[str]:
    """Return the names of this pattern with which something was begun."""
    paths = [path for what in _HIDDEN for path in parent.glob(f".{pattern}.{what}")]
    return {path.stem.removeprefix(".") for path in paths}


def _beside(folder: Path, what: str) -> Path:
    return folder.with_name(f".{folder.name}.{what}")
