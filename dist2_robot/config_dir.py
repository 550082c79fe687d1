"""Where the YAML files are: inside an installed package, or in the checkout."""

from pathlib import Path


def config_dir() -> Path:
    """Return ``dist2_robot/conf`` of a wheel if it is there, else the checkout's ``conf``."""
    package = Path(__file__).resolve().parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"
