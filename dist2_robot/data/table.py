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


@dataclass(frozen=True)
class FrameTable:
    """All frames of a dataset, episode after episode.

    Attributes:
        features: Observation features and ``action`` -> (N, size), float32.
        episode_starts: (E,), first frame of each episode.
        episode_ends: (E,), one past its last frame.
        fingerprint: sha256 of all columns: the identity of the data, wherever they lie.
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
        raise InputError(f"'{folder.root}' has no numeric observation, only {sorted(folder.info['features'])}")

    parts: list[dict[str, np.ndarray]] = []
    frames = 0
    for path in folder.data_files():
        try:
            table = pq.read_table(path, columns=["episode_index", "frame_index", "index", *observed, "action"])
        except (pa.ArrowException, OSError, KeyError) as error:
            raise InputError(f"'{path}' cannot be read ({_first_line(error)}): restore it from the original") from error
        part = {name: _to_array(table[name]) for name in table.column_names}
        check_columns(part, path, folder)
        if part["index"][0] != frames:
            raise InputError(f"'{path}' starts at frame {part['index'][0]}, expected {frames}: a data file is missing")
        frames += len(part["index"])
        parts.append(part)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if frames != folder.info["total_frames"]:
        raise InputError(
            f"'{folder.root}' holds {frames} frames, its info.json tells {folder.info['total_frames']}: "
            "a data file is missing or cut off"
        )
    starts = np.flatnonzero(columns["frame_index"] == 0)
    ends = np.append(starts[1:], len(columns["index"]))
    digest = hashlib.sha256()
    for name in sorted(columns):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(columns[name]).tobytes())
    features = {name: torch.from_numpy(columns[name]) for name in [*observed, "action"]}
    return FrameTable(features, torch.from_numpy(starts), torch.from_numpy(ends), digest.hexdigest())


def _to_array(column: pa.ChunkedArray) -> np.ndarray:
    """Return (N,) integers, or (N, size) float32 from a column of lists."""
    array = column.combine_chunks()
    if pa.types.is_integer(array.type):
        return array.to_numpy(zero_copy_only=False)
    if pa.types.is_floating(array.type):  # LeRobot stores vectors of length 1 as plain numbers
        return array.to_numpy(zero_copy_only=False).astype(np.float32)[:, None]
    flat = array.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    return np.ascontiguousarray(flat.reshape(len(array), -1))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
