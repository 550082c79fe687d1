"""Videos of anybody: frames are read, and nothing else is opened."""

import os
from pathlib import Path

import av
import numpy as np
import pytest

from dist2_robot.data import video_file
from dist2_robot.data.video_file import open_video
from dist2_robot.data.video_frames import frame_rate_hz


def film(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_frames_are_read(tmp_path):
    with open_video(film(tmp_path / "a.mp4")) as container:
        assert len(list(container.decode(video=0))) == 3


@pytest.mark.fault("A8")
def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(ValueError, match="no regular file"), open_video(tmp_path / "a.mp4"):
        pass


@pytest.mark.fault("S8")
def test_a_playlist_opens_no_other_file(tmp_path):
    """Read by its content, as FFmpeg does, it would show the frames of another video."""
    film(tmp_path / "theirs.mp4")
    playlist = tmp_path / "a.mp4"
    playlist.write_text("ffconcat version 1.0\nfile theirs.mp4\n")
    with av.open(str(playlist)) as container:  # what it is without the door
        assert len(list(container.decode(video=0))) == 3
    with pytest.raises((ValueError, OSError)), open_video(playlist):
        pass
    assert frame_rate_hz(playlist) is None


@pytest.mark.fault("A9")
def test_frames_that_are_too_large_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(video_file, "MAX_PIXELS", 64 * 48 - 1)
    with pytest.raises(ValueError, match="64 x 48 pixels"), open_video(film(tmp_path / "a.mp4")):
        pass


def test_what_holds_no_video_is_told(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no film")
    with pytest.raises((ValueError, OSError)), open_video(tmp_path / "a.mp4"):
        pass
