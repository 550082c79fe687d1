"""What every test runs under: no network, no tracking account, a renderer without a screen, one thread a process."""

import ctypes
import os
import sys

from hypothesis import settings


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _renderer() -> str:
    """Name the first renderer this machine has: with one that it lacks, even `import mujoco` fails."""
    if sys.platform != "linux":
        return "glfw"
    libraries = {"egl": "libEGL.so.1", "osmesa": "libOSMesa.so.8"}
    return next((name for name, library in libraries.items() if _loads(library)), "disabled")


os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["WANDB_MODE"] = "disabled"
os.environ.setdefault("MUJOCO_GL", _renderer())
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests already fill the cores, one process each

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")


def pytest_report_header() -> str:
    """Show the renderer, so that a run without one can be told from its output."""
    return f"MUJOCO_GL: {os.environ['MUJOCO_GL']}"
