"""Checkpoints from the Hugging Face hub, each pinned to a commit: ``hub:organisation/name@<40 hexadecimal digits>``.

A branch or a tag can be moved to other weights after they were looked at; a commit cannot.
"""

import os
import re
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError

from dist2_robot.checkpoints.manifest import MANIFEST_FILE, read_manifest
from dist2_robot.errors import InputError

PREFIX = "hub:"
_PINNED = re.compile(r"hub:(?P<repository>[\w.-]+/[\w.-]+)@(?P<commit>[0-9a-f]{40})", re.ASCII)
_HUB_ID = re.compile(r"(hub:)?[\w.-]+/[\w.-]+(@\S*)?", re.ASCII)
FILES = ["manifest.json", "*.safetensors", "export.json", "*.onnx", "*.onnx.data"]


def fetch_checkpoint(checkpoint: Path | str, cache: Path | None = None) -> Path:
    """Return a local folder for what a user names as a checkpoint: the folder itself, or a download of a commit.

    Args:
        checkpoint: A path, or ``hub:organisation/name@commit``.
        cache: Where downloads lie; None for the user's cache folder.

    Raises:
        InputError: A hub id has no full commit, or cannot be downloaded, or what came is no checkpoint.
    """
    text = str(checkpoint)
    if not text.startswith(PREFIX):
        if not Path(text).exists() and _HUB_ID.fullmatch(text):
            raise InputError(
                f"checkpoint folder '{text}' does not exist; if it is on the hub, name the commit that you looked at: "
                f"checkpoint=hub:{text.partition('@')[0]}@<40 hexadecimal digits>"
            )
        return Path(text)
    found = _PINNED.fullmatch(text)
    if found is None or ".." in text:
        raise InputError(
            f"'{text}' names no commit, so other weights may come tomorrow: give hub:organisation/name@ and the 40 "
            "hexadecimal digits of the commit that you looked at"
        )
    repository, commit = found["repository"], found["commit"]
    folder = (cache or _cache()) / f"{repository.replace('/', '--')}@{commit}"
    if not _is_complete(folder):
        _download(repository, commit, folder)
    return folder


def _download(repository: str, commit: str, folder: Path) -> None:
    try:
        snapshot_download(repository, revision=commit, local_dir=folder, allow_patterns=FILES)
    except (OSError, ValueError, HfHubHTTPError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"'{repository}' at {commit} cannot be had from the hub ({reason})") from error
    for path in folder.rglob("*"):
        if path.is_symlink() and path.is_file():  # a link into a cache: what is read must lie in the folder itself
            content = path.read_bytes()
            path.unlink()
            path.write_bytes(content)
    if not (folder / MANIFEST_FILE).is_file():
        raise InputError(f"'{repository}' at {commit} is no checkpoint of this program: it has no {MANIFEST_FILE}")


def _is_complete(folder: Path) -> bool:
    if not (folder / MANIFEST_FILE).is_file():
        return False
    try:
        return all((folder / name).is_file() for name in read_manifest(folder).files)
    except InputError:
        return False


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dist2_robot" / "hub"
