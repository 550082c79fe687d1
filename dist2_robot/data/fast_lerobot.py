"""LeRobot's own dataset, read once. B batch, K offsets of `delta_timestamps`, N frames."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from torch import Tensor

from dist2_robot.data.folder import DatasetFolder, open_folder
from dist2_robot.data.picture_cache import default_cache, read_pictures


class FastLeRobotDataset(LeRobotDataset):
    """Gives the same items as `LeRobotDataset`, and whole batches of them a hundred times as fast.

    For LeRobot's trainers and any other torch DataLoader, which calls `__getitems__`, with the default collation and
    without workers: columns are tensors, pictures were decoded beforehand.
    """

    def __init__(self, *arguments: Any, memory_gb: float = 4.0, cache: Path | None = None, **keywords: Any) -> None:
        """Take what `LeRobotDataset` takes.

        Args:
            arguments: Of it.
            memory_gb: Of decoded pictures that are kept in memory; more are kept in files.
            cache: The folder of those files; by default one in the home folder.
            keywords: Of it.

        Raises:
            ValueError: It has cameras that are not read: of depth, or of one channel.
            InputError: A picture is missing, or none is within ``tolerance_s`` of its row's time.
        """
        super().__init__(*arguments, **keywords)
        folder = open_folder(Path(self.root))
        if odd := {**dict.fromkeys(self.meta.depth_keys, "depth"), **folder.left_out_cameras()}:
            said = ", ".join(f"{name} ({reason})" for name, reason in odd.items())
            raise ValueError(f"these cameras are not read: {said}: use LeRobotDataset")
        self._tasks = [] if self.meta.tasks is None else list(self.meta.tasks.index)
        table = self.hf_dataset.data.table
        numeric = [name for name in table.column_names if name not in self.meta.camera_keys]
        self._columns = {name: _to_tensor(table[name]) for name in numeric}
        rows = torch.arange(len(self.hf_dataset))
        episode = self._columns["episode_index"]
        begins = torch.cat([torch.tensor([True]), episode[1:] != episode[:-1]]).nonzero()[:, 0]
        lengths = torch.diff(begins, append=torch.tensor([len(rows)]))
        self._first = torch.repeat_interleave(begins, lengths)  # (N,), of the frame's episode
        self._last = torch.repeat_interleave(begins + lengths - 1, lengths)
        self._deltas = self._ensure_reader().delta_indices or {}
        self._pictures = self._read_pictures(folder, memory_gb, cache or default_cache())

    def _read_pictures(self, folder: DatasetFolder, memory_gb: float, cache: Path) -> dict[str, Tensor]:
        """Return the pictures of each camera in the rows of the chosen episodes, (N, height, width, 3)."""
        cameras, numbers = folder.cameras(), self._columns["index"]
        share = memory_gb / max(1, len(cameras))
        return {
            name: read_pictures(
                *([folder], [numbers], name, size), memory_gb=share, cache=cache, tolerance_s=self.tolerance_s
            )
            for name, size in cameras.items()
        }

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        """Return the items with these numbers, as `LeRobotDataset` gives them one by one."""
        rows = torch.as_tensor(indices)
        values: dict[str, Tensor] = {}
        for name in [*self._columns, *self._pictures]:
            wanted = rows
            if name in self._deltas:
                wanted = rows[:, None] + torch.tensor(self._deltas[name])  # (B, K)
                first, last = self._first[rows][:, None], self._last[rows][:, None]
                values[f"{name}_is_pad"] = (wanted < first) | (wanted > last)
                wanted = wanted.clamp(first, last)
            values[name] = self._columns[name][wanted] if name in self._columns else self._look(name, wanted)
        rows_of_values = zip(*values.values(), strict=True)
        items: list[dict[str, Any]] = [dict(zip(values, row, strict=True)) for row in rows_of_values]
        for item in items:
            item["task"] = self._tasks[int(item["task_index"])]
            if self.image_transforms is not None:
                item |= {name: self.image_transforms(item[name]) for name in self._pictures}
        return items

    def _look(self, camera: str, rows: Tensor) -> Tensor:
        """Return the pictures in some frames (...), (..., 3, height, width), as floats from 0 to 1."""
        pictures = self._pictures[camera][rows].movedim(-1, -3)
        return pictures if self._return_uint8 and camera in self.meta.video_keys else pictures.float() / 255


def _to_tensor(column: pa.ChunkedArray) -> Tensor:
    """Return a column as (N,) or (N, size)."""
    array = column.combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    if not pa.types.is_nested(array.type):
        return torch.from_numpy(array.to_numpy(zero_copy_only=False).copy())
    flat = array.flatten().to_numpy(zero_copy_only=False)
    return torch.from_numpy(np.ascontiguousarray(flat.reshape(len(array), len(flat) // max(1, len(array)))).copy())
