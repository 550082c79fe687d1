"""The frames of a video at given times, decoded in one pass."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dist2_robot.data.video_file import open_video

SKIP_S = 10.0  # of a video in which nothing is wanted are skipped; less is decoded on the way


def nearest_frames(path: Path, times_s: np.ndarray) -> Iterator[tuple[int, Any, float]]:
    """Yield the frame nearest to each of some times: the time's place in `times_s`, the frame, the frame's time in s.

    Times are those of the container, as LeRobot's decoder takes them: a video need not begin at 0. Of two frames that
    are as near, the earlier. Every frame is decoded once, in order; the one `av.VideoFrame` may be yielded many times.

    Args:
        path: The video.
        times_s: (N,), in any order; they are taken from the earliest to the latest.

    Raises:
        ValueError: There is no frame in it, or their times do not ascend.
        av.error.FFmpegError: It cannot be decoded up to the next of the times.
        OSError: It cannot be read.
    """
    with open_video(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        frames = _timed(container, stream)
        before: tuple[float, Any] | None = None
        current: tuple[float, Any] | None = None
        may_skip = True
        for place in np.argsort(times_s, kind="stable").tolist():
            wanted, reached = float(times_s[place]), current[0] if current else 0.0
            if may_skip and wanted - reached > SKIP_S:
                assert stream.time_base is not None
                container.seek(round(wanted / stream.time_base) - 1, stream=stream)  # to the key frame before
                frames, before = _timed(container, stream), None
                current = next(frames, None)
                may_skip = current is not None and current[0] > reached  # else there are no key frames to go to
            while current is None or current[0] < wanted:
                following = next(frames, None)
                if following is None:
                    break
                if current is not None and following[0] < current[0]:
                    raise ValueError(f"the times of its frames go back from {current[0]:.4f} s to {following[0]:.4f} s")
                before, current = current, following
            if current is None:
                raise ValueError("it holds no frame")
            is_before = before is not None and wanted - before[0] <= abs(current[0] - wanted)
            time_s, frame = before if is_before and before is not None else current
            yield place, frame, time_s


def frame_rate_hz(path: Path) -> float | None:
    """Return the mean rate of a video's frames; None where the file does not tell, or is none."""
    from av.error import FFmpegError

    try:
        with open_video(path) as container:
            rate = container.streams.video[0].average_rate
            return None if rate is None else float(rate)
    except (FFmpegError, OSError, IndexError, ValueError):
        return None


def _timed(container: Any, stream: Any) -> Iterator[tuple[float, Any]]:
    for frame in container.decode(stream):
        if frame.pts is not None:
            yield float(frame.pts * stream.time_base), frame
