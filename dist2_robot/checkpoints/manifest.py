"""What a checkpoint says of itself: versioned JSON, beside the weights."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from dist2_robot.errors import InputError

FORMAT_VERSION = 2
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """Attributes:
    policy: Names and arguments for the registry.
    action_spec: What an action is.
    observation_names: Feature name -> names of its numbers, in order.
    environments: ``{"id", "kwargs"}`` of the simulations it was trained for, if any.
    tasks: What was done in its data, in words.
    dataset: Where it learned from: folder or hub id, fingerprint, numbers of episodes and frames.
    step: Training steps behind the weights.
    provenance: Versions of packages and source.
    golden_tasks: The tasks of the observations in its golden file; empty where none were told.
    files: File name -> sha256.
    """

    policy: Mapping[str, Any]
    action_spec: Mapping[str, Any]
    observation_names: Mapping[str, list[str]]
    environments: list[Mapping[str, Any]]
    tasks: list[str]
    dataset: Mapping[str, Any]
    step: int
    provenance: Mapping[str, Any]
    golden_tasks: list[str]
    files: Mapping[str, str] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a checkpoint folder. Raises InputError, naming the file, where there is no valid one."""
    path = folder / MANIFEST_FILE
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(
            f"'{folder}' is not a checkpoint ({MANIFEST_FILE} is missing): give the output folder of dist2-train"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"'{path}' is not valid JSON ({error}): the checkpoint is damaged, use another") from None
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION:
        raise InputError(
            f"'{path}' has format version {version}, this program reads {FORMAT_VERSION}: use the one that wrote it"
        )
    expected = {f.name for f in fields(Manifest)}
    if set(content) != expected:
        odd = sorted(set(content) ^ expected)
        raise InputError(f"'{path}' lacks or adds the entries {odd}: the checkpoint is damaged, use another")
    return Manifest(**content)
