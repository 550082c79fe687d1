"""Which code made a checkpoint."""

import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("dist2-robot", "torch", "numpy", "lerobot", "gymnasium", "mujoco", "metaworld")


def provenance() -> dict[str, Any]:
    """Return package versions, and the git revision of the source where it runs from a checkout."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {"versions": versions, "git_revision": _git_revision()}


def _git_revision() -> str | None:
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
