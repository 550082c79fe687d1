"""Other people's recordings to a LeRobot dataset, and what is to be said of it."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path

from dist2_robot.data.folder import DIST2_FILE
from dist2_robot.data.importing.conversion import Conversion
from dist2_robot.data.importing.imported import Imported, ImportOptions
from dist2_robot.data.importing.readers import open_source
from dist2_robot.data.importing.source import Source
from dist2_robot.data.importing.videos import add_videos
from dist2_robot.data.writer import check_room, unfinished_folder, write_episodes
from dist2_robot.errors import InputError, naming

Watch = Callable[[Sequence[str]], Iterable[str]]


def import_dataset(
    path: Path, root: Path, options: ImportOptions, *, overwrite: bool = False, watch: Watch = iter
) -> Imported:
    """Write a new dataset of other people's recordings; the source stays as it is.

    Args:
        path: The source, a file or a folder.
        root: The new dataset.
        options: What the source does not tell.
        overwrite: Replace a dataset at `root`, once the new one is complete.
        watch: Called with the names of all episodes; what iterates over them, such as a progress bar.

    Raises:
        InputError: The source cannot be read, its rate or its action is not known, or no episode can be taken.
    """
    check_room(root, overwrite=overwrite)
    if path.exists() and _lie_in_each_other(path.resolve(), root.resolve()):
        raise InputError(f"'{root}' and the source '{path}' lie in each other: name another dataset.root")
    with naming(path):
        source = open_source(path, options.format)
        rate_hz = _rate(source, options.rate_hz)
        conversion = Conversion(source, options)
        if source.rate_hz is None:
            conversion.assumed.append(f"rate: {rate_hz:g} Hz, as rate_hz= says")
        with unfinished_folder(root, overwrite=overwrite) as folder:
            frames = write_episodes(
                folder,
                conversion.episodes(watch(list(source.episodes))),
                fps=round(rate_hz),
                names=conversion.names,
                robot_type=options.robot_type or source.robot_type or "unknown",
                video=conversion.is_video,
            )
            if not frames:
                why = "; ".join(conversion.left_out[-3:]) or "it has none"
                raise InputError(f"no episode of '{path}' can be taken: {why}")
            if conversion.videos:
                add_videos(folder, conversion.videos)
            told = {
                "format": source.format,
                "source": path.resolve().name,
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
                "options": {**vars(options), "rate_hz": rate_hz},
            }
            (folder / DIST2_FILE).write_text(json.dumps({"imported_from": told}, indent=1, default=list))
        return conversion.summary(frames, rate_hz)


def _lie_in_each_other(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def _rate(source: Source, given: float | None) -> float:
    """Return frames a second, a whole number. Raises InputError where nobody tells it, or two tell different ones."""
    if given is not None and (isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < 1e6):
        raise InputError(f"rate_hz must be a number above 0, got {given!r}")
    if given is None and source.rate_hz is None:
        raise InputError(
            f"{source.format} files do not tell how many frames a second they are: give rate_hz=..., e.g. 10"
        )
    if None not in (given, source.rate_hz) and given != source.rate_hz:
        raise InputError(f"the source says that it is of {source.rate_hz:g} Hz, not of rate_hz={given}: leave that out")
    rate_hz = float(source.rate_hz if given is None else given)  # pyright: ignore[reportArgumentType]
    if not isfinite(rate_hz) or rate_hz != round(rate_hz):
        raise InputError(
            f"LeRobot stores whole frames a second, the rate is {rate_hz:g}: resample the recordings first"
        )
    return rate_hz
