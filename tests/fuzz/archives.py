"""Mutations of .npy, .npz, .zip, HDF5 and ONNX files that know what is in them."""

import io
import random
import struct
import zipfile
from pathlib import Path

import numpy as np

from tests.fuzz.documents import change_json
from tests.fuzz.hostile import TRAP, any_key, payload
from tests.fuzz.places import change_bytes

SHAPES = ("(1000000000000,)", "(-1,)", "(4, 1000000000)", "()", "(0,)", "(9223372036854775808,)", "(1.5,)", "None")
SHAPES += (f"({'1, ' * 400})", f"({'9' * 5000},)", "(True,)", "(1" + "+1" * 9000 + ",)")
DTYPES = ("'O'", "'<U9'", "'<M8[ns]'", "[('a', '<f8')]", "'<c16'", "'>f8'", "'V8'", "'|S5'", "'<f2'", "'?'", "'x'")
BOMB_BYTES = 5 * 2**30


def change_npy(content: bytes, rng: random.Random) -> bytes:
    """Return a changed .npy file: its header, its values, or its bytes."""
    match rng.randrange(6):
        case 0:
            return change_bytes(content, rng)
        case 1:
            return _npy(np.array([payload(), {}], dtype=object), pickled=True)
        case 2:
            return _npy(_other(np.load(io.BytesIO(content), allow_pickle=False), rng))
        case 3:
            called = f"{{'descr': {TRAP}.Step, 'fortran_order': 0, 'shape': 1}}"
            header = rng.choice(("{}", "[" * 3000, called, "x" * 20_000))
            return _with_header(content, header, rng)
        case _:
            shape, dtype = rng.choice(SHAPES), rng.choice((*DTYPES, "'<f8'"))
            return _with_header(content, f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}", rng)


def _with_header(content: bytes, header: str, rng: random.Random) -> bytes:
    text = (header + "\n").encode()
    version = rng.choice((1, 1, 1, 2, 3, 9))
    size = struct.pack("<H", min(len(text), 65535)) if version == 1 else struct.pack("<I", len(text))
    return b"\x93NUMPY" + bytes((version, 0)) + size + text + content[128:]


def _npy(x: np.ndarray, *, pickled: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, x, allow_pickle=pickled)
    return buffer.getvalue()


def _other(x: np.ndarray, rng: random.Random) -> np.ndarray:
    with np.errstate(all="ignore"):
        return rng.choice((
            x[:0], x[..., :0], x[None], x.reshape(-1), x.astype("U5"), x.astype(complex), x.astype("f2"),
            x.astype(bool), -x.astype(float), x.astype(float) * 1e300, np.full(x.shape, np.nan), x.T, x[:-1],
            np.concatenate([x, x]) if x.ndim else x, x.astype("m8[s]"), np.array(7), x.astype(np.longdouble),
            np.zeros((2,) * 30, bool), np.full(x.shape, 2**62),
        ))  # fmt: skip


def change_npz(path: Path, rng: random.Random) -> None:
    """Change a .npz file: the arrays in it, or the archive."""
    entries = _entries(path)
    if rng.random() < 0.6:
        name = rng.choice(list(entries))
        entries[name] = change_npy(entries[name], rng)
        _write(path, entries)
    else:
        _change_archive(path, entries, rng)


def change_zip(path: Path, rng: random.Random) -> None:
    """Change a .zip file: what is in it, or the archive."""
    entries = _entries(path)
    if rng.random() < 0.7:
        texts = [name for name in entries if name.endswith((".zarray", ".zgroup", ".zattrs", ".json"))]
        name = rng.choice(texts if rng.random() < 0.8 else list(entries))
        change = change_json if name in texts else change_bytes
        entries[name] = change(entries[name], rng)
        _write(path, entries)
    else:
        _change_archive(path, entries, rng)


def _entries(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _write(path: Path, entries: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name.encode(errors="replace").decode() or "x", content)


def _change_archive(path: Path, entries: dict[str, bytes], rng: random.Random) -> None:
    name = rng.choice(list(entries))
    match rng.randrange(7):
        case 0:
            path.write_bytes(change_bytes(path.read_bytes(), rng))
        case 1:
            del entries[name]
            _write(path, entries)
        case 2:
            entries[rng.choice((any_key(rng), f"../{name}", f"/{name}", f"{name}/"))] = entries.pop(name)
            _write(path, entries)
        case 3:
            _write(path, entries)
            with zipfile.ZipFile(path, "a") as archive:  # the same name twice
                archive.writestr(name, entries[name][:50])
        case 4:
            _write(path, {f"{i}/{name}": b"" for i in range(70_000)})
        case 5:
            _write_bomb(path, name, entries)
        case _:
            path.write_bytes(_lie_of_sizes(path.read_bytes(), rng))


def _write_bomb(path: Path, name: str, entries: dict[str, bytes]) -> None:
    """Write an array of zeros that is small on the disk."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for other, content in entries.items():
            if other != name:
                archive.writestr(other, content)
        with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as file:
            file.write(_npy_header(BOMB_BYTES // 8))
            for _ in range(BOMB_BYTES // 2**24):
                file.write(bytes(2**24))


def _npy_header(rows: int) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": (rows,)})
    return buffer.getvalue()


def _lie_of_sizes(content: bytes, rng: random.Random) -> bytes:
    """Change the sizes in the table at the end of an archive."""
    x = bytearray(content)
    at = content.rfind(b"PK\x01\x02")
    field = at + rng.choice((8, 10, 16, 20, 24, 28, 30, 42))  # flags, method, crc, sizes, lengths, offset
    x[field : field + 4] = rng.choice((b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\x09\0\0\0", rng.randbytes(4)))
    return bytes(x)


def change_hdf5(path: Path, rng: random.Random) -> None:
    """Change an HDF5 file: what is in it, or its bytes."""
    import h5py

    if rng.random() < 0.3:
        path.write_bytes(change_bytes(path.read_bytes(), rng))
        return
    with h5py.File(path, "a") as file:
        names: list[str] = []
        file.visit(names.append)
        name = rng.choice(names)
        old = file[name]
        values = old[()] if isinstance(old, h5py.Dataset) else None
        parent, leaf = file[name].parent, name.rpartition("/")[2]
        del file[name]
        _put_in_hdf5(parent, leaf, values, rng)


def _put_in_hdf5(parent, leaf: str, values: np.ndarray | None, rng: random.Random) -> None:
    import h5py

    match rng.randrange(14):
        case 0:
            pass
        case 1:
            parent[leaf] = h5py.ExternalLink("../outside/secret.txt", "/")
        case 2:
            parent[leaf] = h5py.SoftLink(parent.name)
        case 3:
            parent[leaf] = h5py.SoftLink("/nowhere")
        case 4:
            parent.create_dataset(leaf, (10**12, 3), "f8", chunks=(1000, 3))
        case 5:
            parent.create_dataset(leaf, (64,), "u1", external=[("../outside/secret.txt", 0, 64)])
        case 6:
            parent.create_dataset(leaf, data=np.array([b"a", b"\xff"], dtype="S9"))
        case 7:
            parent.create_dataset(leaf, data=["a", "b"], dtype=h5py.string_dtype())
        case 8:
            parent.create_dataset(leaf, data=np.array([parent.ref, parent.ref], dtype=h5py.ref_dtype))
        case 9:
            parent.create_group(leaf)
        case 10:
            ragged = np.array([np.arange(3), np.arange(2)], object)
            parent.create_dataset(leaf, data=ragged, dtype=h5py.vlen_dtype("i8"))
        case 11:
            layout = h5py.VirtualLayout((8, 3), "f8")
            layout[:] = h5py.VirtualSource("../outside/secret.txt", "a", (8, 3))
            parent.create_virtual_dataset(leaf, layout)
        case 12:
            parent.create_dataset(leaf, (6, 3), h5py.opaque_dtype("M8[s]"))
        case _:
            is_array = values is not None and np.asarray(values).dtype.kind in "fiub"
            odd = _other(np.asarray(values), rng) if is_array else 7
            try:
                parent.create_dataset(leaf, data=odd)
            except (TypeError, ValueError, OSError):
                parent.create_dataset(leaf, data=[float("nan")] * 5)


def change_onnx(content: bytes, rng: random.Random) -> bytes:
    """Return a changed graph: weights outside it, other names, sizes or operators."""
    import onnx

    if rng.random() < 0.4:
        return change_bytes(content, rng)
    model = onnx.load_from_string(content)
    graph = model.graph
    match rng.randrange(7):
        case 0:
            tensor = rng.choice(graph.initializer)
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            where = rng.choice(("../../outside/secret.txt", "/etc/passwd", "/dev/zero", "golden.safetensors"))
            tensor.external_data.add(key="location", value=where)
        case 1:
            tensor = rng.choice(graph.initializer)
            tensor.dims[:] = [rng.choice((0, -1, 10**6, 2**40))] * max(1, len(tensor.dims))
        case 2:
            rng.choice(graph.node).op_type = rng.choice(("Loop", "Identity", "PythonOp", "ConstantOfShape", "x"))
        case 3:
            rng.choice([*graph.input, *graph.output]).name = any_key(rng).encode(errors="replace").decode()
        case 4:
            rng.choice(graph.node).domain = rng.choice(("ai.onnx.contrib", "com.microsoft", "x"))
        case 5:
            del graph.node[rng.randrange(len(graph.node))]
        case _:
            tensor = rng.choice([x for x in graph.initializer if x.raw_data])
            tensor.raw_data = rng.choice((b"\xff", b"\0", b"\x7f")) * len(tensor.raw_data)
    return model.SerializeToString()
