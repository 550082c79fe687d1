"""Diffusion Policy's replay buffers: zarr, ``data/{action,state,img,...}``, ``meta/episode_ends``; folder or .zip."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from dist2_robot.data.importing.bounds import MAX_BYTES, check_array, check_together, is_read_whole
from dist2_robot.data.importing.files import check_file, is_inside
from dist2_robot.data.importing.layout import by_name, is_picture
from dist2_robot.data.importing.source import Column, Frames, Source, SourceEpisode
from dist2_robot.data.importing.spans import spans_of
from dist2_robot.errors import InputError

ENDS = "meta/episode_ends"
_DATA = "data/"
# Compressors alone: among numcodecs' others is one that unpickles.
CODECS = {"blosc", "zstd", "zlib", "gzip", "lz4", "lzma", "bz2", "shuffle", "delta"}
CODECS_V3 = {"bytes", "blosc", "zstd", "gzip", "crc32c", "transpose", "sharding_indexed"}
_V2, _V3 = ".zarray", "zarr.json"
MAX_METADATA = 2**20  # bytes of the description of an array


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a zarr group, or a .zip holds a replay buffer."""
    if path.is_dir():
        return any((path / name).is_file() for name in (".zgroup", _V3))
    if not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith((f"{ENDS}/{_V2}", f"{ENDS}/{_V3}")) for name in archive.namelist())
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def open_zarr(path: Path) -> Source:
    """Open a buffer. Raises InputError where it does not tell where episodes end, or zarr is not installed."""
    try:
        import zarr
        from zarr.storage import LocalStore, ZipStore
    except ImportError as error:
        raise InputError("zarr needs a library: pip install 'dist2-robot[import]'") from error
    described = _described(path)
    tops = [name.removesuffix(ENDS) for name in described if f"/{name}".endswith(f"/{ENDS}")]
    if len(tops) != 1:
        raise InputError(f"'{path}' has {len(tops)} '{ENDS}' among {sorted(described)}: it is no replay buffer")
    top = tops[0]  # of a .zip of the folder, not of what is in it
    described = {name.removeprefix(top): entry for name, entry in described.items() if name.startswith(top)}
    for name, (content, stored_bytes) in described.items():
        _check(f"'{path}': '{name}'", content, stored_bytes)
    try:
        store = LocalStore(path, read_only=True) if path.is_dir() else ZipStore(path, mode="r")
        group = zarr.open_group(store, mode="r", use_consolidated=False)
        arrays: dict[str, Any] = {name: group[top + name] for name in described}
        spans = spans_of(np.asarray(arrays[ENDS][:]), f"'{path}': '{ENDS}'")
    except InputError:
        raise
    except Exception as error:  # whatever a damaged buffer makes zarr, numcodecs or asyncio raise
        raise InputError(f"'{path}' cannot be read ({(str(error).splitlines() or ['damaged'])[0]})") from error
    total = spans[-1][1]
    del arrays[ENDS]
    columns = {n[len(_DATA) :]: x for n, x in arrays.items() if n.startswith(_DATA) and x.shape[:1] == (total,)}
    left_out = [f"{n} {x.shape}: not one entry a frame" for n, x in arrays.items() if n[len(_DATA) :] not in columns]
    whole = {name: x for name, x in columns.items() if is_read_whole(x.shape, x.dtype)}
    stored = sum(stored_bytes for _, stored_bytes in described.values())
    check_together(path, (int(np.prod(x.shape)) * x.dtype.itemsize for x in whole.values()), stored)
    for name, array in whole.items():  # others are read some at a time, or not at all
        check_array(f"'{path}': '{name}'", array.shape, array.dtype, described[_DATA + name][1])

    def read(start: int, end: int) -> SourceEpisode:
        return SourceEpisode(_episode(columns, start, end, path))

    episodes = {str(i): (lambda a=a, b=b: read(a, b)) for i, (a, b) in enumerate(spans)}
    return Source("zarr", episodes, by_name, left_out=tuple(left_out))


def _episode(arrays: Mapping[str, Any], start: int, end: int, path: Path) -> dict[str, Column]:
    def part(array: Any, first: int, last: int) -> np.ndarray:
        try:
            return np.asarray(array[first:last])
        except Exception as error:  # whatever a damaged chunk makes zarr or numcodecs raise
            reason = (str(error).splitlines() or ["damaged"])[0]
            raise InputError(f"'{path}': '{array.name}' cannot be read ({reason}): restore it") from error

    found: dict[str, Column] = {}
    for name, array in arrays.items():
        if is_read_whole(array.shape, array.dtype):
            found[name] = part(array, start, end)
        elif is_picture(array):
            shape = (end - start, *array.shape[1:])
            found[name] = Frames(shape, lambda s, array=array: part(array, start + s.start, start + s.stop))
        else:
            found[name] = np.empty((0, *array.shape[1:]), array.dtype)  # tells what it is; nobody takes it
    return found


def _described(path: Path) -> dict[str, tuple[dict[str, Any], int]]:
    """Return name of each array -> what is written of it, and the bytes that are stored for it."""
    files = _files(path)
    found = {}
    for name in files:
        place = PurePosixPath(name)
        if place.name not in (_V2, _V3) or str(place.parent) == ".":
            continue
        content = _json(path, name, files[name])
        if place.name == _V2 or content.get("node_type") == "array":
            inside = f"{place.parent}/"
            found[str(place.parent)] = (content, sum(size for file, size in files.items() if file.startswith(inside)))
    return found


def _files(path: Path) -> dict[str, int]:
    """Return name of each file -> its size. Raises InputError for a link, and for a name that leads out."""
    if path.is_dir():
        files = {}
        for file in path.rglob("*"):
            if file.is_symlink() and not is_inside(path, file):
                raise InputError(f"'{file}' is a link that leads out of '{path}': put the data itself there")
            if not file.is_dir():
                check_file(path, file)
                files[file.relative_to(path).as_posix()] = file.stat().st_size
        return files
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename: entry.compress_size for entry in archive.infolist() if not entry.is_dir()}
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(f"'{path}' is no .zip that can be read ({str(error).splitlines()[0]})") from error
    for name in entries:
        if name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts:
            raise InputError(f"'{path}' has an entry '{name}', which leads out of it: make it anew")
    return entries


def _json(path: Path, name: str, size: int) -> dict[str, Any]:
    if size > MAX_METADATA:
        raise InputError(f"'{path}': '{name}' has {size} bytes, too many for the description of an array")
    try:
        if path.is_dir():
            text = (path / name).read_text()
        else:
            with zipfile.ZipFile(path) as archive, archive.open(name) as file:
                text = file.read(MAX_METADATA + 1).decode()
        content = json.loads(text)
    except (OSError, ValueError, RecursionError, zipfile.BadZipFile, RuntimeError) as error:
        raise InputError(f"'{path}': '{name}' is not valid JSON ({str(error).splitlines()[0]})") from error
    if not isinstance(content, dict):
        raise InputError(f"'{path}': '{name}' holds no JSON object: restore it")
    return content


def _check(where: str, content: Mapping[str, Any], stored_bytes: int) -> None:
    """Raise InputError unless an array is of numbers, of a size that can be, and packed in a way that runs nothing."""
    try:
        is_v3 = content.get("zarr_format") == 3
        dtype = np.dtype(str(content["data_type"] if is_v3 else content["dtype"]))
        shape = [int(n) for n in content["shape"]]
        chunks = content["chunk_grid"]["configuration"]["chunk_shape"] if is_v3 else content["chunks"]
        chunk = float(np.prod([float(n) for n in chunks]))
        codecs = _codecs(content["codecs"]) if is_v3 else _codecs([content["compressor"], *(content["filters"] or [])])
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, RecursionError) as error:
        raise InputError(f"{where} is not described as an array of numbers ({type(error).__name__}: {error})") from None
    unknown = sorted(codecs - (CODECS_V3 if is_v3 else CODECS))
    if unknown:
        raise InputError(f"{where} is packed with '{unknown[0]}', which is not read: pack it with blosc")
    check_array(where, shape[1:], dtype)
    if min(shape, default=0) < 0 or chunk * dtype.itemsize > MAX_BYTES // 4:
        raise InputError(f"{where} declares {shape} in parts of {chunks}, too large to be read")
    if is_read_whole(shape, dtype):
        check_array(where, shape, dtype, stored_bytes)


def _codecs(entries: Any) -> set[str]:
    found = set()
    for entry in entries:
        if entry is not None:
            found.add(str(entry["id"] if "id" in entry else entry["name"]))
            inner = entry.get("configuration") or {}
            for key in ("codecs", "index_codecs"):
                found |= _codecs(inner.get(key) or [])
    return found
