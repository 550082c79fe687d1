"""Which features of a dataset are pictures in colour, and of what size, by info.json and by what the files are."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dist2_robot.data.parquet import read_pictures
from dist2_robot.data.video_file import open_video
from dist2_robot.errors import InputError

_COLOUR_MODES = ("RGB", "RGBA", "P", "CMYK", "YCbCr", "HSV", "LAB")  # of PIL; all others have one channel
_BITS = {"1": 1, "I;16": 16, "I;16B": 16, "I;16L": 16, "I;16N": 16, "I": 32, "F": 32}  # of PIL's modes; others have 8
_CHANNELS = (3, 1, 4)  # how many there may be, the likeliest first: the sizes by which an axis is known


@dataclass(frozen=True)
class Cameras:
    """Attributes:
    colour: Feature -> (height, width) of its pictures: of the first file, else as info.json tells.
    left_out: Feature -> why its pictures are not read, in some words, e.g. ``depth, 16 bit``.
    """

    colour: Mapping[str, tuple[int, int]]
    left_out: Mapping[str, str]


@dataclass(frozen=True)
class PictureFile:
    """What the first picture of a camera is. Attributes: is_grey: Whether it has one channel. bits: Of a channel."""

    height: int
    width: int
    is_grey: bool
    bits: int


def find_cameras(root: Path, features: Mapping[str, Any]) -> Cameras:
    """Return the cameras of a dataset.

    Left out are features whose names do not begin with ``observation.``, and those whose pictures are no colours: what
    info.json calls a depth map (as LeRobot's ``meta.depth_keys``), what has another number of channels than 3, and,
    whatever info.json tells, pictures of one channel with more than 8 bits, or in parquet files. A grey video of 8 bits
    that info.json says has 3 channels is in colour: LeRobot's decoder gives it as RGB, three times the same, where it
    gives a grey picture of a parquet file as one channel.

    Args:
        root: The dataset.
        features: Of its info.json.

    Raises:
        InputError: Neither info.json nor a file tells which axis of a camera's shape is which.
    """
    colour: dict[str, tuple[int, int]] = {}
    left_out: dict[str, str] = {}
    for name, feature in features.items():
        if feature["dtype"] not in ("video", "image"):
            continue
        if not name.startswith("observation."):
            left_out[name] = "its name does not begin with 'observation.'"
            continue
        found, told = first_picture(root, name, feature["dtype"]), declared_shape(feature)
        if reason := _no_colours(feature, found, told):
            left_out[name] = reason
        elif found is not None:
            colour[name] = (found.height, found.width)
        elif told is not None:
            colour[name] = told[:2]
        else:
            raise InputError(
                f"'{root / 'meta/info.json'}' does not tell which axis of '{name}' is which: its shape is "
                f"{feature['shape']}, its names {feature.get('names')}: write names [height, width, channels]"
            )
    return Cameras(colour, left_out)


def declared_shape(feature: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """Return (height, width, channels) of a feature of info.json; None where it does not tell which axis is which.

    The names of the axes are looked at by their first letters, bare or inside of a list or a mapping. They count if the
    axis that they call channels has as many as channels can be; else the first or the last axis is it, whichever has 3,
    or 1, or 4, if not both have. Two axes are height and width.
    """
    shape, letters = feature["shape"], _letters(feature.get("names"))
    if len(shape) == 2:
        return shape[0], shape[1], 1
    if len(shape) != 3:
        return None
    if letters is None or shape[letters.index("c")] not in _CHANNELS:
        most_like = next((count for count in _CHANNELS if count in (shape[0], shape[2])), 0)
        possible = [axis for axis in (0, 2) if shape[axis] == most_like]
        if len(possible) != 1:
            return None
        letters = "chw" if possible == [0] else "hwc"
    height, width, channels = (shape[letters.index(letter)] for letter in "hwc")
    return height, width, channels


def first_picture(root: Path, camera: str, dtype: str) -> PictureFile | None:
    """Return what the first picture of a camera is; None where there is no file, or none that can be read."""
    if dtype == "video":
        path = next(iter(sorted((root / "videos" / camera).glob("chunk-*/file-*.mp4"))), None)
        return None if path is None else _of_video(path)
    path = next(iter(sorted((root / "data").glob("chunk-*/file-*.parquet"))), None)
    return None if path is None else _of_table(path, camera)


def is_grey(mode: str) -> bool:
    """Tell whether a picture of one of PIL's modes has one channel."""
    return mode not in _COLOUR_MODES


def _no_colours(feature: Mapping[str, Any], found: PictureFile | None, told: tuple[int, int, int] | None) -> str | None:
    """Return why the pictures of a feature are no colours; None where they are."""
    bits = f", {found.bits} bit" if found is not None else ""
    if _is_depth(feature):
        return f"depth{bits}"
    if found is not None and found.is_grey and found.bits > 8:
        return f"depth{bits}"
    if told is not None and told[2] != 3:
        return f"{told[2]} channel{'s' if told[2] > 1 else ''}{bits}"
    if found is not None and found.is_grey and feature["dtype"] == "image":
        return f"one channel{bits}, where info.json tells 3"
    return None


def _is_depth(feature: Mapping[str, Any]) -> bool:
    for key in ("info", "video_info"):
        told = feature.get(key)
        if isinstance(told, Mapping) and (told.get("is_depth_map") or told.get("video.is_depth_map")):
            return True
    return False


def _letters(names: Any) -> str | None:
    """Return ``hwc`` in the order of the axes' names; None where they are not these three."""
    if isinstance(names, Mapping):
        names = next(iter(names.values()), None)
    if isinstance(names, Sequence) and len(names) == 1 and not isinstance(names[0], str):
        names = names[0]
    if not isinstance(names, Sequence) or isinstance(names, str):
        return None
    letters = "".join(str(name)[:1].lower() for name in names)
    return letters if sorted(letters) == ["c", "h", "w"] else None


def _of_video(path: Path) -> PictureFile | None:
    from av.error import FFmpegError

    try:
        with open_video(path) as container:
            context = container.streams.video[0].codec_context
            if context.pix_fmt is None or context.format is None:
                return None
            is_one = context.pix_fmt.startswith(("gray", "ya"))
            return PictureFile(context.height, context.width, is_one, context.format.components[0].bits)
    except (FFmpegError, OSError, IndexError, ValueError):
        return None


def _of_table(path: Path, camera: str) -> PictureFile | None:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(next(read_pictures(path, camera, 1))[0].as_py()["bytes"])) as picture:
            return PictureFile(picture.height, picture.width, is_grey(picture.mode), _BITS.get(picture.mode, 8))
    except (OSError, ValueError, OverflowError, TypeError, KeyError, IndexError, StopIteration, SyntaxError):
        return None
    except Image.DecompressionBombError:
        return None
