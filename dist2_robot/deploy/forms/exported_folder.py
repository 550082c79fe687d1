"""The folder of an exported policy: a graph, golden observations, and a versioned JSON that says what they are.

No pickle: ``policy.onnx`` is a protocol buffer that runs no code of its own, and torch.export's own archive is not
used, since reading it may unpickle. ``form=torch_export`` holds the checkpoint instead, and is traced when it is read.
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from dist2_robot.checkpoints.golden import GOLDEN_FILE
from dist2_robot.checkpoints.manifest import DIGEST, MANIFEST_FILE
from dist2_robot.checkpoints.store import MODEL_FILE, sync
from dist2_robot.deploy.inference import PolicyCard
from dist2_robot.deploy.serving.messages import card_message, read_card
from dist2_robot.deploy.serving.schema import MessageError, check_message
from dist2_robot.errors import InputError
from dist2_robot.files import read_bytes
from dist2_robot.json_file import read_json
from dist2_robot.weights.tensor_file import load_tensors

FORMAT_VERSION = 1
EXPORT_FILE = "export.json"
GRAPH_FILE = "policy.onnx"
CHECKPOINT_FOLDER = "checkpoint"
FILES = {  # of each form; nothing else is ever read
    "onnx": (GRAPH_FILE, GOLDEN_FILE),
    "onnx_int8": (GRAPH_FILE, GOLDEN_FILE),
    "torch_export": (f"{CHECKPOINT_FOLDER}/{MANIFEST_FILE}", f"{CHECKPOINT_FOLDER}/{MODEL_FILE}", GOLDEN_FILE),
}
MAX_GRAPH_BYTES = 2 * 2**30  # a protocol buffer has no more
_DAMAGED = "the export is damaged, make it anew with dist2-export"


@dataclass(frozen=True)
class ExportManifest:
    """Attributes:
    card: What the policy needs and gives, as a message.
    outputs: Names of what the graph gives, in order.
    golden_tasks: The tasks of the golden observations; empty where none were told.
    parity: How near the graph came to the policy it was made of.
    provenance: Versions of packages and source.
    files: Path in the folder -> sha256.
    """

    card: Mapping[str, Any]
    outputs: list[str]
    golden_tasks: list[str]
    parity: Mapping[str, Any]
    provenance: Mapping[str, Any]
    files: Mapping[str, str] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION


class ExportedFolder:
    """An exported policy on disk, read once and checked.

    Args:
        folder: Where it is.

    Raises:
        InputError: There is none, or it is not what was written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = _read_manifest(folder)
        message = {"type": "card", **self.manifest.card}
        try:
            check_message(message, {"card"})
            self.card: PolicyCard = read_card(message)
        except MessageError as error:
            raise InputError(f"'{folder / EXPORT_FILE}' has no valid 'card' ({error}): {_DAMAGED}") from error
        if self.card.form not in FILES or set(self.manifest.files) != set(FILES[self.card.form]):
            raise InputError(f"'{folder / EXPORT_FILE}' has no valid 'files': {_DAMAGED}")
        for name in self.manifest.files:
            self.read(name)

    def read(self, name: str) -> bytes:
        """Return the content of a file. Raises InputError where it is not what was written."""
        path = self.folder / name
        if path.is_symlink() or path.parent.is_symlink():
            raise InputError(f"'{path}' is a symbolic link, which is not followed: copy the file itself in its place")
        if not path.exists():
            raise InputError(f"'{path}' is missing: {_DAMAGED}")
        try:
            content = read_bytes(path, MAX_GRAPH_BYTES)
        except (OSError, ValueError) as error:
            raise InputError(f"'{path}' cannot be read ({error}): {_DAMAGED}") from error
        if hashlib.sha256(content).hexdigest() != self.manifest.files[name]:
            raise InputError(f"'{path}' is not what was written (its sha256 differs): {_DAMAGED}")
        return content

    def golden(self) -> dict[str, Tensor]:
        """Return the golden observations with their answers."""
        try:
            return load_tensors(self.folder / GOLDEN_FILE, MAX_GRAPH_BYTES)
        except (OSError, ValueError) as error:
            raise InputError(f"'{self.folder / GOLDEN_FILE}' cannot be read ({error}): {_DAMAGED}") from error


def describe(card: PolicyCard) -> dict[str, Any]:
    """Return a card as a manifest holds it."""
    return {key: value for key, value in card_message(card).items() if key != "type"}


def write_manifest(folder: Path, manifest: ExportManifest) -> None:
    """Write the manifest of a folder whose files are there, and sync all to the disk."""
    form = str(manifest.card["form"])
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES[form]}
    content = asdict(manifest) | {"files": files}
    (folder / EXPORT_FILE).write_text(json.dumps(content | {DIGEST: _digest(content)}, indent=1))
    for path in [*folder.rglob("*"), folder]:
        with contextlib.suppress(PermissionError):
            sync(path)


def _read_manifest(folder: Path) -> ExportManifest:
    path = folder / EXPORT_FILE
    if path.is_symlink():
        raise InputError(f"'{path}' is a symbolic link, which is not followed: copy the file itself in its place")
    try:
        content = read_json(path)
    except FileNotFoundError:
        raise InputError(
            f"'{folder}' is no exported policy ({EXPORT_FILE} is missing): give the output folder of dist2-export"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' is not valid JSON ({error}): {_DAMAGED}") from None
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION:
        raise InputError(f"'{path}' has format version {version}, this program reads {FORMAT_VERSION}: export it anew")
    digest = content.pop(DIGEST, None)
    if set(content) != {f.name for f in fields(ExportManifest)} or digest != _digest(content):
        raise InputError(f"'{path}' is not what was written (its sha256 differs): {_DAMAGED}")
    kinds = dict.fromkeys(("card", "parity", "provenance", "files"), dict) | {"outputs": list, "golden_tasks": list}
    wrong = [name for name, kind in kinds.items() if not isinstance(content[name], kind)]
    texts = [name for name in ("outputs", "golden_tasks") if name not in wrong]
    wrong += [name for name in texts if not all(isinstance(x, str) for x in content[name])]
    if wrong:
        raise InputError(f"'{path}' has no valid '{wrong[0]}': {_DAMAGED}")
    return ExportManifest(**content)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def size_bytes(folder: Path) -> int:
    """Return how much all files of a folder hold."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
