import imageio.v3 as iio
import numpy as np

from dist2_robot.rollouts.video import write_video


def test_a_video_reads_back(tmp_path):
    brightness = np.linspace(0, 255, 12).astype(np.uint8)
    frames = np.broadcast_to(brightness[:, None, None, None], (12, 33, 48, 3))  # an odd height too
    path = tmp_path / "new" / "episode.mp4"
    write_video(path, frames, fps=16)
    back = iio.imread(path, plugin="pyav")
    assert back.shape == (12, 32, 48, 3)
    assert np.abs(back.mean(axis=(1, 2, 3)) - brightness).max() < 4
    assert iio.immeta(path, plugin="pyav")["codec"] == "h264"
    assert iio.immeta(path, plugin="pyav")["fps"] == 16
