"""Under which licence a dataset may be used, as far as its own files say so. Nothing is concluded from their words."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dist2_robot.data.folder import DatasetFolder
from dist2_robot.files import MIB, read_text
from dist2_robot.yaml_file import parse_yaml

OURS = "apache-2.0"  # of what our own simulations record
README_FILE = "README.md"
MAX_README_BYTES = MIB
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")
_LICENCE_FILE = re.compile(r"(licen[cs]e|copying)([.-].*)?", re.IGNORECASE)


def dataset_licence(folder: DatasetFolder) -> str | None:
    """Return the licence of a dataset: ours where our simulations recorded it, else the one stated, else None."""
    return OURS if folder.recording.get("environment") else stated_licence(folder)


def stated_licence(folder: DatasetFolder) -> str | None:
    """Return the identifier that the front matter of its README states, or its info.json; None where neither does."""
    for content in (_front_matter(folder.root / README_FILE), folder.info):
        for key in ("license", "licence"):
            name = content.get(key)
            if isinstance(name, str) and _NAME.fullmatch(name):
                return name
    return None


def licence_files(root: Path) -> list[str]:
    """Return the names of files beside a dataset that are called after a licence."""
    return sorted(path.name for path in root.iterdir() if path.is_file() and _LICENCE_FILE.fullmatch(path.name))


def _front_matter(path: Path) -> Mapping[str, Any]:
    """Return what stands between the first two lines of three dashes of a Markdown file; nothing where it is none."""
    try:
        lines = read_text(path, MAX_README_BYTES).splitlines()
        if not lines or lines[0].strip() != "---":
            return {}
        content = parse_yaml("\n".join(lines[1 : lines.index("---", 1)]))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, Mapping) else {}
