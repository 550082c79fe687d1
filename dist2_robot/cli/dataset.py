"""The datasets that a config names: opened, checked, joined, cut into windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.data.folder import DatasetFolder, from_hub, open_folder
from dist2_robot.data.picture_cache import default_cache, read_pictures
from dist2_robot.data.recorded_spec import joint_spec
from dist2_robot.data.split import split_episodes
from dist2_robot.data.table import FrameTable, join_tables, read_table
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.errors import InputError
from dist2_robot.types import ACTION, ObservationSpec

DEFAULT_MEMORY_GB = 4.0  # of decoded pictures


@dataclass(frozen=True)
class TrainingData:
    """Attributes:
    folders: Where the data lie, and what their metadata say.
    table: All frames.
    spec: What an action is.
    episodes: How many episodes are used.
    training: Windows to learn from.
    held_out: Windows of other episodes; empty if nothing is held out.
    """

    folders: tuple[DatasetFolder, ...]
    table: FrameTable
    spec: ActionSpec
    episodes: int
    training: ChunkWindows
    held_out: ChunkWindows

    @property
    def name(self) -> str:
        """The folder, or the first and how many more."""
        more = len(self.folders) - 1
        return f"{self.folders[0].root}{f' and {more} more' if more else ''}"

    @cached_property
    def observation(self) -> ObservationSpec:
        """What there is to look at."""
        columns = {name: column for name, column in self.table.features.items() if name != ACTION}
        pictures = {name: (x.shape[1], x.shape[2]) for name, x in columns.items() if x.ndim == 4}
        numbers = {name: x.shape[1] for name, x in columns.items() if x.ndim == 2}
        return ObservationSpec(numbers, pictures, self.table.tasks, self.training.history)

    @property
    def observation_names(self) -> dict[str, list[str]]:
        """The names of observed numbers."""
        return {name: self.folders[0].names(name) for name in self.observation.numbers}

    @property
    def environments(self) -> list[Mapping[str, Any]]:
        """Where the data were recorded in simulation, each environment once."""
        found: list[Mapping[str, Any]] = []
        for folder in self.folders:
            environment = folder.recording.get("environment")
            if environment and environment not in found:
                found.append(environment)
        return found

    def describe(self) -> dict[str, Any]:
        """Return what identifies the data, as plain values for manifest and report."""
        roots = [str(folder.root) for folder in self.folders]
        return {
            "root": roots[0] if len(roots) == 1 else roots,
            "fingerprint": self.table.fingerprint,
            "episodes": self.episodes,
            "training_frames": len(self.training),
            "held_out_frames": len(self.held_out),
        }


def load_training_data(
    config: Mapping[str, Any], horizon: int, seed: int, *, history: int = 1, pictures: bool = True
) -> TrainingData:
    """Open the datasets of a ``dataset`` config.

    Args:
        config: Its entries.
        horizon: Steps of a chunk.
        seed: Which episodes are held out.
        history: Moments that are seen at once.
        pictures: Whether to read them, if there are any.

    Raises:
        InputError: For whatever is wrong with them.
    """
    if history < 1:
        raise InputError(f"policy.history must be at least 1, the present moment, got {history}")
    folders = _open(config)
    numbers, cameras = _observed(folders[0], config.get("observations"), pictures)
    tables = [_first_episodes(read_table(folder, numbers), config["episodes"], folder) for folder in folders]
    counts = [len(table.features[ACTION]) for table in tables]
    try:
        table = join_tables(tables)
        spec = joint_spec(folders, tables)
    except ValueError as error:
        raise InputError(f"the datasets {[str(f.root) for f in folders]} do not go together: {error}") from error
    if cameras:
        table = _with_pictures(table, folders, counts, cameras, config)
    try:
        training, held_out = split_episodes(table.episodes, config["validation"], seed)
    except ValueError as error:
        raise InputError(f"dataset.validation: {error}") from error
    windows = (ChunkWindows(table, table.frames_of(some), horizon, history) for some in (training, held_out))
    return TrainingData(tuple(folders), table, spec, table.episodes, *windows)


def _open(config: Mapping[str, Any]) -> list[DatasetFolder]:
    root, repo_id = config["root"], config["repo_id"]
    roots = [root] if isinstance(root, str | Path) else root
    if roots:
        return [open_folder(Path(str(each))) for each in roots]
    if repo_id is not None:
        wanted = [name for name in config.get("observations") or [] if ".image" in name]
        return [from_hub(repo_id, config["revision"], wanted)]
    raise InputError("no dataset is named: give dataset.root=FOLDER, or dataset.repo_id=NAME for one on the hub")


def _observed(
    folder: DatasetFolder, wanted: Sequence[str] | None, pictures: bool
) -> tuple[list[str] | None, list[str]]:
    """Return the vectors to read, None for all, and the cameras."""
    cameras = list(folder.cameras())
    if wanted is None:
        return None, cameras if pictures else []
    return [name for name in wanted if name not in cameras], [name for name in wanted if name in cameras and pictures]


def _first_episodes(table: FrameTable, episodes: int | None, folder: DatasetFolder) -> FrameTable:
    if episodes is None:
        return table
    if not isinstance(episodes, int) or not 0 < episodes <= table.episodes:
        raise InputError(f"dataset.episodes={episodes}, but '{folder.root}' holds {table.episodes}")
    return table.first(episodes)


def _with_pictures(
    table: FrameTable,
    folders: Sequence[DatasetFolder],
    counts: Sequence[int],
    cameras: Sequence[str],
    config: Mapping[str, Any],
) -> FrameTable:
    """Return the table with the pictures of some cameras; of each folder those of its first frames."""
    memory_gb = config.get("memory_gb", DEFAULT_MEMORY_GB) / len(cameras)
    cache = Path(str(config["cache"])) if config.get("cache") else default_cache()
    features = dict(table.features)
    for camera in cameras:
        if any(camera not in folder.cameras() for folder in folders):
            raise InputError(f"not all of the datasets have pictures '{camera}': leave it out of dataset.observations")
        size = _size(config.get("image_size"), folders[0].cameras()[camera])
        features[camera] = read_pictures(folders, counts, camera, size, memory_gb=memory_gb, cache=cache)
    return replace(table, features=features)


def _size(wanted: Any, recorded: tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) for ``dataset.image_size``: null as recorded, a number for squares, or both."""
    if wanted is None:
        return recorded
    size = [wanted, wanted] if isinstance(wanted, int) else wanted
    if not isinstance(size, Sequence) or len(size) != 2 or not all(type(x) is int and x > 0 for x in size):
        raise InputError(f"dataset.image_size must be a number of pixels, or [height,width], got {wanted!r}")
    return size[0], size[1]
