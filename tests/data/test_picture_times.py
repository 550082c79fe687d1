"""The picture of a row is the one that its video shows at the row's time: as LeRobot's decoder has it, or refused."""

import numpy as np
import pytest
import torch

from dist2_robot.data.audit.audit import audit
from dist2_robot.data.decode import decoded, farthest_s, read_rows
from dist2_robot.data.folder import open_folder
from dist2_robot.data.picture_cache import read_pictures
from dist2_robot.errors import InputError
from tests.data.films import (
    EPISODE_OF_ROW,
    FILMED,
    RATE_HZ,
    ROW_TIMES_S,
    ROWS,
    STARTS_S,
    STEP,
    VIDEO,
    change_episodes,
    film,
    level,
    write_film,
)
from tests.data.recordings import CAMERA, STARTS

EVERY = level(np.arange(ROWS))
TIMES_S = np.arange(ROWS) / RATE_HZ
FAST_HZ = 3 * RATE_HZ


def rates_differ(root):
    """Three frames of the video to a row, each as bright as its number tells."""
    count = 3 * ROWS
    return write_film(root, np.arange(count) / FAST_HZ, 10 + np.arange(count) * STEP / 3)


def begins_later(root):
    """Half a second of something else comes first."""
    lead = np.arange(10) / RATE_HZ
    return write_film(root, [*lead, *(0.5 + TIMES_S)], [250] * 10 + EVERY.tolist(), starts_s=STARTS_S + 0.5)


def rates_vary(root):
    """Between the frames of the rows there are others, now and then."""
    more = TIMES_S[::3] + 0.021
    times = np.concatenate([TIMES_S, more])
    order = np.argsort(times)
    return write_film(root, times[order], np.concatenate([EVERY, np.full(len(more), 250)])[order])


def in_two_files(root):
    """Episodes 2 and 3 are in a video of their own, the later one first."""
    write_film(root)
    first = STARTS[2]
    film(root / VIDEO, TIMES_S[:first], EVERY[:first])
    later, sooner = EVERY[STARTS[3] : ROWS], EVERY[first : STARTS[3]]
    film(root / VIDEO.with_name("file-001.mp4"), np.arange(ROWS - first) / RATE_HZ, [*later, *sooner])
    change_episodes(root, f"videos/{CAMERA}/file_index", [0, 0, 1, 1])
    change_episodes(root, f"videos/{CAMERA}/from_timestamp", [0.0, STARTS_S[1], FILMED[3] / RATE_HZ, 0.0])
    ends = [STARTS_S[1], STARTS_S[2], (FILMED[3] + FILMED[2]) / RATE_HZ, FILMED[3] / RATE_HZ]
    change_episodes(root, f"videos/{CAMERA}/to_timestamp", ends)
    return root


SOUND = {x.__name__: x for x in (write_film, rates_differ, begins_later, rates_vary, in_two_files)}


def read(root, numbers=None, **settings):
    return read_pictures([open_folder(root)], [numbers], CAMERA, (64, 64), memory_gb=1.0, cache=None, **settings)


def brightness(pictures):
    return pictures.float().mean((1, 2, 3)).numpy()


@pytest.mark.parametrize("name", SOUND)
def test_a_row_has_the_picture_of_its_time_as_lerobot_decodes_it(name, tmp_path):
    from lerobot.datasets.video_utils import decode_video_frames

    root = SOUND[name](tmp_path / "film")
    pictures = read(root)
    assert np.abs(brightness(pictures) - EVERY).max() < STEP / 2 - 0.5
    starts = {number: (path, start) for number, path, start in _told(root)}
    for row in range(0, ROWS, 3):
        path, start = starts[EPISODE_OF_ROW[row]]
        theirs = decode_video_frames(path, [float(start + ROW_TIMES_S[row])], 1e-4, "pyav", return_uint8=True)
        assert torch.equal(theirs[0].permute(1, 2, 0), pictures[row])
    assert audit(root).of("error") == []


def _told(root):
    import pyarrow.parquet as pq

    for path in root.glob("meta/episodes/*/*.parquet"):
        table = pq.read_table(path).to_pydict()
        for i, number in enumerate(table["episode_index"]):
            file = table[f"videos/{CAMERA}/file_index"][i]
            start = table[f"videos/{CAMERA}/from_timestamp"][i]
            yield number, root / VIDEO.with_name(f"file-{file:03d}.mp4"), start


def dropped(root):
    """The frame of episode 1, frame 4 was not written."""
    kept = np.delete(np.arange(ROWS), STARTS[1] + 4)
    return write_film(root, TIMES_S[kept], EVERY[kept]), 1, 4, STARTS_S[1] + 0.2


def late(root):
    """The times of the video begin at .5 s, and nobody tells."""
    return write_film(root, TIMES_S + 0.5), 0, 0, 0.0


def short(root):
    """The video ends three frames early."""
    return write_film(root, TIMES_S[:-3], EVERY[:-3]), 3, FILMED[3] - 3, TIMES_S[-3]


def slow(root):
    """The video has half as many frames as there are rows."""
    return write_film(root, TIMES_S[::2], EVERY[::2]), 0, 1, 0.05


LACKING = {x.__name__: x for x in (dropped, late, short, slow)}


@pytest.mark.parametrize("name", LACKING)
def test_a_row_without_a_picture_is_refused_with_file_episode_frame_and_times(name, tmp_path):
    root, episode, frame, wanted_s = LACKING[name](tmp_path / "film")
    with pytest.raises(InputError) as caught:
        read(root)
    said = str(caught.value)
    assert str(root / VIDEO) in said
    assert f"frame {frame} of episode {episode} at {wanted_s:.4f} s, the nearest is at " in said
    assert "dist2-validate fix=" in said
    found = audit(root).of("error")
    assert [(f.check, f.file, f.episode, f.frame) for f in found] == [("videos", str(VIDEO), episode, frame)]
    assert f"{wanted_s:.4f} s" in found[0].message


def test_times_that_are_hardly_off_have_the_nearest_picture_and_a_warning(tmp_path):
    """Rounded to milliseconds, and late by 4: LeRobot refuses those."""
    root = write_film(tmp_path / "film", np.round(TIMES_S * 1.0003 + 0.004, 3))
    assert np.abs(brightness(read(root)) - EVERY).max() < STEP / 2
    with pytest.raises(InputError, match="the nearest is at 0"):
        read(root, tolerance_s=1e-4)
    (warning,) = audit(root).of("warning")
    assert (warning.check, warning.file, warning.episode, warning.frame) == ("videos", str(VIDEO), 0, 0)
    assert "LeRobot" in warning.message
    assert farthest_s(RATE_HZ) == 0.25 / RATE_HZ


def test_the_rate_of_a_video_that_is_not_that_of_the_rows_is_told(tmp_path):
    (note,) = [f for f in audit(rates_differ(tmp_path / "film")).of("note") if f.check == "videos"]
    assert "60 frames a second" in note.message
    assert "20" in note.message


def test_chosen_rows_in_any_order_have_their_pictures(tmp_path):
    root = in_two_files(tmp_path / "film")
    numbers = [40, 3, 3, 25, 11]
    assert np.abs(brightness(read(root, numbers)) - level(np.array(numbers))).max() < STEP / 2


def test_what_is_not_wanted_is_not_decoded(tmp_path):
    """The first file is broken, and none of its episodes is chosen."""
    root = in_two_files(tmp_path / "film")
    (root / VIDEO).write_bytes(b"nothing")
    numbers = [30, 44]
    assert np.abs(brightness(read(root, numbers)) - level(np.array(numbers))).max() < STEP / 2
    with pytest.raises(InputError, match=r"file-000\.mp4"):
        read(root)


@pytest.mark.parametrize("key_frames", ["2", "1000"])
def test_long_gaps_are_skipped_and_the_pictures_stay_right(tmp_path, key_frames):
    """Of a minute's video some rows are wanted, with key frames everywhere, and with one only."""
    times = np.arange(0, 60, 0.25)
    options = {"preset": "ultrafast", "crf": "4", "g": key_frames, "sc_threshold": "0"}
    path = tmp_path / "long.mp4"
    film(path, times, 10 + np.arange(len(times)) % 200, size=(16, 16), options=options)
    from dist2_robot.data.video_frames import nearest_frames

    wanted = np.array([50.0, 12.25, 0.0, 59.75, 31.5, 31.75])
    seen = {i: (f.to_ndarray(format="rgb24").mean(), t) for i, f, t in nearest_frames(path, wanted)}
    for i, time_s in enumerate(wanted):
        assert seen[i][1] == pytest.approx(time_s, abs=1e-6)
        assert seen[i][0] == pytest.approx(10 + (time_s * 4) % 200, abs=1)


def test_the_cache_knows_rows_apart(tmp_path):
    root, cache = write_film(tmp_path / "film"), tmp_path / "cache"
    settings = {"memory_gb": 0.0, "cache": cache}
    for numbers in ([0, 1, 2], [5, 6, 7]):
        pictures = read_pictures([open_folder(root)], [numbers], CAMERA, (64, 64), **settings)
        assert np.abs(brightness(pictures) - level(np.array(numbers))).max() < STEP / 2
    assert len(list(cache.iterdir())) == 2


def test_pictures_of_another_size_are_refused(tmp_path):
    root = in_two_files(tmp_path / "film")
    film(root / VIDEO.with_name("file-001.mp4"), TIMES_S, EVERY, size=(48, 64))
    with pytest.raises(InputError, match=r"file-001\.mp4.*\(48, 64\).*\(64, 64\)"):
        list(decoded(open_folder(root), CAMERA, read_rows(open_folder(root))))
