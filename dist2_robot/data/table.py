"""The columns of a dataset, or of several, as tensors, read once. N frames of E episodes."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from dist2_robot.data.check import check_columns
from dist2_robot.data.columns import flat_column
from dist2_robot.data.folder import DatasetFolder
from dist2_robot.data.parquet import Allowance, read_columns
from dist2_robot.errors import InputError, first_line
from dist2_robot.types import ACTION

TASK_INDEX = "task_index"
COARSE = 0.01  # of the range of a column: how far 32-bit numbers may be apart
_INDICES = ("episode_index", "frame_index", "index")


@dataclass(frozen=True)
class FrameTable:
    """All frames of a dataset, episode after episode.

    Attributes:
        features: Observed vectors and ``action`` -> (N, size), float32; pictures -> (N, height, width, 3), uint8.
        episode_starts: (E,), first frame of each episode.
        episode_ends: (E,), one past its last frame.
        fingerprint: sha256 of indices and numbers, and the sizes of pictures' files: the identity of the data,
            wherever they lie.
        tasks: What is done in the data, in words.
        task_numbers: (N,), which of the tasks in each frame; -1 where the data do not tell.
        parts: (E,), which of several datasets each episode comes from.
    """

    features: dict[str, Tensor]
    episode_starts: Tensor
    episode_ends: Tensor
    fingerprint: str
    tasks: tuple[str, ...]
    task_numbers: Tensor
    parts: Tensor

    @property
    def episodes(self) -> int:
        return len(self.episode_starts)

    def first(self, episodes: int) -> "FrameTable":
        """Return only the first so many episodes."""
        frames = int(self.episode_ends[episodes - 1])
        return replace(
            self,
            features={name: column[:frames] for name, column in self.features.items()},
            episode_starts=self.episode_starts[:episodes],
            episode_ends=self.episode_ends[:episodes],
            task_numbers=self.task_numbers[:frames],
            parts=self.parts[:episodes],
        )

    def take(self, episodes: Sequence[int]) -> "FrameTable":
        """Return only the given episodes, in their order."""
        frames, chosen = self.frames_of(episodes), torch.tensor(episodes)
        lengths = (self.episode_ends - self.episode_starts)[chosen]
        ends = lengths.cumsum(0)
        return replace(
            self,
            features={name: column[frames] for name, column in self.features.items()},
            episode_starts=ends - lengths,
            episode_ends=ends,
            task_numbers=self.task_numbers[frames],
            parts=self.parts[chosen],
        )

    def frames_of(self, episodes: Sequence[int]) -> Tensor:
        """Return the frame numbers of the given episodes, in order."""
        spans = [torch.arange(int(self.episode_starts[e]), int(self.episode_ends[e])) for e in episodes]
        return torch.cat(spans) if spans else torch.empty(0, dtype=torch.long)


def read_table(folder: DatasetFolder, observed: Sequence[str] | None = None, target: str = ACTION) -> FrameTable:
    """Read and check the columns. Raises InputError that names file, episode and frame where they are damaged.

    Args:
        folder: Where.
        observed: Observation features to read; all numeric vectors by default.
        target: What a policy is to predict, which stands in the table as ``action``: that, or ``rating``.
    """
    known = folder.state_features()
    observed = list(known) if observed is None else list(observed)
    for name in observed:
        if name not in known:
            raise InputError(f"'{folder.root}' has no numeric vector '{name}', only {sorted(known)}")
    if not observed and not folder.cameras():
        raise InputError(
            f"'{folder.root}' has no numeric observation, only {sorted(folder.info['features'])}: name another dataset"
        )

    if target not in folder.info["features"]:
        raise InputError(f"'{folder.root}' has no '{target}' to learn, only {sorted(folder.info['features'])}")
    tasks = folder.tasks()
    has_tasks = bool(tasks) and TASK_INDEX in folder.info["features"]
    names = [*_INDICES, *([TASK_INDEX] if has_tasks else []), "timestamp", *observed, target]
    columns = _read_columns(folder, names)
    starts = np.flatnonzero(columns["frame_index"] == 0)
    ends = np.append(starts[1:], len(columns["index"]))
    if len(starts) != folder.info["total_episodes"]:
        raise InputError(
            f"'{folder.root}' holds {len(starts)} episodes, its info.json tells {folder.info['total_episodes']}: "
            "restore it from the original"
        )
    digest = hashlib.sha256()
    for name in sorted(set(columns) - {"timestamp"}):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(columns[name]).tobytes())
    return FrameTable(
        features={name: torch.from_numpy(columns[name]) for name in observed}
        | {ACTION: torch.from_numpy(columns[target])},
        episode_starts=torch.from_numpy(starts),
        episode_ends=torch.from_numpy(ends),
        fingerprint=digest.hexdigest(),
        tasks=tuple(tasks.values()),
        task_numbers=_task_numbers(columns.get(TASK_INDEX), tasks, folder, len(columns["index"])),
        parts=torch.zeros(len(starts), dtype=torch.long),
    )


def _read_columns(folder: DatasetFolder, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return columns of all data files, one after the other, (N,) or (N, size). Raises InputError as `read_table`."""
    parts: list[dict[str, np.ndarray]] = []
    frames, allowance = 0, Allowance()
    for path in folder.data_files():
        try:
            table = read_columns(path, names, allowance=allowance)
            part = {name: _to_array(name, table[name]) for name in names}
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise InputError(f"'{path}' cannot be read ({first_line(error)}): restore it from the original") from error
        check_columns(part, path, folder)
        if len(part["index"]) and part["index"][0] != frames:
            raise InputError(
                f"'{path}' starts at frame {part['index'][0]}, expected {frames}: a data file is missing, restore it"
            )
        frames += len(part["index"])
        parts.append(part)
    if frames != folder.info["total_frames"]:
        raise InputError(
            f"'{folder.root}' holds {frames} frames, its info.json tells {folder.info['total_frames']}: "
            "a data file is missing or cut off, restore it"
        )
    parts = [part for part in parts if len(part["index"])] or parts[:1]  # a file without rows tells no sizes
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def join_tables(tables: Sequence[FrameTable]) -> FrameTable:
    """Return several datasets as one, episode after episode; the same task in two of them is one task.

    They hold the same vectors, in one order: see `joining.in_one_order`.
    """
    if len(tables) == 1:
        return tables[0]
    starts = np.cumsum([0, *(len(table.features["action"]) for table in tables)]).tolist()
    tasks = tuple(dict.fromkeys(task for table in tables for task in table.tasks))
    renumbered = []
    for table in tables:
        new = torch.tensor([tasks.index(task) for task in table.tasks] + [-1])  # -1 stays -1
        renumbered.append(new[table.task_numbers])
    return FrameTable(
        features={name: torch.cat([table.features[name] for table in tables]) for name in tables[0].features},
        episode_starts=torch.cat([t.episode_starts + start for t, start in zip(tables, starts, strict=False)]),
        episode_ends=torch.cat([t.episode_ends + start for t, start in zip(tables, starts, strict=False)]),
        fingerprint=hashlib.sha256("".join(table.fingerprint for table in tables).encode()).hexdigest(),
        tasks=tasks,
        task_numbers=torch.cat(renumbered),
        parts=torch.repeat_interleave(torch.arange(len(tables)), torch.tensor([t.episodes for t in tables])),
    )


def _task_numbers(column: np.ndarray | None, tasks: Mapping[int, str], folder: DatasetFolder, frames: int) -> Tensor:
    """Return which of the tasks, in their order, each frame belongs to, (N,)."""
    if column is None:
        return torch.full((frames,), -1)
    unknown = sorted(set(np.unique(column).tolist()) - set(tasks))
    if unknown:
        raise InputError(f"'{folder.root}' has frames of task {unknown[0]}, which its tasks.parquet does not name")
    place = {number: i for i, number in enumerate(tasks)}
    different, rows = np.unique(column, return_inverse=True)
    return torch.tensor([place[number] for number in different.tolist()])[torch.from_numpy(rows)]


def _to_array(name: str, column: pa.ChunkedArray) -> np.ndarray:
    """Return (N,) for an index, else (N, size) float32. Raises ValueError where frames differ in size."""
    values = flat_column(column, name)  # LeRobot stores vectors of length 1 as plain numbers
    if name in _INDICES or name == TASK_INDEX:
        return values[:, 0]
    narrow = values.astype(np.float32)
    if values.dtype.kind in "iu" or values.dtype.itemsize > narrow.dtype.itemsize:
        coarse = np.spacing(np.abs(narrow).max(axis=0, initial=0.0)) > COARSE * np.ptp(values, axis=0)
        lost = coarse & (np.ptp(values, axis=0) > 0) if len(values) else np.zeros(0, bool)
        if lost.any():
            raise ValueError(
                f"'{name}' holds numbers such as {values[0, int(np.argmax(lost))]}, whose changes 32 bits cannot tell "
                "apart: subtract an offset, or leave it out with dataset.observations"
            )
    return narrow
