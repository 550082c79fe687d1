"""What a checkpoint says of itself: versioned JSON, beside the weights."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from dist2_robot.actions.spec import UNKNOWN_UNIT
from dist2_robot.checkpoints.manifest_check import check_entries
from dist2_robot.errors import InputError
from dist2_robot.json_file import read_json

FORMAT_VERSION = 2
MANIFEST_FILE = "manifest.json"
DIGEST = "sha256"
_DAMAGED = "the checkpoint is damaged, use another"
_OPTIONAL = {"observation_units"}  # the first ones of this format had none


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
    observation_units: Feature name -> unit of each of its numbers, ``?`` where nobody knows; features that are not in
        it were never told.
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
    observation_units: Mapping[str, list[str]] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the text of the file: the attributes, and the sha256 of them, for damage to be noticed."""
        content = asdict(self)
        return json.dumps(content | {DIGEST: _digest(content)}, indent=1)


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a checkpoint folder. Raises InputError, naming the file, where there is no valid one."""
    path = folder / MANIFEST_FILE
    if path.is_symlink():
        raise InputError(f"'{path}' is a symbolic link, which is not followed: copy the file itself in its place")
    try:
        content = read_json(path)
    except FileNotFoundError:
        raise InputError(
            f"'{folder}' is not a checkpoint ({MANIFEST_FILE} is missing): give the output folder of dist2-train"
        ) from None
    except (ValueError, OSError) as error:
        raise InputError(f"'{path}' is not valid JSON ({error}): {_DAMAGED}") from None
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION:
        raise InputError(
            f"'{path}' has format version {str(version)[:40]}, this program reads {FORMAT_VERSION}: "
            "use the one that wrote it"
        )
    digest = content.pop(DIGEST, None)  # the first ones of this format had none
    odd = sorted((set(content) ^ {f.name for f in fields(Manifest)}) - (_OPTIONAL - set(content)))
    if odd:
        raise InputError(f"'{path}' lacks or adds the entries {odd}: {_DAMAGED}")
    if digest is not None and digest != _digest(content):
        raise InputError(f"'{path}' is not what was written (its sha256 differs): {_DAMAGED}")
    try:
        check_entries(content)
    except ValueError as error:
        raise InputError(f"'{path}' has {error}: {_DAMAGED}") from error
    if "observation_units" not in content:
        content["action_spec"] = _without_guessed_units(content["action_spec"])
    return Manifest(**content)


def _without_guessed_units(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a spec of data that told none without units: programs that wrote none of states took those of actions
    from the name of the robot, which calls numbers degrees that may be percent.
    """
    dimensions = spec.get("dimensions")
    if spec.get("source") != "data" or not isinstance(dimensions, list):
        return spec
    return spec | {"dimensions": [{**d, "unit": UNKNOWN_UNIT} if isinstance(d, dict) else d for d in dimensions]}


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
