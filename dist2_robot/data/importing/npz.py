"""numpy's .npz: keys ``<number>/<column>``, or flat arrays with ``episode_ends``, or a folder of a file an episode."""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dist2_robot.data.importing.bounds import check_array, check_together
from dist2_robot.data.importing.files import check_file, numbered
from dist2_robot.data.importing.layout import by_name
from dist2_robot.data.importing.source import Source, SourceEpisode
from dist2_robot.data.importing.spans import spans_of
from dist2_robot.errors import InputError

ENDS = "episode_ends"
_NUMBERED = re.compile(r"(\d{1,9})/(.+)")


def open_npz(path: Path) -> Source:
    """Open a file, or a folder of files. Raises InputError where there is none, or it is none."""
    if path.is_dir():
        files = numbered(path.glob("*.npz"))
        if not files:
            raise InputError(f"'{path}' holds no .npz file")
        return Source("npz", {file.name: (lambda file=file: _whole(path, file)) for file in files}, by_name)
    keys = _keys(path)
    if ENDS in keys:
        return _flat(path, keys)
    inside: dict[int, list[str]] = {}
    for key in keys:
        if match := _NUMBERED.fullmatch(key):
            inside.setdefault(int(match[1]), []).append(key)
    if not inside:
        assumed = (f"the file is one episode: it has neither '{ENDS}' nor keys such as '0/action'",)
        return Source("npz", {path.name: lambda: _whole(path.parent, path)}, by_name, assumed=assumed)
    left_out = tuple(f"{key}: of no episode" for key in keys if not _NUMBERED.fullmatch(key))
    episodes = {str(number): _part(path, number, inside[number]) for number in sorted(inside)}
    return Source("npz", episodes, by_name, left_out=left_out)


def _part(path: Path, number: int, keys: list[str]) -> Callable[[], SourceEpisode]:
    return lambda: SourceEpisode({key.split("/", 1)[1]: x for key, x in _read(path, keys).items()})


def _whole(root: Path, path: Path) -> SourceEpisode:
    check_file(root, path)
    return SourceEpisode(_read(path, _keys(path)))


def _flat(path: Path, keys: list[str]) -> Source:
    arrays = _read(path, keys)
    spans = spans_of(arrays.pop(ENDS), f"'{path}': '{ENDS}'")
    total = spans[-1][1]
    columns = {key: x for key, x in arrays.items() if x.ndim and len(x) == total}
    left_out = tuple(f"{key} {x.shape}: not one entry a frame" for key, x in arrays.items() if key not in columns)

    def episode(start: int, end: int) -> SourceEpisode:
        return SourceEpisode({key: x[start:end] for key, x in columns.items()})

    episodes = {str(i): (lambda a=a, b=b: episode(a, b)) for i, (a, b) in enumerate(spans)}
    return Source("npz", episodes, by_name, left_out=left_out)


def _keys(path: Path) -> list[str]:
    if not path.is_file():
        raise InputError(f"'{path}' is no regular file: name a .npz file")
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(f"'{path}' is no .npz file ({str(error).splitlines()[0]}): restore it") from error


def _read(path: Path, keys: list[str]) -> dict[str, np.ndarray]:
    """Return arrays, each of which was checked before it was read. Raises InputError where one is not of numbers."""
    try:
        with zipfile.ZipFile(path) as archive:
            check_together(path, (archive.getinfo(f"{key}.npy").file_size for key in keys), path.stat().st_size)
            return {key: _array(archive, archive.getinfo(f"{key}.npy"), path) for key in keys}
    except InputError:
        raise
    except Exception as error:  # of a spoilt array numpy raises anything from TokenError to SystemError
        raise InputError(f"'{path}' cannot be read ({(str(error).splitlines() or ['damaged'])[0]})") from error


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> np.ndarray:
    where = f"'{path}': '{entry.filename.removesuffix('.npy')}'"
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in read_header:
            raise InputError(f"{where} is of .npy version {version}, which holds no plain numbers")
        shape, _, dtype = read_header[version](file)
    check_array(where, shape, dtype, entry.compress_size)
    with archive.open(entry) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
