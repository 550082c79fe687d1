"""One mutation of one file, by what kind of file it is; and the checksums made good again, as an attacker would."""

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path

from dist2_robot.checkpoints.manifest import DIGEST
from tests.fuzz.archives import change_hdf5, change_npy, change_npz, change_onnx, change_zip
from tests.fuzz.documents import change_front_matter, change_json, change_lines, change_table, change_text, change_yaml
from tests.fuzz.places import change_bytes, put_something_else
from tests.fuzz.tables import change_parquet
from tests.fuzz.tensors import change_tensors

Change = Callable[[bytes, random.Random], bytes]
CONTENTS: dict[str, Change] = {
    **dict.fromkeys((".json", ".zarray", ".zgroup", ".zattrs"), change_json),
    ".jsonl": change_lines,
    ".yaml": change_yaml,
    ".md": change_front_matter,
    ".csv": change_table,
    ".safetensors": change_tensors,
    ".npy": change_npy,
    ".onnx": change_onnx,
    **dict.fromkeys((".pem", ".token", ".txt"), change_text),
}
FILES: dict[str, Callable[[Path, random.Random], None]] = {
    ".parquet": change_parquet,
    ".npz": change_npz,
    ".zip": change_zip,
    **dict.fromkeys((".hdf5", ".h5"), change_hdf5),
}
SIGNED = {"manifest.json", "export.json"}  # they tell the sha256 of other files, and of themselves
MOST_BYTES = 2**28  # that are hashed anew


def mutate(path: Path, rng: random.Random) -> None:
    """Change a file, or what lies in its place."""
    if rng.random() < 0.15:
        put_something_else(path, rng)
    elif path.suffix in FILES:
        FILES[path.suffix](path, rng)
    else:
        path.write_bytes(CONTENTS.get(path.suffix, change_bytes)(path.read_bytes(), rng))


def sign(root: Path) -> None:
    """Let every manifest below a folder tell the sha256 that its files and itself have now."""
    for path in sorted(path for name in SIGNED for path in root.rglob(name)):
        if path.is_file() and not path.is_symlink() and path.stat().st_size < MOST_BYTES:
            _sign(path, root)


def _sign(path: Path, root: Path) -> None:
    try:
        content = json.loads(path.read_bytes())
        content.pop(DIGEST, None)
        for name in content["files"]:
            file = path.parent / name
            if file.resolve().is_relative_to(root.parent) and file.is_file() and file.stat().st_size < MOST_BYTES:
                content["files"][name] = hashlib.sha256(file.read_bytes()).hexdigest()
        digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        path.write_text(json.dumps(content | {DIGEST: digest}))
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RuntimeError):
        return  # it is no such file any more
