"""The dataset that a config names: opened, checked, cut into windows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.data.folder import DatasetFolder, from_hub, open_folder
from dist2_robot.data.recorded_spec import recorded_spec
from dist2_robot.data.split import split_episodes
from dist2_robot.data.table import FrameTable, read_table
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.errors import InputError
from dist2_robot.types import ACTION


@dataclass(frozen=True)
class TrainingData:
    """Attributes:
    folder: Where the data lie, and what their metadata say.
    table: All frames.
    spec: What an action is.
    episodes: How many of its episodes are used.
    training: Windows to learn from.
    held_out: Windows of other episodes; empty if nothing is held out.
    """

    folder: DatasetFolder
    table: FrameTable
    spec: ActionSpec
    episodes: int
    training: ChunkWindows
    held_out: ChunkWindows

    @property
    def observation_sizes(self) -> dict[str, int]:
        return {name: column.shape[1] for name, column in self.table.features.items() if name != ACTION}

    @property
    def observation_names(self) -> dict[str, list[str]]:
        return {name: self.folder.names(name) for name in self.observation_sizes}

    def describe(self) -> dict[str, Any]:
        """Return what identifies the data, as plain values for manifest and report."""
        return {
            "root": str(self.folder.root),
            "fingerprint": self.table.fingerprint,
            "episodes": self.episodes,
            "training_frames": len(self.training),
            "held_out_frames": len(self.held_out),
        }


def load_training_data(config: Mapping[str, Any], horizon: int, seed: int) -> TrainingData:
    """Open the dataset of a ``dataset`` config. Raises InputError for whatever is wrong with it."""
    if config["root"] is not None:
        folder = open_folder(Path(str(config["root"])))
    elif config["repo_id"] is not None:
        folder = from_hub(config["repo_id"], config["revision"])
    else:
        raise InputError("no dataset is named: give dataset.root=FOLDER, or dataset.repo_id=NAME for one on the hub")
    table = read_table(folder, config["observations"])
    episodes = table.episodes if config["episodes"] is None else config["episodes"]
    if not isinstance(episodes, int) or not 0 < episodes <= table.episodes:
        raise InputError(f"dataset.episodes={episodes}, but '{folder.root}' holds {table.episodes}")
    try:
        training, held_out = split_episodes(episodes, config["validation"], seed)
    except ValueError as error:
        raise InputError(f"dataset.validation: {error}") from error
    return TrainingData(
        folder,
        table,
        recorded_spec(folder, table),
        episodes,
        ChunkWindows(table, table.frames_of(training), horizon),
        ChunkWindows(table, table.frames_of(held_out), horizon),
    )
