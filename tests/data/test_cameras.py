"""Which features of pictures are cameras of colours, and in what size: by info.json, and by what the files are."""

import io
import shutil
import zlib

import numpy as np
import pytest

from dist2_robot.data.audit.audit import audit
from dist2_robot.data.audit.mend import mend
from dist2_robot.data.cameras import declared_shape, find_cameras
from dist2_robot.data.decode import decode_rows, read_rows
from dist2_robot.data.folder import open_folder
from dist2_robot.errors import InputError
from tests.data.films import (
    FILMED,
    ROWS,
    TIMES,
    VIDEO,
    change_info,
    film,
    level,
    put_pictures,
    rename_camera,
    write_film,
)
from tests.data.recordings import CAMERA, write_filmed

QUIET = {"x265-params": "log-level=none"}
HWC, CHW = ["height", "width", "channels"], ["channels", "height", "width"]


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ([48, 64, 3], HWC),
        ([3, 48, 64], CHW),
        ([48, 64, 3], ["h", "w", "c"]),
        ([3, 48, 64], ["c", "h", "w"]),
        ([3, 48, 64], ["channel", "height", "width"]),
        ([48, 64, 3], {"axes": HWC}),
        ([3, 48, 64], {"axes": ["c", "h", "w"]}),
        ([48, 64, 3], [HWC]),
        ([64, 48, 3], ["width", "height", "channels"]),
        ([48, 64, 3], ["rgb"]),
        ([3, 48, 64], "rgb"),
        ([3, 48, 64], None),
        ([48, 64, 3], None),
        ([3, 48, 64], HWC),  # the names are LeRobot's, the shape is not
        ([48, 64, 3], CHW),
    ],
)
def test_axes_are_read_in_any_notation(shape, names):
    assert declared_shape({"shape": shape, "names": names}) == (48, 64, 3)


def test_axes_that_are_not_clear_are_not_guessed():
    assert declared_shape({"shape": [3, 64, 3], "names": None}) is None
    assert declared_shape({"shape": [3, 64, 3], "names": HWC}) == (3, 64, 3)
    assert declared_shape({"shape": [48, 64, 7], "names": None}) is None
    assert declared_shape({"shape": [4, 4, 3], "names": None}) == (4, 4, 3)
    assert declared_shape({"shape": [48, 64, 1], "names": HWC}) == (48, 64, 1)
    assert declared_shape({"shape": [48, 64], "names": ["height", "width"]}) == (48, 64, 1)
    assert declared_shape({"shape": [48, 64, 3, 2], "names": None}) is None


def shape_of(**told):
    return lambda info: info["features"][CAMERA].update(told)


@pytest.mark.parametrize("names", [["c", "h", "w"], ["rgb"], {"axes": ["channel", "h", "w"]}, None])
def test_a_dataset_in_any_notation_is_read_and_has_no_finding(tmp_path, names):
    root = write_film(tmp_path / "film", size=(64, 80))
    change_info(root, shape_of(shape=[3, 64, 80], names=names))
    folder = open_folder(root)
    assert folder.cameras() == {CAMERA: (64, 80)}
    pictures = decode_rows(folder, CAMERA, read_rows(folder))
    assert pictures.shape == (ROWS, 64, 80, 3)
    assert [f for f in audit(root).findings if f.check in ("cameras", "videos") or f.severity == "error"] == []


def test_axes_that_nobody_tells_are_one_clear_line_and_a_finding(tmp_path):
    root = write_film(tmp_path / "film")
    change_info(root, shape_of(shape=[64, 64, 7], names=None))
    (finding,) = [f for f in audit(root).of("error") if f.check == "cameras"]
    assert finding.file == "meta/info.json"
    assert "[64, 64, 7]" in finding.message
    shutil.rmtree(root / "videos")
    with pytest.raises(InputError, match=r"info\.json' does not tell which axis of 'observation\.images\.front'"):
        open_folder(root).cameras()
    assert [f.check for f in audit(root).of("error")] == ["cameras"]


def test_the_size_is_that_of_the_file_and_another_in_info_json_is_found(tmp_path):
    root = write_film(tmp_path / "film", size=(64, 80))
    change_info(root, shape_of(shape=[80, 64, 3], names=HWC))
    assert open_folder(root).cameras() == {CAMERA: (64, 80)}
    (finding,) = audit(root).of("error")
    assert "(64, 80) pixels, info.json tells (80, 64)" in finding.message


@pytest.mark.parametrize("told", [{"is_depth_map": True}, {"video.is_depth_map": True}])
def test_what_info_json_calls_depth_is_none(tmp_path, told):
    root = write_film(tmp_path / "film")
    change_info(root, shape_of(info=told))
    folder = open_folder(root)
    assert (folder.cameras(), folder.left_out_cameras()) == ({}, {CAMERA: "depth, 8 bit"})


def test_a_deep_video_is_depth_whatever_info_json_tells(tmp_path):
    root = write_film(
        tmp_path / "film", levels=80 * np.arange(ROWS), pix_fmt="gray12le", codec="libx265", options=QUIET
    )
    assert open_folder(root).left_out_cameras() == {CAMERA: "depth, 12 bit"}
    (note,) = [f for f in audit(root).findings if f.check == "cameras"]
    assert note.severity == "note"
    assert "depth, 12 bit" in note.message


def test_one_channel_is_no_colour_and_a_grey_video_that_is_told_as_three_is(tmp_path):
    from lerobot.datasets.video_utils import decode_video_frames

    root = write_film(tmp_path / "film", pix_fmt="gray")
    folder = open_folder(root)
    assert folder.cameras() == {CAMERA: (64, 64)}
    seen = decode_rows(folder, CAMERA, read_rows(folder))
    theirs = decode_video_frames(root / VIDEO, TIMES.tolist(), 1e-4, "pyav", return_uint8=True)
    assert (seen == theirs.permute(0, 2, 3, 1).numpy()).all()
    assert (seen[..., :1] == seen).all()
    change_info(root, shape_of(shape=[64, 64, 1]))
    assert open_folder(root).left_out_cameras() == {CAMERA: "1 channel, 8 bit"}


def png(mode, dtype):
    from PIL import Image

    def encode(row):
        file = io.BytesIO()
        Image.fromarray(np.full((64, 64), 5 * row * (100 if dtype == np.uint16 else 1), dtype)).convert(mode).save(
            file, format="PNG"
        )
        return file.getvalue()

    return encode


@pytest.mark.parametrize(
    ("mode", "dtype", "reason"),
    [("I;16", np.uint16, "depth, 16 bit"), ("L", np.uint8, "one channel, 8 bit, where info.json tells 3")],
)
def test_pictures_of_one_channel_in_a_table_are_left_out(tmp_path, mode, dtype, reason):
    """PIL would make 255 of every depth."""
    root = write_filmed(tmp_path / "reach")
    put_pictures(root, png(mode, dtype))
    folder = open_folder(root)
    assert folder.left_out_cameras() == {CAMERA: reason}
    with pytest.raises(InputError, match="no camera"):
        decode_rows(folder, CAMERA, read_rows(folder))
    new = tmp_path / "sound"
    assert mend(audit(root), new).cameras == {CAMERA: reason}
    assert audit(new).of("error") == []
    assert open_folder(new).cameras() == {}


def test_a_grey_picture_among_coloured_ones_is_refused_and_found(tmp_path):
    root, grey = write_filmed(tmp_path / "reach"), png("I;16", np.uint16)
    colour = png("RGB", np.uint8)
    put_pictures(root, lambda row: grey(row) if row == 14 else colour(row))
    folder = open_folder(root)
    with pytest.raises(InputError, match=r"frame 2 of episode 1 cannot be decoded .*one channel"):
        decode_rows(folder, CAMERA, read_rows(folder))
    (finding,) = audit(root).of("error")
    assert (finding.check, finding.episode, finding.frame) == ("videos", 1, 2)
    assert mend(audit(root), tmp_path / "sound").episodes.keys() == {1}
    sound = open_folder(tmp_path / "sound")
    assert sound.info["features"][CAMERA]["dtype"] == "image"
    kept = [row for row in range(ROWS) if not FILMED[0] <= row < FILMED[0] + FILMED[1]]
    everything = read_rows(folder, kept)
    assert (decode_rows(sound, CAMERA, read_rows(sound)) == decode_rows(folder, CAMERA, everything)).all()


def test_a_camera_whose_videos_are_missing_is_left_out_of_what_is_sound(tmp_path):
    root = write_film(tmp_path / "film")
    shutil.rmtree(root / "videos")
    found = mend(audit(root), tmp_path / "sound")
    assert found.episodes == {}
    assert "is missing" in found.cameras[CAMERA]
    sound = audit(tmp_path / "sound")
    assert sound.of("error") == []
    assert len(sound.contents) == ROWS


def test_an_episode_without_all_of_its_pictures_is_left_out_and_the_others_keep_theirs(tmp_path):
    row = FILMED[0] + 4
    root = write_film(tmp_path / "film", np.delete(TIMES, row), np.delete(level(np.arange(ROWS)), row))
    assert mend(audit(root), tmp_path / "sound").episodes.keys() == {1}
    sound = open_folder(tmp_path / "sound")
    pictures = decode_rows(sound, CAMERA, read_rows(sound))
    kept = [i for i in range(ROWS) if not FILMED[0] <= i < FILMED[0] + FILMED[1]]
    assert np.abs(pictures.mean((1, 2, 3)) - level(np.array(kept))).max() < 3


def test_a_picture_that_claims_to_be_enormous_is_one_clear_line_and_a_finding(tmp_path):
    root, colour = write_filmed(tmp_path / "reach"), png("RGB", np.uint8)
    huge = bytearray(colour(0))
    huge[16:24] = (60_000).to_bytes(4, "big") * 2
    huge[29:33] = zlib.crc32(huge[12:29]).to_bytes(4, "big")
    put_pictures(root, lambda row: bytes(huge) if row == 14 else colour(row))
    folder = open_folder(root)
    with pytest.raises(InputError, match="frame 2 of episode 1 cannot be decoded"):
        decode_rows(folder, CAMERA, read_rows(folder))
    assert [(f.check, f.episode, f.frame) for f in audit(root).of("error")] == [("videos", 1, 2)]
    put_pictures(root, lambda row: bytes(huge))
    assert open_folder(root).cameras() == {CAMERA: (64, 64)}


def test_small_videos_are_mended_as_pictures(tmp_path):
    """The encoder crashes on less than 64 pixels."""
    root = write_film(tmp_path / "film", size=(32, 48))
    change_info(root, shape_of(shape=[32, 48, 3]))
    mend(audit(root), tmp_path / "sound")
    sound = open_folder(tmp_path / "sound")
    assert sound.info["features"][CAMERA]["dtype"] == "image"
    pictures = decode_rows(sound, CAMERA, read_rows(sound))
    assert np.abs(pictures.mean((1, 2, 3)) - level(np.arange(ROWS))).max() < 2


def test_a_camera_with_a_name_that_is_no_observation_is_left_out(tmp_path):
    root = write_film(tmp_path / "film")
    rename_camera(root, "front")
    assert open_folder(root).left_out_cameras() == {"front": "its name does not begin with 'observation.'"}
    assert next(f.message for f in audit(root).findings if f.check == "cameras").startswith("'front' is left out")


def test_pictures_of_other_sizes_in_a_video_are_found(tmp_path):
    root = write_film(tmp_path / "film")
    film(root / VIDEO, TIMES, level(np.arange(ROWS)), size=(32, 32))
    (finding,) = audit(root).of("error")
    assert "(32, 32)" in finding.message
    assert find_cameras(root, open_folder(root).info["features"]).colour == {CAMERA: (32, 32)}
