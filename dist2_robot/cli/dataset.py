"""The datasets that a config names: opened, checked, joined, cut into windows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from dist2_robot.actions.constants import with_constants
from dist2_robot.actions.spec import UNKNOWN_UNIT, ActionSpec
from dist2_robot.actions.spec_file import read_spec_file
from dist2_robot.actions.told_spec import ToldSpec
from dist2_robot.data.decode import missing_files, read_rows
from dist2_robot.data.folder import DatasetFolder, from_hub, open_folder
from dist2_robot.data.joining import in_one_order
from dist2_robot.data.picture_cache import default_cache, read_pictures
from dist2_robot.data.recorded_spec import RecordedSpec, describe, is_told
from dist2_robot.data.split import split_episodes
from dist2_robot.data.table import FrameTable, join_tables, read_table
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.errors import InputError, some_of
from dist2_robot.json_file import read_json
from dist2_robot.types import ACTION, ObservationSpec

DEFAULT_MEMORY_GB = 4.0  # of decoded pictures
ASPECT = 0.02  # how much the sides of pictures may differ in proportion: one or two pixels, from rounding


@dataclass(frozen=True)
class TrainingData:
    """Attributes:
    folders: Where the data lie, and what their metadata say.
    table: All frames.
    recorded: What every number means.
    episodes: How many episodes are used.
    training: Windows to learn from.
    held_out: Windows of other episodes; empty if nothing is held out.
    target: Which feature stands for the actions.
    """

    folders: tuple[DatasetFolder, ...]
    table: FrameTable
    recorded: RecordedSpec
    episodes: int
    training: ChunkWindows
    held_out: ChunkWindows
    target: str = ACTION

    @property
    def spec(self) -> ActionSpec:
        """What an action is."""
        return self.recorded.action

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
        recorded = {name: self.folders[0].cameras()[name] for name in pictures}
        return ObservationSpec(numbers, pictures, self.table.tasks, self.training.history, recorded)

    @property
    def observation_names(self) -> dict[str, list[str]]:
        """The names of observed numbers."""
        return {name: [d.name for d in self.recorded.observed[name]] for name in self.observation.numbers}

    @property
    def observation_units(self) -> dict[str, list[str]]:
        """The units of observed numbers; of a simulation whose recorder wrote none, nothing is known or missed."""
        units = {name: [d.unit for d in self.recorded.observed[name]] for name in self.observation.numbers}
        if all(is_told(folder) for folder in self.folders):
            return {name: some for name, some in units.items() if UNKNOWN_UNIT not in some}
        return units

    @property
    def environments(self) -> list[Mapping[str, Any]]:
        """Where what is learned was done in simulation, each environment once; none for what is no action."""
        if self.target != ACTION:
            return []
        found: list[Mapping[str, Any]] = []
        for folder in self.folders:
            environment = folder.recording.get("environment")
            if environment and environment not in found:
                found.append(environment)
        return found

    def remarks(self) -> list[str]:
        """Return what a user should know of the data before they are learned from, a line each."""
        lines = []
        if unknown := self.recorded.unknown.get(ACTION, []):
            root = self.folders[0].root
            lines.append(
                f"unit unknown of {some_of(unknown)}: errors are plain numbers, and no robot takes actions until it "
                f"is told: dist2-validate dataset.root={root} write_spec=arm.yaml, then dataset.spec=arm.yaml"
            )
        units = zip(self.recorded.action.names, self.recorded.remarks.get(ACTION, []), strict=False)
        if proved := [(name, said) for name, said in units if said.startswith("unit proved: ")]:
            why = proved[0][1].removeprefix("unit proved: ").partition(";")[0]
            lines.append(
                f"unit of {some_of([name for name, _ in proved])}: taken from the numbers ({why}); if it is not so, "
                "tell it with dataset.spec="
            )
        left_out = {name: why for folder in self.folders for name, why in folder.left_out().items()}
        if left_out:
            lines.append(f"left out: {', '.join(f'{name} ({why})' for name, why in left_out.items())}")
        return lines

    def describe(self) -> dict[str, Any]:
        """Return what identifies the data, as plain values for manifest and report."""
        roots = [str(folder.root) for folder in self.folders]
        return {
            "root": roots[0] if len(roots) == 1 else roots,
            "fingerprint": self.table.fingerprint,
            "episodes": self.episodes,
            "training_frames": len(self.training),
            "held_out_frames": len(self.held_out),
            "numbers": {
                name: [asdict(dimension) for dimension in self.recorded.observed[name]]
                for name in self.observation.numbers
            },
        }


def load_training_data(
    config: Mapping[str, Any],
    horizon: int,
    seed: int,
    *,
    history: int = 1,
    pictures: bool = True,
    target: str = ACTION,
    told: Sequence[ToldSpec] = (),
) -> TrainingData:
    """Open the datasets of a ``dataset`` config.

    Args:
        config: Its entries.
        horizon: Steps of a chunk.
        seed: Which episodes are held out.
        history: Moments that are seen at once.
        pictures: Whether to read them, if there are any.
        target: Which feature is to be predicted.
        told: What an environment tells of the numbers, besides the file that the config names.

    Raises:
        InputError: For whatever is wrong with them.
    """
    if history < 1:
        raise InputError(f"policy.history must be at least 1, the present moment, got {history}")
    folders = _open(config)
    numbers, cameras = _observed(folders[0], config.get("observations"), pictures)
    read = [read_table(folder, numbers, target) for folder in folders]
    rows = [_rows(table, config["episodes"], folder) for table, folder in zip(read, folders, strict=True)]
    tables = [_chosen_episodes(table, config["episodes"], f) for table, f in zip(read, folders, strict=True)]
    tables = in_one_order(folders, tables, target)
    there = folders[0].info["features"]  # an environment may tell of more than was recorded
    told = [replace(each, features={key: x for key, x in each.features.items() if key in there}) for each in told]
    told = [*([read_spec_file(Path(str(config["spec"])))] if config.get("spec") else []), *told]
    recorded = describe(folders, [table.features for table in tables], told, target)
    table = join_tables(tables)
    recorded = replace(recorded, action=with_constants(recorded.action, table.features[ACTION]))
    if cameras:
        sizes = _sizes(folders, cameras, config.get("image_size"))
        _check_files(folders, rows, cameras, config)
        table = _with_pictures(table, folders, rows, sizes, config)
    try:
        training, held_out = split_episodes(table.episodes, config["validation"], seed)
    except ValueError as error:
        raise InputError(f"dataset.validation: {error}") from error
    learn, hold_out = (ChunkWindows(table, table.frames_of(some), horizon, history) for some in (training, held_out))
    return TrainingData(tuple(folders), table, recorded, table.episodes, learn, hold_out, target)


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
    """Return the vectors to read, None for all, and the cameras; say which features of pictures are left out."""
    cameras, odd = list(folder.cameras()), folder.left_out_cameras()
    if wanted is None:
        for name, reason in odd.items() if pictures else ():
            print(f"left out: {name} ({reason})", flush=True)
        return None, cameras if pictures else []
    if pictures and (named := [name for name in wanted if name in odd]):
        raise InputError(
            f"dataset.observations names '{named[0]}', whose pictures are not read ({odd[named[0]]}): leave it out"
        )
    numbers = [name for name in wanted if name not in cameras and name not in odd]
    return numbers, [name for name in wanted if name in cameras and pictures]


def _rows(table: FrameTable, chosen: Any, folder: DatasetFolder) -> list[int] | None:
    """Return the numbers of the rows of the chosen episodes of a whole table; None for all of them."""
    if chosen is None:
        return None
    everything = torch.arange(len(table.task_numbers))
    numbered = replace(table, features={}, task_numbers=everything)
    return _chosen_episodes(numbered, chosen, folder).task_numbers.tolist()


def _chosen_episodes(table: FrameTable, chosen: Any, folder: DatasetFolder) -> FrameTable:
    """Return the episodes of ``dataset.episodes``: the first so many, a list, or that in the file of dist2-rate."""
    if chosen is None:
        return table
    if isinstance(chosen, str | Path):
        chosen = _kept(Path(chosen), folder)
    if isinstance(chosen, int):
        if not 0 < chosen <= table.episodes:
            raise InputError(f"dataset.episodes={chosen}, but '{folder.root}' holds {table.episodes}")
        return table.first(chosen)
    numbers = list(chosen)
    if not numbers or not all(type(n) is int and 0 <= n < table.episodes for n in numbers):
        raise InputError(f"dataset.episodes={numbers}, but '{folder.root}' holds episodes 0 to {table.episodes - 1}")
    return table.take(numbers)


def _kept(path: Path, folder: DatasetFolder) -> list[int]:
    """Return the episodes to keep of a file of dist2-rate."""
    try:
        content = read_json(path)
        if Path(content["dataset"]).resolve() != folder.root.resolve():
            raise InputError(f"dataset.episodes: '{path}' rates '{content['dataset']}', not '{folder.root}'")
        kept, episodes = content["kept"], folder.info["total_episodes"]
        if not isinstance(kept, list) or not kept or not all(type(n) is int and 0 <= n < episodes for n in kept):
            raise InputError(
                f"dataset.episodes: '{path}' does not tell which of {episodes} episodes to keep: make it anew"
            )
        return kept
    except FileNotFoundError:
        raise InputError(f"dataset.episodes: there is no file '{path}': make it with dist2-rate") from None
    except (ValueError, OverflowError, KeyError, TypeError) as error:
        raise InputError(f"dataset.episodes: '{path}' is no file of dist2-rate: make it anew") from error


def _sizes(folders: Sequence[DatasetFolder], cameras: Sequence[str], wanted: Any) -> dict[str, tuple[int, int]]:
    """Return of each camera the (height, width) to read its pictures in.

    Raises:
        InputError: A dataset lacks the camera, or has it in another shape, so that resizing would distort some.
    """
    found = {}
    for camera in cameras:
        if any(camera not in folder.cameras() for folder in folders):
            raise InputError(f"not all of the datasets have pictures '{camera}': leave it out of dataset.observations")
        first = folders[0].cameras()[camera]
        found[camera] = _size(wanted, first)
        for folder in folders[1:]:
            other = folder.cameras()[camera]
            is_same_aspect = abs(first[0] * other[1] / (first[1] * other[0]) - 1) <= ASPECT
            if other != first and (wanted is None or not is_same_aspect):
                mend = "leave one of them out, or the camera out of dataset.observations"
                if is_same_aspect:
                    mend = "give dataset.image_size, to which both are resized"
                raise InputError(
                    f"'{camera}' has pictures of {first[0]} x {first[1]} pixels in '{folders[0].root}' and of "
                    f"{other[0]} x {other[1]} in '{folder.root}': {mend}"
                )
    return found


def _check_files(
    folders: Sequence[DatasetFolder],
    rows: Sequence[Sequence[int] | None],
    cameras: Sequence[str],
    config: Mapping[str, Any],
) -> None:
    """Raise InputError, saying how to go on without them, where files of pictures are missing."""
    missing: dict[str, list[Path]] = {}
    for folder, numbers in zip(folders, rows, strict=True):
        all_rows = read_rows(folder, numbers)
        for camera in cameras:
            missing.setdefault(camera, []).extend(missing_files(folder, camera, all_rows))
    lost = [path for paths in missing.values() for path in paths]
    if lost:
        wanted = config.get("observations")
        numbers = [name for name in folders[0].state_features() if wanted is None or name in wanted]
        there = [*numbers, *(camera for camera, paths in missing.items() if not paths)]
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        without = f", or go on without: dataset.observations=[{','.join(there)}]" if there else ""
        hub = ", or name the cameras in dataset.observations, to have them downloaded" if not config["root"] else ""
        verb = "are" if more else "is"
        raise InputError(f"'{lost[0]}'{more} {verb} missing, the videos of a camera: restore them{without}{hub}")


def _with_pictures(
    table: FrameTable,
    folders: Sequence[DatasetFolder],
    rows: Sequence[Sequence[int] | None],
    sizes: Mapping[str, tuple[int, int]],
    config: Mapping[str, Any],
) -> FrameTable:
    """Return the table with the pictures of some cameras, of each folder those of the rows with these numbers."""
    memory_gb = config.get("memory_gb", DEFAULT_MEMORY_GB) / len(sizes)
    cache = Path(str(config["cache"])) if config.get("cache") else default_cache()
    features = dict(table.features)
    for camera, size in sizes.items():
        features[camera] = read_pictures(folders, rows, camera, size, memory_gb=memory_gb, cache=cache)
    return replace(table, features=features)


def _size(wanted: Any, recorded: tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) for ``dataset.image_size``: null as recorded, a number for squares, or both."""
    if wanted is None:
        return recorded
    size = [wanted, wanted] if isinstance(wanted, int) else wanted
    if not isinstance(size, Sequence) or len(size) != 2 or not all(type(x) is int and x > 0 for x in size):
        raise InputError(f"dataset.image_size must be a number of pixels, or [height,width], got {wanted!r}")
    return size[0], size[1]
