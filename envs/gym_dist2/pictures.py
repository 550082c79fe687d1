"""Load MuJoCo, and draw what it simulates, with or without a screen."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np


def import_mujoco(pictures: bool) -> Any:
    """Return the module mujoco, which chooses how to draw when it is first imported: without a screen through EGL.

    Its warnings are kept quiet, for environments tell them in ``info``; MuJoCo would write a MUJOCO_LOG.TXT where one
    stands.

    Raises:
        ImportError: The way to draw that MUJOCO_GL names is not there; up to 3.3 MuJoCo loads it even where nothing is
            drawn.
    """
    if pictures and sys.platform == "linux" and "DISPLAY" not in os.environ:
        os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        import mujoco as module
    except (AttributeError, ImportError, RuntimeError) as error:  # what OpenGL's wrappers raise without their library
        if getattr(error, "name", None) == "mujoco":
            raise
        raise _cannot_draw(error) from error

    mujoco: Any = module
    if pictures and not hasattr(mujoco, "Renderer"):  # newer releases leave it out where they cannot load OpenGL
        raise _cannot_draw(ImportError("it cannot be loaded"))
    if mujoco.get_mju_user_warning() is None:
        mujoco.set_mju_user_warning(lambda message: None)
    return mujoco


def picture_size(size: int | Sequence[int]) -> tuple[int, int]:
    """Return (height, width) of a size that is one number for squares, or both. Raises ValueError for anything else."""
    both = (size, size) if isinstance(size, int) else tuple(size)
    if len(both) != 2 or not all(isinstance(side, int) and side > 0 for side in both):
        raise ValueError(f"image_size must be a number of pixels, or height and width, got {size!r}")
    return both


class Painter:
    """Draws one model from its cameras, in any sizes.

    Without shadows and reflections, which is four times as fast where there is no GPU.
    """

    def __init__(self, mujoco: Any, model: Any) -> None:
        self._mujoco, self._model = mujoco, model
        self._renderers: dict[tuple[int, int], Any] = {}

    def draw(self, data: Any, camera: str, image_size: int | Sequence[int]) -> np.ndarray:
        """Return a picture (height, width, 3), uint8; of one number for a size, a square.

        Raises:
            ImportError: This machine has nothing to draw with.
        """
        size = picture_size(image_size)
        if size not in self._renderers:
            self._renderers[size] = self._renderer(size)
        self._renderers[size].update_scene(data, camera=camera)
        return self._renderers[size].render()

    def close(self) -> None:
        """Free the drawing contexts."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers = {}

    def _renderer(self, size: tuple[int, int]) -> Any:
        height, width = size
        self._model.vis.global_.offwidth = max(self._model.vis.global_.offwidth, width)
        self._model.vis.global_.offheight = max(self._model.vis.global_.offheight, height)
        try:
            renderer = self._mujoco.Renderer(self._model, height, width)
        except Exception as error:  # each way to draw has its own
            raise _cannot_draw(error) from error
        for flag in (self._mujoco.mjtRndFlag.mjRND_SHADOW, self._mujoco.mjtRndFlag.mjRND_REFLECTION):
            renderer.scene.flags[flag] = False
        return renderer


def _cannot_draw(error: Exception) -> ImportError:
    way = os.environ.get("MUJOCO_GL", "the default")
    return ImportError(
        f"MuJoCo cannot draw here (MUJOCO_GL is {way}: {' '.join(str(error).split())[:200]}); set MUJOCO_GL to "
        "egl (needs libEGL, e.g. apt install libegl1), or to osmesa (libosmesa6)"
    )
