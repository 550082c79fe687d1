"""JPEG and PNG pictures of other people's recordings."""

import io
from collections.abc import Callable, Iterable

import numpy as np

from dist2_robot.data.importing.source import Frames, LeftOutError

MAX_PIXELS = 64 * 2**20 // 3


def decode_picture(content: bytes, where: str) -> np.ndarray:
    """Return (height, width, 3) of a JPEG or PNG. Raises LeftOutError where it is none, or not of colours."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise LeftOutError(f"{where}: a picture of {picture.size} is too large")
            if picture.mode not in ("RGB", "RGBA", "P"):
                raise LeftOutError(f"{where}: a picture is of mode '{picture.mode}', not of colours")
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise LeftOutError(f"{where}: a picture cannot be decoded ({str(error).splitlines()[0]})") from error


def decoded_frames(length: int, contents: Callable[[slice], Iterable[bytes]], where: str) -> Frames:
    """Return pictures that are decoded when they are asked for.

    Args:
        length: How many.
        contents: From some frames to the file of each.
        where: File and name, for the message.

    Raises:
        LeftOutError: Now or later, one cannot be decoded, or is of another size than the others.
    """

    def decode(part: slice) -> np.ndarray:
        pictures = [decode_picture(content, where) for content in contents(part)]
        wrong = [picture.shape for picture in pictures if picture.shape != (shape or picture.shape)]
        if wrong or len({picture.shape for picture in pictures}) > 1:
            raise LeftOutError(f"{where}: pictures are of several sizes")
        return np.stack(pictures)

    shape: tuple[int, ...] = ()
    shape = decode(slice(0, 1)).shape[1:] if length else (1, 1, 3)
    return Frames((length, *shape), decode)
