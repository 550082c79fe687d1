"""Are the videos there, and can every frame of them be shown?"""

from collections.abc import Iterator
from pathlib import Path

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
                yield Finding("error", "videos", f"is missing: it shows {len(episodes)} episodes", file, episodes[0][0])
                continue
            yield from _decode(path, file, episodes, contents.folder.rate_hz, features[camera]["shape"])


def _episodes_by_file(contents: Contents, camera: str) -> dict[str, Episodes]:
    table, found = contents.episodes, {}
    keys = [f"videos/{camera}/{name}" for name in ("chunk_index", "file_index", "from_timestamp", "to_timestamp")]
    if table is None or not {"episode_index", *keys} <= table.keys():
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
        number, start, _ = next((e for e in episodes if e[2] * rate_hz > frames), episodes[-1])
        text = f"cannot be decoded beyond frame {frames} of {wanted}{f': {problem}' if problem else ''}"
        at = max(0, frames - round(start * rate_hz))
        yield Finding("error", "videos", text, file, episode=number, frame=at, count=wanted - frames)
    elif size != tuple(shape[:2]):
        text = f"is {size} pixels, info.json tells {tuple(shape[:2])}"
        yield Finding("error", "videos", text, file, episode=episodes[0][0])
