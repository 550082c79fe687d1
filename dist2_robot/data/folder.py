"""A LeRobotDataset v3 as a folder on disk: what its metadata say. Nothing here asks the network but `from_hub`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.data.cameras import Cameras, find_cameras
from dist2_robot.data.tasks import TASKS_FILE, read_tasks
from dist2_robot.data.vectors import (
    MAX_AXES,
    MAX_FRAME_NUMBERS,
    MAX_PIXELS,
    are_told,
    is_feature_name,
    is_vector,
    vector_names,
    vector_size,
)
from dist2_robot.errors import InputError, first_line
from dist2_robot.json_file import read_json

INFO_FILE = Path("meta/info.json")
DIST2_FILE = Path("meta/dist2_robot.json")
MAX_RATE_HZ = 1e6
CODEBASE_VERSION = "v3.0"
OLDER_VERSIONS = ("v2.0", "v2.1")  # which dist2-import reads


@dataclass(frozen=True)
class DatasetFolder:
    """Metadata of a dataset.

    Attributes:
        root: The folder.
        info: LeRobot's ``meta/info.json``.
        recording: What our own recorder added (action spec, environment, seeds); empty for others' datasets.
    """

    root: Path
    info: Mapping[str, Any]
    recording: Mapping[str, Any]

    @property
    def rate_hz(self) -> float:
        return float(self.info["fps"])

    def recorded_spec(self, target: str = "action") -> ActionSpec | None:
        """Return what our recorder told of actions or ratings, if it did. Raises InputError where it is no spec."""
        told = self.recording.get(f"{target}_spec")
        if told is None:
            return None
        try:
            return ActionSpec.from_dict(told)
        except InputError as error:
            raise InputError(f"'{self.root / DIST2_FILE}': {error}") from error

    def state_features(self) -> dict[str, int]:
        """Return the numeric vectors that are observed, several axes flattened: feature name -> length."""
        return {
            name: vector_size(feature)
            for name, feature in self.info["features"].items()
            if name.startswith("observation.") and is_vector(feature)
        }

    def left_out(self) -> dict[str, str]:
        """Return the observed features that are not read -> why: neither vectors nor cameras of colours."""
        used = {*self.state_features(), *self.cameras()}
        return self.left_out_cameras() | {
            name: f"{feature['dtype']}, {vector_size(feature)} values a frame"
            for name, feature in self.info["features"].items()
            if name.startswith("observation.") and name not in used and name not in self.left_out_cameras()
        }

    @cached_property
    def _cameras(self) -> Cameras:
        return find_cameras(self.root, self.info["features"])

    def cameras(self) -> dict[str, tuple[int, int]]:
        """Return the cameras of colours: feature name -> (height, width) of its pictures. See `cameras`."""
        return dict(self._cameras.colour)

    def left_out_cameras(self) -> dict[str, str]:
        """Return the other features of pictures, which are not read: feature name -> why, in some words."""
        return dict(self._cameras.left_out)

    def tasks(self) -> dict[int, str]:
        """Return task number -> what it is, in words; empty where the dataset does not tell."""
        try:
            return read_tasks(self.root)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise InputError(f"'{self.root / TASKS_FILE}' cannot be read ({first_line(error)}): restore it") from error

    def names(self, feature: str) -> list[str]:
        """Return the names of the numbers of a feature; ``feature[0]``, ... where the dataset gives none."""
        return vector_names(feature, self.info["features"][feature])

    def are_named(self, feature: str) -> bool:
        """Tell whether the dataset names the numbers of a feature."""
        return are_told(feature, self.info["features"][feature])

    def data_files(self) -> list[Path]:
        """Return the parquet files, in the order of their rows."""
        return sorted((self.root / "data").glob("chunk-*/file-*.parquet"))


def open_folder(root: Path) -> DatasetFolder:
    """Read the metadata of a local dataset. Raises InputError, naming the file, where it is none."""
    if not root.is_dir():
        raise InputError(f"dataset folder '{root}' does not exist: record it with dist2-collect, or mend dataset.root")
    info = _read_json(root / INFO_FILE, f"'{root}' is not a LeRobot dataset")
    version = info.get("codebase_version")
    if version != CODEBASE_VERSION:
        raise InputError(
            f"'{root / INFO_FILE}' has codebase_version {version}, we read {CODEBASE_VERSION}: "
            + (
                f"convert it with dist2-import source={root} dataset.root=NEW"
                if version in OLDER_VERSIONS
                else f"convert it to {CODEBASE_VERSION} with LeRobot"
            )
        )
    _check_info(info, root / INFO_FILE)
    recording = _read_json(root / DIST2_FILE, "damaged") if (root / DIST2_FILE).exists() else {}
    folder = DatasetFolder(root, info, recording)
    if not folder.data_files():
        raise InputError(f"'{root / 'data'}' holds no parquet file: the dataset is incomplete, download it again")
    return folder


def from_hub(repo_id: str, revision: str | None, cameras: Sequence[str] = ()) -> DatasetFolder:
    """Download metadata, tables and the videos of some cameras from the Hugging Face hub, or find them in its cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = ["meta/*", "data/*", *(f"videos/{camera}/*" for camera in cameras)]
    try:
        root = snapshot_download(repo_id, repo_type="dataset", revision=revision, allow_patterns=wanted)
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"dataset '{repo_id}' cannot be had from the hub ({reason}): check dataset.repo_id and the network, or "
            "give a local folder as dataset.root"
        ) from error
    return open_folder(Path(root))


def _check_info(info: Mapping[str, Any], path: Path) -> None:
    """Raise InputError, naming the entry, unless what is read from info.json later is there and makes sense."""
    wrong = [key for key in ("total_frames", "total_episodes") if type(info.get(key)) is not int or info[key] < 1]
    wrong += [] if type(info.get("fps")) in (int, float) and 0 < info["fps"] <= MAX_RATE_HZ else ["fps"]
    wrong += [] if isinstance(info.get("features"), Mapping) and info["features"] else ["features"]
    wrong += [] if isinstance(info.get("robot_type"), str | None) else ["robot_type"]
    if not wrong:
        wrong = [name for name, feature in info["features"].items() if not _is_feature(name, feature)]
    if wrong:
        raise InputError(f"'{path}' has no valid '{wrong[0]}': the dataset is damaged, record or download it again")
    if "action" not in info["features"]:
        raise InputError(f"'{path}' has no feature 'action', only {sorted(info['features'])}: name another dataset")


def _is_feature(name: str, entry: Any) -> bool:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("dtype"), str):
        return False
    shape = entry.get("shape")
    if not isinstance(shape, list) or not shape or not all(type(n) is int and n > 0 for n in shape):
        return False
    most = MAX_PIXELS if entry["dtype"] in ("video", "image") else MAX_FRAME_NUMBERS
    return math.prod(shape[:MAX_AXES]) <= most and len(shape) <= MAX_AXES and is_feature_name(name)


def _read_json(path: Path, otherwise: str) -> dict[str, Any]:
    try:
        content = read_json(path)
    except FileNotFoundError:
        raise InputError(f"{otherwise}: '{path}' is missing") from None
    except ValueError as error:
        raise InputError(f"'{path}' is not valid JSON ({error}): restore it from the original dataset") from None
    if not isinstance(content, dict):
        raise InputError(f"'{path}' holds no JSON object: restore it from the original dataset")
    return content
