"""The state-only columns of a dataset as tensors, read once. N frames of E episodes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from dist2_robot.data.check import check_columns
from dist2_robot.data.folder import DatasetFolder
from dist2_robot.errors import InputError

_INDICES = ("episode_index", "frame_index", "index")


@dataclass(frozen=True)
class FrameTable:
    """All frames of a dataset, episode after episode.

    Attributes:
        features: Observation features and ``action`` -> (N, size), float32.
        episode_starts: (E,), first frame of each episode.
        episode_ends: (E,), one past its last frame.
        fingerprint: sha256 of indices and features: the identity of the data, wherever they lie.
    """

    features: dict[str, Tensor]
    episode_starts: Tensor
    episode_ends: Tensor
    fingerprint: str

    @property
    def episodes(self) -> int:
        return len(self.episode_starts)

    def frames_of(self, episodes: Sequence[int]) -> Tensor:
        """Return the frame numbers of the given episodes, in order."""
        spans = [torch.arange(int(self.episode_starts[e]), int(self.episode_ends[e])) for e in episodes]
        return torch.cat(spans) if spans else torch.empty(0, dtype=torch.long)


def read_table(folder: DatasetFolder, observed: Sequence[str] | None = None) -> FrameTable:
    """Read and check the columns. Raises InputError that names file, episode and frame where they are damaged.

    Args:
        folder: Where.
        observed: Observation features to read; all numeric vectors by default.
    """
    known = folder.state_features()
    observed = list(known) if observed is None else list(observed)
    for name in observed:
        if name not in known:
            raise InputError(f"'{folder.root}' has no numeric vector '{name}', only {sorted(known)}")
    if not observed:
        raise InputError(
            f"'{folder.root}' has no numeric observation, only {sorted(folder.info['features'])}: name another dataset"
        )

    names = [*_INDICES, "timestamp", *observed, "action"]
    parts: list[dict[str, np.ndarray]] = []
    frames = 0
    for path in folder.data_files():
        try:
            missing = set(names) - set(pq.read_schema(path).names)
            if missing:
                raise ValueError(f"it has no column {sorted(missing)}")
            table = pq.read_table(path, columns=names)
            part = {name: _to_array(name, table[name]) for name in names}
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise InputError(f"'{path}' cannot be read ({_first_line(error)}): restore it from the original") from error
        check_columns(part, path, folder)
        if len(part["index"]) and part["index"][0] != frames:
            raise InputError(
                f"'{path}' starts at frame {part['index'][0]}, expected {frames}: a data file is missing, restore it"
            )
        frames += len(part["index"])
        parts.append(part)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if frames != folder.info["total_frames"]:
        raise InputError(
            f"'{folder.root}' holds {frames} frames, its info.json tells {folder.info['total_frames']}: "
            "a data file is missing or cut off, restore it"
        )
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
    features = {name: torch.from_numpy(columns[name]) for name in [*observed, "action"]}
    return FrameTable(features, torch.from_numpy(starts), torch.from_numpy(ends), digest.hexdigest())


def _to_array(name: str, column: pa.ChunkedArray) -> np.ndarray:
    """Return (N,) for an index, else (N, size) float32. Raises ValueError where frames differ in size."""
    array = column.combine_chunks()
    if name in _INDICES:
        return array.to_numpy(zero_copy_only=False)
    if not pa.types.is_nested(array.type):  # LeRobot stores vectors of length 1 as plain numbers
        return array.to_numpy(zero_copy_only=False).astype(np.float32)[:, None]
    if not pa.types.is_fixed_size_list(array.type) and len(array.value_lengths().unique()) > 1:
        raise ValueError(f"'{name}' does not have the same number of values in every frame")
    flat = array.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    return np.ascontiguousarray(flat.reshape(len(array), len(flat) // max(1, len(array))))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
