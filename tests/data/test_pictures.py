"""Recorded pictures: decoded, resized, kept. N frames."""

import os
import shutil
import struct
import zlib

import pytest
import torch

from dist2_robot.data.decode import _loader, decoded
from dist2_robot.data.folder import open_folder
from dist2_robot.data.picture_cache import read_pictures
from dist2_robot.errors import InputError
from dist2_robot.pictures import resize
from tests.data.recordings import CAMERA, LENGTHS, write_filmed

FRAMES = sum(LENGTHS[:4])


@pytest.fixture(scope="module", params=["png", "video"])
def filmed(request, tmp_path_factory):
    return write_filmed(tmp_path_factory.mktemp("filmed") / "reach", video=request.param == "video")


def read(*roots, rows=None, size=(64, 64), **settings):
    folders = [open_folder(root) for root in roots]
    rows = rows or [None] * len(folders)
    return read_pictures(folders, rows, CAMERA, size, **{"memory_gb": 1.0, "cache": None} | settings)


def test_pictures_are_those_of_lerobot(filmed):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    theirs = LeRobotDataset("local/reach", root=filmed, video_backend="pyav")
    ours = read(filmed)
    assert ours.shape == (FRAMES, 64, 64, 3)
    for i in range(FRAMES):
        assert torch.equal((theirs[i][CAMERA] * 255).round().to(torch.uint8).permute(1, 2, 0), ours[i])


def test_frames_are_where_the_table_says(tmp_path):
    """The recorded square stands where the state says, in every frame of every episode."""
    pictures = read(write_filmed(tmp_path / "reach"))
    bright = pictures[..., 0] > 100
    from dist2_robot.data.table import read_table

    state = read_table(open_folder(tmp_path / "reach")).features["observation.state"]
    rows = torch.tensor([int(one.any(1).nonzero()[0]) for one in bright])
    assert torch.equal(rows, ((state[:, 0] + 1) / 2 * 57).int().long())


def test_what_does_not_fit_into_memory_is_mapped_and_found_again(filmed, tmp_path):
    cache = tmp_path / "cache"
    mapped = read(filmed, memory_gb=0.0, cache=cache)
    assert torch.equal(mapped, read(filmed))
    (file,) = cache.iterdir()
    before = file.stat().st_mtime_ns
    assert torch.equal(read(filmed, memory_gb=0.0, cache=cache), mapped)
    assert file.stat().st_mtime_ns == before
    assert read(filmed, memory_gb=0.0, cache=cache, size=(12, 16)).shape == (FRAMES, 12, 16, 3)
    assert len(list(cache.iterdir())) == 2


def test_other_pictures_are_not_found_in_the_cache(tmp_path):
    cache, root = tmp_path / "cache", write_filmed(tmp_path / "reach")
    first = read(root, memory_gb=0.0, cache=cache)
    shutil.rmtree(root)
    write_filmed(root, seed=5)
    assert not torch.equal(read(root, memory_gb=0.0, cache=cache), first)


def test_several_datasets_follow_each_other_each_with_its_first_frames(tmp_path):
    first, second = (write_filmed(tmp_path / str(seed), seed=seed) for seed in (0, 1))
    both = read(first, second, rows=[range(10), range(7)])
    assert torch.equal(both, torch.cat([read(first)[:10], read(second)[:7]]))


def test_resizing_keeps_what_has_the_size_and_bytes_stay_bytes():
    pictures = torch.randint(0, 256, (3, 30, 40, 3), dtype=torch.uint8)
    assert resize(pictures, (30, 40)) is pictures
    small = resize(pictures, (15, 20))
    assert small.dtype == torch.uint8
    assert small.shape == (3, 15, 20, 3)
    flat = torch.full((1, 31, 17, 3), 77, dtype=torch.uint8)
    assert (resize(flat, (8, 8)) == 77).all()
    floats = resize(pictures.float(), (15, 20))
    assert (floats - small.float()).abs().max() <= 1.5  # bytes are resized in whole numbers


@pytest.mark.fault("R9")
def test_a_damaged_picture_is_named(filmed, tmp_path):
    root = tmp_path / "reach"
    shutil.copytree(filmed, root)
    folder = open_folder(root)
    if folder.info["features"][CAMERA]["dtype"] == "video":
        (path,) = (root / "videos" / CAMERA).rglob("*.mp4")
        os.truncate(path, path.stat().st_size // 2)
    else:
        import pyarrow as pa

        from tests.data.recordings import edit, replace_column

        def damage(table):
            pictures = table[CAMERA].to_pylist()
            pictures[17]["bytes"] = pictures[17]["bytes"][:40]
            return replace_column(table, CAMERA, pa.array(pictures, table.schema.field(CAMERA).type).to_pylist())

        path = edit(root, damage)
    with pytest.raises(InputError, match=path.name) as caught:
        list(decoded(folder, CAMERA))
    assert "restore it" in str(caught.value)
    with pytest.raises(InputError):
        read(root)


@pytest.mark.fault("R9")
def test_missing_pictures_are_told(tmp_path):
    root = write_filmed(tmp_path / "reach", video=True)
    shutil.rmtree(root / "videos")
    with pytest.raises(InputError, match=r"file-000\.mp4"):
        read(root)


@pytest.mark.fault("A9")
@pytest.mark.parametrize("side", [9_000, 60_000])
def test_a_picture_of_too_many_pixels_is_refused_by_its_header(side):
    """Few bytes that declare gigabytes: nothing of them is unpacked."""
    parts = {b"IHDR": struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0), b"IDAT": b""}
    png = b"\x89PNG\r\n\x1a\n"
    for name, content in parts.items():
        png += struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    with pytest.raises(ValueError, match="pixels"):
        _loader({"bytes": png})()
