"""What every test runs under: no network, no tracking account, a renderer without a screen, one thread a process."""

import ctypes
import os
import sys
from collections.abc import Iterator

import pytest
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


@pytest.fixture(scope="session", autouse=True)
def no_raw_mathematics() -> Iterator[None]:
    """Look at every figure that any test draws: none may show the mathematics of matplotlib as it is written."""
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    save = Figure.savefig

    def watched(self: Figure, *arguments, **options) -> None:
        save(self, *arguments, **options)
        shown = {text.get_text() for text in self.findobj(Text) if not text.get_parse_math()}  # type: ignore[attr-defined]
        assert not (raw := [text for text in shown if "\\math" in text]), f"raw mathematics in a figure: {raw}"

    Figure.savefig = watched  # type: ignore[method-assign]
    yield
    Figure.savefig = save  # type: ignore[method-assign]
