"""The formats that are read, and how to tell which one a file or a folder is."""

from collections.abc import Callable, Mapping
from pathlib import Path

from dist2_robot.data.importing.aloha import open_aloha
from dist2_robot.data.importing.d4rl import ENDS, open_d4rl
from dist2_robot.data.importing.hdf5 import ENDINGS, is_hdf5, members, open_hdf5
from dist2_robot.data.importing.lerobot_info import version_of
from dist2_robot.data.importing.lerobot_v2 import VERSIONS, open_lerobot_v2
from dist2_robot.data.importing.lerobot_v3 import open_lerobot_v3
from dist2_robot.data.importing.minari import FILE, open_minari
from dist2_robot.data.importing.npz import open_npz
from dist2_robot.data.importing.rlds import open_rlds
from dist2_robot.data.importing.rlds_files import is_rlds
from dist2_robot.data.importing.robomimic import open_robomimic
from dist2_robot.data.importing.source import Source
from dist2_robot.data.importing.zarr_buffer import is_zarr, open_zarr
from dist2_robot.errors import InputError, did_you_mean

READERS: Mapping[str, Callable[[Path], Source]] = {
    "lerobot_v2": open_lerobot_v2,
    "lerobot_v3": open_lerobot_v3,
    "zarr": open_zarr,
    "robomimic": open_robomimic,
    "aloha": open_aloha,
    "minari": open_minari,
    "d4rl": open_d4rl,
    "npz": open_npz,
    "rlds": open_rlds,
}
READ = (
    "LeRobot v2.0, v2.1 and v3.0, zarr replay buffers (folder or .zip), HDF5 of robomimic, ALOHA, Minari and D4RL, "
    ".npz, and RLDS (TFDS) in TFRecord files"
)


def open_source(path: Path, name: str = "auto") -> Source:
    """Open recordings.

    Args:
        path: A file or a folder.
        name: The format, one of `READERS`; ``auto`` tells by what is there.

    Raises:
        InputError: There is nothing, or nothing that is read; the message lists what is read and what was found.
    """
    if not path.exists():
        raise InputError(f"source '{path}' does not exist: mend source=")
    if name == "auto":
        name = detect(path)
    if name not in READERS:
        raise InputError(f"there is no format '{name}'.{did_you_mean(name, READERS)} Known: auto, {', '.join(READERS)}")
    return READERS[name](path)


def detect(path: Path) -> str:
    """Return which of `READERS` reads a file or a folder. Raises InputError where none does."""
    name = _of_folder(path) if path.is_dir() else _of_file(path)
    if name is None:
        raise InputError(f"'{path}' is of no format that is read: {_found(path)}. Read are {READ}")
    return name


def _of_folder(path: Path) -> str | None:
    version = version_of(path)
    if version is not None:
        if version in VERSIONS:
            return "lerobot_v2"
        if version != "v3.0":
            raise InputError(
                f"'{path}' is a LeRobot dataset of version {version}, read are {', '.join(VERSIONS)}, v3.0"
            )
        return "lerobot_v3"
    if is_zarr(path):
        return "zarr"
    if any(p.is_file() for p in (path / FILE, path / "data" / FILE)):
        return "minari"
    if any(path.glob("*.npz")):
        return "npz"
    if any(file.suffix in ENDINGS for file in path.iterdir()):
        return "aloha"
    if is_rlds(path):
        return "rlds"
    return None


def _of_file(path: Path) -> str | None:
    if ".tfrecord" in path.name or ".array_record" in path.name:
        return "rlds"
    if path.suffix == ".npz":
        return "npz"
    if path.suffix == ".zip" and is_zarr(path):
        return "zarr"
    return _of_hdf5(path) if is_hdf5(path) else None


def _of_hdf5(path: Path) -> str | None:
    top = members(open_hdf5(path), path)
    if any(key.startswith("episode_") for key in top):
        return "minari"
    if "data" in top and not getattr(top["data"], "shape", None):
        return "robomimic"
    if "action" in top and "observations" in top:
        return "aloha"
    return "d4rl" if "actions" in top and set(ENDS) & set(top) else None


def _found(path: Path) -> str:
    """Say what is there, shortly."""
    if path.is_dir():
        names = sorted(entry.name for entry in path.iterdir())
        return f"the folder holds {', '.join(names[:8]) or 'nothing'}{', ...' if len(names) > 8 else ''}"
    if is_hdf5(path):
        return f"the HDF5 file holds {', '.join(sorted(members(open_hdf5(path), path))[:8]) or 'nothing'}"
    return (
        f"it is a file of the kind '{path.suffix or 'without ending'}'" if path.is_file() else "it is no regular file"
    )
