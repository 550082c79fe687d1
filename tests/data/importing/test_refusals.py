"""What is not sound is refused in one line, or left out by name; what is hostile does nothing."""

import json
import os
import pickle
import signal
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dist2_robot.data.folder import open_folder
from dist2_robot.data.importing.import_dataset import import_dataset
from dist2_robot.data.importing.imported import ImportOptions
from dist2_robot.data.table import read_table
from dist2_robot.errors import InputError
from tests.data.importing.others import (
    CAMERA,
    LENGTHS,
    numbers,
    pictures,
    write_aloha,
    write_d4rl,
    write_lerobot_v2,
    write_robomimic,
    write_rows,
    write_video,
    write_zarr,
)


class Payload:
    """Makes a file where it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def refuses(source, match, **options):
    """The import is refused in one line, and nothing is left behind."""
    root = source.parent / "new"
    with pytest.raises(InputError, match=match) as caught:
        import_dataset(source, root, ImportOptions(**({"rate_hz": 10} | options)))
    assert len(str(caught.value).splitlines()) == 1
    assert not root.exists()
    assert not (source.parent / ".new.unfinished").exists()


def write_npz(path, **changes):
    arrays = {f"{i}/{key}": numbers(i, size) for i in range(3) for key, size in (("action", 2), ("state", 3))}
    np.savez(path, **(arrays | {key.replace("_", "/", 1): x for key, x in changes.items()}))
    return path


def left_out(source, root, **options):
    imported = import_dataset(source, root, ImportOptions(**({"rate_hz": 10} | options)))
    assert imported.episodes == read_table(open_folder(root)).episodes == 2
    return [line for line in imported.left_out if "not asked for" not in line]


def test_a_rate_is_never_guessed(tmp_path):
    source = write_npz(tmp_path / "their.npz")
    refuses(source, "do not tell how many frames a second", rate_hz=None)
    for rate in (0, -1, float("nan"), True, "10"):
        refuses(source, "rate_hz must be a number above 0", rate_hz=rate)
    refuses(source, "whole frames a second, the rate is 33.3", rate_hz=33.3)
    refuses(write_lerobot_v2(tmp_path / "old", video=False), "says that it is of 10 Hz", rate_hz=20)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"rename": {"stat": "observation.state"}}, r"0 columns 'stat'.*Did you mean 'state'\?"),
        ({"rename": {"action": "a/b"}}, "cannot be the name of a feature"),
        ({"rename": {"action": "timestamp"}}, "cannot be the name of a feature"),
        ({"rename": {"state": "x", "action": "x"}}, "'x' is named twice"),
        ({"rename": {"action": "observation.state"}}, "none of .* is known to be the action"),
        ({"names": {"action": ["x"]}}, "1 names, it has 2 numbers"),
        ({"names": {"action": ["x", "x"]}}, "1 names, it has 2 numbers"),
        ({"names": {"acton": ["x", "y"]}}, "names= tells of 'acton'"),
        ({"format": "zar"}, r"no format 'zar'. Did you mean 'zarr'\?"),
        ({"format": "zarr"}, "0 'meta/episode_ends'"),
        ({"format": "aloha"}, "is no HDF5 file"),
    ],
)
def test_a_wrong_option_is_refused(tmp_path, options, match):
    refuses(write_npz(tmp_path / "their.npz"), match, **options)


def test_what_is_of_no_known_format_is_refused(tmp_path):
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "run.mcap").touch()
    refuses(tmp_path / "bag", r"of no format that is read: the folder holds run.mcap\. Read are LeRobot v2.0")
    (tmp_path / "table.csv").write_text("a,b")
    refuses(tmp_path / "table.csv", r"a file of the kind '.csv'\. Read are")
    refuses(tmp_path / "nothing", "does not exist")
    (tmp_path / "rlds" / "1.0.0").mkdir(parents=True)
    (tmp_path / "rlds" / "1.0.0" / "features.json").touch()
    refuses(tmp_path / "rlds", "valid JSON")
    (tmp_path / "old" / "meta").mkdir(parents=True)
    (tmp_path / "old" / "meta" / "info.json").write_text('{"codebase_version": "v1.6"}')
    refuses(tmp_path / "old", "LeRobot dataset of version v1.6")


def test_an_episode_that_is_not_sound_is_left_out_by_name(tmp_path):
    bad = numbers(1, 2)
    bad[2, 1] = np.nan
    source = write_npz(tmp_path / "their.npz", **{"1_action": bad})
    assert left_out(source, tmp_path / "a") == ["1: 'action' is not finite at frame 2"]
    source = write_npz(tmp_path / "their.npz", **{"1_action": numbers(1, 3)})
    assert left_out(source, tmp_path / "b") == ["1: 'action' has the shape (3,), the first episode (2,)"]
    source = write_npz(tmp_path / "their.npz", **{"1_action": numbers(1, 2)[:3]})
    assert left_out(source, tmp_path / "c") == ["1: 'state' has 4 frames, 'action' 3"]
    source = write_npz(tmp_path / "their.npz", **{"1_action": numbers(1, 2)[:0], "1_state": numbers(1, 3)[:0]})
    assert left_out(source, tmp_path / "d") == ["1: it has no frame"]
    refuses(source, "1 cannot be taken: it has no frame", strict=True)
    everything = {f"{i}_action": np.full((LENGTHS[i], 2), np.inf) for i in range(3)}
    refuses(write_npz(tmp_path / "their.npz", **everything), "no episode of .* can be taken: .*not finite at frame 0")


@pytest.mark.parametrize("key", ["action", "state"])
def test_a_number_in_place_of_a_column_leaves_the_episode_out(tmp_path, key):
    source = write_npz(tmp_path / "their.npz", **{f"1_{key}": np.float32(1)})
    assert left_out(source, tmp_path / "new") == [f"1: '{key}' is a single number, not one entry a frame"]


def test_several_axes_that_do_not_fit_are_refused_or_left_out(tmp_path):
    axes = {f"{i}_corner": numbers(i, 6).reshape(-1, 3, 2) for i in range(3)}
    asked = {"rename": {"corner": "observation.corner"}}
    turned = axes | {"1_corner": numbers(1, 6).reshape(-1, 2, 3)}  # as many numbers, in another order
    source = write_npz(tmp_path / "their.npz", **turned)
    assert left_out(source, tmp_path / "a", **asked) == ["1: 'corner' has the shape (2, 3), the first episode (3, 2)"]
    source = write_npz(tmp_path / "their.npz", **axes | {"1_corner": numbers(1, 6)})
    assert left_out(source, tmp_path / "b", **asked) == ["1: 'corner' has the shape (6,), the first episode (3, 2)"]
    large = {f"{i}_corner": np.zeros((LENGTHS[i], 64, 65), "f4") for i in range(3)}
    source = write_npz(tmp_path / "their.npz", **large)
    refuses(source, r"'observation.corner' cannot be made of corner \(64, 65\) float32: neither a vector", **asked)
    source = write_npz(tmp_path / "their.npz", **{f"{i}_action": numbers(i, 4).reshape(-1, 2, 2) for i in range(3)})
    refuses(source, r"'action' cannot be made of action \(2, 2\) float32: several axes: name it in rename=")


def test_a_number_too_large_for_float32_is_not_made_infinite_in_silence(tmp_path):
    source = write_npz(tmp_path / "their.npz", **{"1_action": np.full((4, 2), 1e300)})
    assert left_out(source, tmp_path / "new") == ["1: 'action' is not finite at frame 0"]


@pytest.mark.parametrize("spoil", ["missing", "short", "rate", "damaged"])
def test_an_episode_whose_video_does_not_fit_is_left_out(tmp_path, spoil):
    source = write_lerobot_v2(tmp_path / "old")
    video = source / f"videos/chunk-000/{CAMERA}/episode_000001.mp4"
    if spoil == "missing":
        video.unlink()
    elif spoil == "short":
        write_video(video, pictures(1)[:3])
    elif spoil == "rate":
        write_video(video, pictures(1), fps=15)
    else:
        video.write_bytes(b"no video" * 100)
    told = {"missing": "is missing", "short": "shows 3 frames of its 4", "rate": "10 Hz", "damaged": "cannot be read"}
    (line,) = left_out(source, tmp_path / "new", rate_hz=None)
    assert line.startswith("episode 1: ")
    assert told[spoil] in line


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"frame_index": np.array([0, 1, 3, 2])}, "out of order or missing, from frame 2"),
        ({"timestamp": np.array([0, 0.1, 0.4, 0.5], "f4")}, "frame 2 is at 0.4 s, which is not 10 Hz"),
        ({"task_index": np.full(4, 7)}, "its task 7 has no words"),
        ({"action": list(numbers(1, 4))}, "'action' has 4 numbers a frame, info.json tells 3"),
        (
            {"action": [[1.0, 2.0, 3.0, 4.0], [1.0, 2.0], *numbers(1, 3)[2:].tolist()]},
            "not have the same number of values in every",
        ),
        ({"action": ["a", "b", "c", "d"]}, "numbers a frame|cannot be read"),
    ],
)
def test_rows_that_do_not_fit_are_left_out(tmp_path, changes, match):
    source = write_lerobot_v2(tmp_path / "old", video=False)
    path = source / "data/chunk-000/episode_000001.parquet"
    write_rows(path, 1, **changes)
    (line,) = left_out(source, tmp_path / "new", rate_hz=None)
    assert line.startswith("episode 1: ")
    assert match.split("|")[0] in line or match.split("|")[-1] in line


def test_the_source_and_the_new_dataset_are_apart(tmp_path):
    source = write_lerobot_v2(tmp_path / "old", video=False)
    for root in (source, source / "new", tmp_path):
        with pytest.raises(InputError, match=r"exists|lie in each other"):
            import_dataset(source, root, ImportOptions())
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "info.json").touch()  # a dataset around the source must not be replaced
    with pytest.raises(InputError, match="lie in each other"):
        import_dataset(source, tmp_path, ImportOptions(), overwrite=True)
    assert source.exists()


def test_an_old_dataset_is_replaced_only_by_a_whole_one(tmp_path):
    source, root = write_npz(tmp_path / "their.npz"), tmp_path / "new"
    import_dataset(source, root, ImportOptions(rate_hz=10))
    with pytest.raises(InputError, match="exists: name another"):
        import_dataset(source, root, ImportOptions(rate_hz=10))

    def broken(names):
        yield names[0]
        raise OSError(28, "disk full")

    with pytest.raises(OSError, match="disk full"):
        import_dataset(source, root, ImportOptions(rate_hz=20), overwrite=True, watch=broken)
    assert open_folder(root).rate_hz == 10
    import_dataset(source, root, ImportOptions(rate_hz=20), overwrite=True)
    assert open_folder(root).rate_hz == 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "their.npz"]


def test_an_import_that_is_killed_leaves_no_dataset(tmp_path):
    source, root = write_npz(tmp_path / "their.npz"), tmp_path / "new"
    import_dataset(source, tmp_path / "warm", ImportOptions(rate_hz=10))  # imports what is imported late

    def killed(names):
        yield from names[:2]
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        import_dataset(source, root, ImportOptions(rate_hz=10), watch=killed)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not root.exists()
    import_dataset(source, root, ImportOptions(rate_hz=10))  # what was left over is no hindrance
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "their.npz", "warm"]


# Hostile files.


@pytest.mark.fault("S1")
def test_no_pickle_is_run(tmp_path):
    trace, payload = tmp_path / "hacked", Payload(tmp_path / "hacked")
    objects = np.array([payload, payload, payload, payload], dtype=object)
    source = write_npz(tmp_path / "their.npz", **{"1_action": objects})
    refuses(source, "'1/action' holds Python objects, which are never read")
    source.write_bytes(pickle.dumps(payload))
    refuses(source, "is no .npz file")
    buffer = write_zarr(tmp_path / "their.zarr")
    path = buffer / "data/action/.zarray"
    content = json.loads(path.read_text())
    for changes in ({"filters": [{"id": "pickle", "protocol": 5}]}, {"compressor": {"id": "pickle"}}):
        path.write_text(json.dumps(content | changes))
        (buffer / "data/action/0.0").write_bytes(pickle.dumps(payload))
        refuses(buffer, "'data/action' is packed with 'pickle', which is not read")
    path.write_text(json.dumps(content | {"dtype": "|O"}))
    refuses(buffer, "'data/action' holds Python objects")
    assert not trace.exists()


@pytest.mark.fault("A9")
def test_sizes_that_a_file_cannot_hold_are_refused_before_they_are_read(tmp_path):
    import h5py

    source = write_npz(tmp_path / "their.npz")
    header = b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 2), }"
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("3/action.npy", header.ljust(127) + b"\n")
    refuses(source, r"'3/action' declares \(1000000000000, 2\) float32")
    buffer = write_zarr(tmp_path / "their.zarr")
    path = buffer / "data/state/.zarray"
    content = json.loads(path.read_text())
    for shape, chunks in (([10**12, 5], [3, 5]), ([16, 10**10], [3, 5]), ([16, 5], [10**9, 5]), ([-1, 5], [3, 5])):
        path.write_text(json.dumps(content | {"shape": shape, "chunks": chunks}))
        refuses(buffer, "'data/state' declares|too large to be read")
    hopper = write_d4rl(tmp_path / "hopper.hdf5")
    with h5py.File(hopper, "a") as file:
        del file["observations"]
        file.create_dataset("observations", shape=(16, 10**9), dtype="f4", chunks=(1, 1000))
    refuses(hopper, "'/observations' declares .* which the file cannot hold|unpacks to")
    old = write_lerobot_v2(tmp_path / "old", video=False)
    info = json.loads((old / "meta/info.json").read_text())
    info["features"]["action"]["shape"] = [10**12]
    (old / "meta/info.json").write_text(json.dumps(info))
    refuses(old, "declares 'action' as .* too many numbers", rate_hz=None)


@pytest.mark.fault("S8")
def test_nothing_leads_out_of_the_source(tmp_path):
    import h5py

    secret = tmp_path / "secret.hdf5"
    write_d4rl(secret)
    for i, link in enumerate((h5py.ExternalLink(str(secret), "observations"), h5py.SoftLink("/rewards"))):
        hopper = write_d4rl(tmp_path / f"linked_{i}.hdf5")
        with h5py.File(hopper, "a") as file:
            del file["observations"]
            file["observations"] = link
        refuses(hopper, "/observations' is a link")
    hopper = write_d4rl(tmp_path / "external.hdf5")
    with h5py.File(hopper, "a") as file:
        del file["observations"]
        file.create_dataset("observations", shape=(16, 4), dtype="f4", external=[(str(secret), 0, 256)])
    refuses(hopper, "lies in another file")
    hopper = write_d4rl(tmp_path / "virtual.hdf5")
    with h5py.File(hopper, "a") as file:
        del file["observations"]
        layout = h5py.VirtualLayout(shape=(16, 4), dtype="f4")
        layout[:] = h5py.VirtualSource(str(secret), "observations", shape=(16, 4))
        file.create_virtual_dataset("observations", layout)
    refuses(hopper, "lies in another file")

    buffer = write_zarr(tmp_path / "their.zarr.zip")
    for name in ("../secret", "/etc/secret", "data/../../secret"):
        with zipfile.ZipFile(write_zarr(tmp_path / "their.zarr.zip"), "a") as archive:
            archive.writestr(name, "x")
        refuses(buffer, "leads out of it")
    folder = write_zarr(tmp_path / "their.zarr")
    (folder / "data/more").symlink_to("/etc")
    refuses(folder, "is a link that leads out")

    for name in (
        "data/chunk-000/episode_000001.parquet",
        f"videos/chunk-000/{CAMERA}/episode_000001.mp4",
        "meta/info.json",
    ):
        old = write_lerobot_v2(tmp_path / f"old_{len(name)}")
        (tmp_path / "elsewhere").write_bytes((old / name).read_bytes())
        (old / name).unlink()
        (old / name).symlink_to(tmp_path / "elsewhere")
        refuses(old, "is a link that leads out of", rate_hz=None)
    cups = write_aloha(tmp_path / "aloha")
    (cups / "episode_0.hdf5").symlink_to(secret)
    refuses(cups, "is a link that leads out of")


def test_files_of_the_hugging_face_cache_are_links_that_are_followed(tmp_path):
    revision = tmp_path / "datasets--x--y/snapshots/abc"
    revision.parent.mkdir(parents=True)
    write_lerobot_v2(revision, video=False)
    blobs = tmp_path / "datasets--x--y/blobs"
    blobs.mkdir()
    for number, path in enumerate(sorted(path for path in revision.rglob("*") if path.is_file())):
        path.rename(blobs / str(number))
        path.symlink_to(blobs / str(number))
    assert import_dataset(revision, tmp_path / "new", ImportOptions()).episodes == 3


@pytest.mark.fault("A8")
def test_a_pipe_in_place_of_a_file_does_not_hang(tmp_path):
    for name in ("a.npz", "a.zip", "a.hdf5"):
        os.mkfifo(tmp_path / name)
        refuses(tmp_path / name, "regular file")
    for source, name in (
        (write_zarr(tmp_path / "a.zarr"), "data/action/0.0"),
        (write_aloha(tmp_path / "aloha"), "episode_9.hdf5"),
        (write_lerobot_v2(tmp_path / "old", video=False), "meta/tasks.jsonl"),
        (write_lerobot_v2(tmp_path / "older", video=False), "data/chunk-000/episode_000000.parquet"),
        (write_lerobot_v2(tmp_path / "oldest", video=False), "meta/info.json"),
    ):
        (source / name).unlink()
        os.mkfifo(source / name)
        refuses(source, "regular file", rate_hz=None if source.name.startswith("old") else 10)


@pytest.mark.fault("A12")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("fps", 0),
        ("fps", float("nan")),
        ("fps", "30"),
        ("fps", None),
        ("features", []),
        ("features", {"../../x": {"dtype": "video", "shape": [4, 4, 3]}}),
        ("features", {"action": {"dtype": "float32", "shape": [-3]}}),
        ("features", {"action": {"dtype": 5, "shape": [3]}}),
        ("features", {"action": None}),
    ],
)
def test_metadata_that_make_no_sense_are_refused(tmp_path, key, value):
    refuses(write_lerobot_v2(tmp_path / "old", video=False, **{key: value}), r"info.json' has no valid", rate_hz=None)


@pytest.mark.fault("A12")
@pytest.mark.parametrize("shape", ["[1e999, 2]", "[null, 2]", "7", '["x"]'])
def test_a_shape_of_no_numbers_is_refused(tmp_path, shape):
    buffer = write_zarr(tmp_path / "their.zarr")
    path = buffer / "data/action/.zarray"
    content = json.loads(path.read_text()) | {"shape": "HERE"}
    path.write_text(json.dumps(content).replace('"HERE"', shape))
    refuses(buffer, "not described as an array of numbers")


@pytest.mark.fault("A12")
@pytest.mark.parametrize("content", ["[" * 10**5, "[]", "{", "\0"])
def test_json_that_is_none_is_refused(tmp_path, content):
    old = write_lerobot_v2(tmp_path / "old", video=False)
    for name in ("meta/tasks.jsonl", "meta/episodes.jsonl", "meta/info.json"):
        sound = (old / name).read_text()
        (old / name).write_text(content)
        refuses(old, f"{name}' .*(valid JSON|no JSON object)", rate_hz=None)
        (old / name).write_text(sound)
    buffer = write_zarr(tmp_path / "their.zarr")
    (buffer / "data/state/.zarray").write_text(content)
    refuses(buffer, "valid JSON|no JSON object")


@pytest.mark.fault("A12")
@pytest.mark.parametrize("end", [0.2, 0.5, 0.9])
def test_a_file_that_was_cut_off_is_refused(tmp_path, end):
    for source in (
        write_npz(tmp_path / "their.npz"),
        write_zarr(tmp_path / "their.zarr.zip"),
        write_robomimic(tmp_path / "low_dim.hdf5"),
    ):
        content = source.read_bytes()
        source.write_bytes(content[: int(len(content) * end)])
        refuses(source, "their|low_dim")


def test_episode_ends_that_go_back_are_refused(tmp_path):
    flat = {"action": np.zeros((9, 2)), "state": np.zeros((9, 2))}
    for ends in ([5, 3, 9], [[9]], [2.5, 9.0], []):
        np.savez(tmp_path / "flat.npz", **flat, episode_ends=np.array(ends))
        refuses(tmp_path / "flat.npz", "'episode_ends'")


def test_a_missing_library_is_told(tmp_path, monkeypatch):
    import sys

    for library, source in (("zarr", write_zarr(tmp_path / "a.zarr")), ("h5py", write_d4rl(tmp_path / "a.hdf5"))):
        monkeypatch.setitem(sys.modules, library, None)
        refuses(source, r"pip install 'dist2-robot\[import\]'")


@pytest.mark.fault("A8")
def test_a_video_that_is_larger_than_its_frames_is_not_copied(tmp_path):
    """As a sparse file, which takes no room where it lies and all of the disk where it is copied to."""
    old = write_lerobot_v2(tmp_path / "old")
    for path in old.rglob("*.mp4"):
        os.truncate(path, 2**40)
    refuses(old, "is larger than its .* frames", rate_hz=None)
