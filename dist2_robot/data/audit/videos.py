"""Are the pictures there, does every row have its own, and can it be shown?"""

from collections.abc import Callable, Iterator

import numpy as np

from dist2_robot.data.audit.contents import Contents
from dist2_robot.data.audit.finding import Finding
from dist2_robot.data.cameras import declared_shape, find_cameras
from dist2_robot.data.decode import (
    LEROBOT_TOLERANCE_S,
    UNREADABLE,
    PictureRequest,
    Rows,
    farthest_s,
    picture_requests,
    table_pictures,
)
from dist2_robot.data.video_frames import frame_rate_hz, nearest_frames
from dist2_robot.errors import InputError, first_line

INFO, EPISODES = "meta/info.json", "meta/episodes"
SAME_RATE = 0.05  # how much the rates of a video and of its rows may differ, as a share, without a word


def check_videos(contents: Contents) -> Iterator[Finding]:
    """Decode all pictures; where a row has none, or one that is not of its time, the row is named by its episode."""
    features = contents.folder.info["features"]
    for camera in (name for name, feature in features.items() if feature["dtype"] in ("video", "image")):
        feature = features[camera]
        told = declared_shape(feature)
        if told is None:
            text = f"does not tell which axis of '{camera}' is which: shape {feature['shape']}, names "
            text += f"{feature.get('names')}; write names [height, width, channels]"
            yield Finding("error", "cameras", text, INFO)
        try:
            cameras = find_cameras(contents.folder.root, {camera: feature})
        except InputError:  # the axes, see above
            continue
        if reason := cameras.left_out.get(camera):
            yield Finding("note", "cameras", f"'{camera}' is left out of trainings: {reason}", INFO)
        rows = recorded_rows(contents)
        if rows is None:  # other checks tell what is missing
            continue
        try:
            requests = picture_requests(contents.folder, camera, rows)
        except InputError as error:
            yield Finding("error", "videos", str(error), EPISODES, feature=camera)
            continue
        for request in requests:
            check = _Check(contents, camera, rows, request)
            is_video = feature["dtype"] == "video"
            yield from check.video(told) if is_video else check.table(told, is_left_out=camera in cameras.left_out)


def recorded_rows(contents: Contents) -> Rows | None:
    """Return all rows whose episode the table of episodes tells of; None where columns are missing.

    A row's time is its timestamp; where that does not fit the rate, which is an error of its own, the number of the
    frame over the rate.
    """
    names = ("episode_index", "frame_index", "timestamp")
    if not set(names) <= contents.columns.keys() or contents.episodes is None or not len(contents):
        return None
    episode, frame, time_s = (contents.columns[name].reshape(-1) for name in names)
    by_number, rate_hz = frame / contents.folder.rate_hz, contents.folder.rate_hz
    fits = np.abs(time_s - by_number) < 0.5 / rate_hz
    time_s = np.where(fits, time_s.astype(np.float64), by_number)
    known = np.flatnonzero(np.isin(episode, list(contents.episodes.get("episode_index", ()))))
    return Rows(np.arange(len(episode)), episode, frame, time_s).take(known)


class _Check:
    """The check of the pictures of one camera in one file."""

    def __init__(self, contents: Contents, camera: str, rows: Rows, request: PictureRequest) -> None:
        self._camera, self._request, self._rows = camera, request, rows.take(request.places)
        self._rate_hz, self._path = contents.folder.rate_hz, request.path
        self._file = str(request.path.relative_to(contents.folder.root))

    def video(self, told: tuple[int, int, int] | None) -> Iterator[Finding]:
        """Compare the times of a video's frames with those of its rows."""
        from av.error import FFmpegError

        wanted_s = self._request.positions
        if not self._path.is_file():
            yield self._finding("error", "is missing", np.ones(len(wanted_s), bool), frame=False)
            return
        shown_s, sizes, problem = np.full(len(wanted_s), np.nan), {}, ""
        try:
            for number, frame, time_s in nearest_frames(self._path, wanted_s):
                shown_s[number] = time_s
                sizes.setdefault((frame.height, frame.width), number)
        except (FFmpegError, OSError, IndexError, ValueError) as error:
            problem = first_line(error)
        lost, off_s = np.isnan(shown_s), np.abs(shown_s - wanted_s)
        far = off_s >= farthest_s(self._rate_hz)
        if far.any():
            yield self._finding("error", self._say(shown_s, far), far)
        if lost.any():
            place = self._first(lost)
            text = f"cannot be decoded beyond frame {int((~lost).sum())} of {len(lost)}, at {wanted_s[place]:.4f} s"
            yield self._finding("error", f"{text}: {problem}", lost)
            return
        if not far.any() and (off_s >= LEROBOT_TOLERANCE_S).any():
            text = f"its frames are up to {1000 * off_s.max():.2g} ms off the times of their rows: we take the nearest"
            yield self._finding("warning", f"{text}, LeRobot refuses them", off_s >= LEROBOT_TOLERANCE_S)
        yield from self._rate()
        yield from self._sizes(sizes, told)

    def table(self, told: tuple[int, int, int] | None, *, is_left_out: bool) -> Iterator[Finding]:
        """Decode the pictures of a parquet file."""
        sizes: dict[tuple[int, int], int] = {}
        lost, problem = np.zeros(len(self._rows), bool), ""
        place_of = {place: number for number, place in enumerate(self._request.places.tolist())}
        for place, load in table_pictures(self._request, self._camera):
            number = place_of[place]
            try:
                sizes.setdefault(_size(load), number)
            except UNREADABLE as error:
                lost[number], problem = True, problem or first_line(error)
        if lost.any() and not is_left_out:
            yield self._finding("error", f"the picture '{self._camera}' cannot be decoded: {problem}", lost)
        yield from self._sizes(sizes, told)

    def _say(self, shown_s: np.ndarray, far: np.ndarray) -> str:
        place = self._first(far)
        wanted_s = self._request.positions[place]
        return f"has no picture at {wanted_s:.4f} s, where the row is: the nearest is at {shown_s[place]:.4f} s"

    def _rate(self) -> Iterator[Finding]:
        rate_hz = frame_rate_hz(self._path)
        if rate_hz is not None and abs(rate_hz / self._rate_hz - 1) > SAME_RATE:
            text = f"has {rate_hz:g} frames a second, the rows {self._rate_hz:g}: each row has the one nearest in time"
            yield Finding("note", "videos", text, self._file, feature=self._camera)

    def _sizes(self, sizes: dict[tuple[int, int], int], told: tuple[int, int, int] | None) -> Iterator[Finding]:
        """Compare the sizes of pictures, each with the number of its first row, with each other and info.json."""
        wanted = next(iter(sizes), None) if told is None else told[:2]
        for size, number in sizes.items():
            if size != wanted:
                where = np.arange(len(self._rows)) == number
                yield self._finding("error", f"is {size} pixels, info.json tells {wanted}", where)
                return

    def _finding(self, severity: str, text: str, rows: np.ndarray, *, frame: bool = True) -> Finding:
        """Return what is wrong with some rows of the file (n,), with the place of the first of them in time."""
        first = self._first(rows)
        return Finding(
            severity,  # type: ignore[arg-type]
            "videos",
            text,
            self._file,
            episode=int(self._rows.episode[first]),
            frame=int(self._rows.frame[first]) if frame else None,
            count=int(rows.sum()) if frame else 1,
            episodes=tuple(np.unique(self._rows.episode[rows]).tolist()),
            feature=self._camera,
        )

    def _first(self, rows: np.ndarray) -> int:
        places = np.flatnonzero(rows)
        return int(places[np.argmin(self._request.positions[places])])


def _size(load: Callable) -> tuple[int, int]:
    picture = load()
    return picture.height, picture.width
