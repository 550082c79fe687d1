"""The door to videos that anyone may have made."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dist2_robot.files import regular

MAX_PIXELS = 2**26  # of a frame; 8K has half as many
# What a file holds decides how FFmpeg reads it, whatever it is called: a playlist would name other files and addresses.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts"


@contextmanager
def open_video(path: Path) -> Iterator[Any]:
    """Open a video, in PyAV's container, with at least one stream of pictures.

    Raises:
        ValueError: It is no regular file, no video, or its frames are too large. It says which, not where.
        OSError: It cannot be read; of PyAV, too.
    """
    import av

    options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
    with av.open(str(regular(path)), options=options) as container:
        if not container.streams.video:
            raise ValueError("it holds no video")
        context = container.streams.video[0].codec_context
        if context is None:
            raise ValueError("it is packed in a way that is not known here")
        if context.width * context.height > MAX_PIXELS:
            raise ValueError(f"its frames have {context.width} x {context.height} pixels, more than are read")
        context.options = {"max_pixels": str(MAX_PIXELS)}  # a frame may be larger than what was declared
        yield container
