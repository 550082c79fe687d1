"""Are the videos there, and can every frame of them be shown?"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from dist2_robot.data.audit.contents import Contents
from dist2_robot.data.audit.finding import Finding

# A file, whose episodes (number, from, to) in seconds begin and end in it.
Episodes = list[tuple[int, float, float]]


def check_videos(contents: Contents) -> Iterator[Finding]:
    """Decode every video whole; a frame that cannot be decoded is named by its episode."""
    features = contents.folder.info["features"]
    for camera in (name for name, feature in features.items() if feature["dtype"] == "video"):
        for file, episodes in _episodes_by_file(contents, camera).items():
            path = contents.folder.root / file
            if not path.is_file():
                shown = tuple(number for number, _, _ in episodes)
                text = f"is missing: it shows {len(episodes)} episodes"
                yield Finding("error", "videos", text, file, episode=shown[0], episodes=shown)
                continue
            yield from _decode(path, file, episodes, contents.folder.rate_hz, features[camera]["shape"])


def _episodes_by_file(contents: Contents, camera: str) -> dict[str, Episodes]:
    table, found = contents.episodes, {}
    keys = [f"videos/{camera}/{name}" for name in ("chunk_index", "file_index", "from_timestamp", "to_timestamp")]
    if table is None or not {"episode_index", *keys} <= table.keys():
        return {f"videos/{camera}": [(0, 0.0, 0.0)]}
    if not all(type(number) is int for key in keys[:2] for number in table[key]):  # text could lead anywhere
        return {f"videos/{camera}": [(0, 0.0, 0.0)]}
    for number, chunk, file, start, end in zip(table["episode_index"], *(table[key] for key in keys), strict=True):
        path = f"videos/{camera}/chunk-{chunk:03d}/file-{file:03d}.mp4"
        found.setdefault(path, []).append((number, start, end))
    return found


def _decode(path: Path, file: str, episodes: Episodes, rate_hz: float, shape: list[int]) -> Iterator[Finding]:
    import av
    from av.error import FFmpegError

    frames, size, problem = 0, None, ""
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                frames, size = frames + 1, (frame.height, frame.width)
    except (FFmpegError, OSError, IndexError) as error:
        problem = str(error).splitlines()[0]
    wanted = round(max(end for _, _, end in episodes) * rate_hz)
    if problem or frames < wanted:
        lost = [episode for episode in episodes if round(episode[2] * rate_hz) > frames] or episodes[-1:]
        number, start, _ = lost[0]
        text = f"cannot be decoded beyond frame {frames} of {wanted}{f': {problem}' if problem else ''}"
        at = max(0, frames - round(start * rate_hz))
        yield Finding(
            "error",
            "videos",
            text,
            file,
            episode=number,
            frame=at,
            count=wanted - frames,
            episodes=tuple(e[0] for e in lost),
        )
    elif size != tuple(shape[:2]):
        text = f"is {size} pixels, info.json tells {tuple(shape[:2])}"
        yield Finding("error", "videos", text, file, episode=episodes[0][0])


def decode_episode(contents: Contents, camera: str, number: int, length: int) -> np.ndarray:
    """Return the pictures (length, height, width, 3) of an episode, whose video was found to be sound."""
    import av

    for file, episodes in _episodes_by_file(contents, camera).items():
        for episode, start, _ in episodes:
            if episode == number:
                first = round(start * contents.folder.rate_hz)
                with av.open(str(contents.folder.root / file)) as container:
                    frames = islice(container.decode(video=0), first, first + length)
                    return np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
    raise ValueError(f"no video of '{camera}' shows episode {number}")
