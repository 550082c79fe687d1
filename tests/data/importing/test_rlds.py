"""RLDS as TFDS writes it comes in without TensorFlow; what is not sound is refused in one line."""

import io
import json
import os
import struct

import numpy as np
import pytest

from dist2_robot.data.folder import open_folder
from dist2_robot.data.importing.import_dataset import import_dataset
from dist2_robot.data.importing.imported import ImportOptions
from dist2_robot.data.importing.readers import detect
from dist2_robot.data.table import read_table
from dist2_robot.errors import InputError
from tests.data.importing.others import LENGTHS, STARTS, jpeg, numbers, pictures, whole
from tests.data.importing.tfds import TEXTS, dictionary, episode, image, png, sequence, steps, tensor, write_records
from tests.data.importing.tfds import write_rlds as write

STATE, GOAL = "observation.state", "observation.environment_state"
SECOND = "cups-train.tfrecord-00001-of-00002"


def bring_in(source, root, **options):
    imported = import_dataset(source, root, ImportOptions(**({"rate_hz": 10, "video": False} | options)))
    folder = open_folder(root)
    table = read_table(folder)
    return imported, folder, {name: column.numpy() for name, column in table.features.items()}


def refuses(source, match, **options):
    root = source.parent / "refused"
    with pytest.raises(InputError, match=match) as caught:
        import_dataset(source, root, ImportOptions(**({"rate_hz": 10, "video": False} | options)))
    assert len(str(caught.value).splitlines()) == 1
    assert not root.exists()


def left_out(source, root, **options):
    """Return what is said of the second episode, without which the dataset is made."""
    imported, _, read = bring_in(source, root, **options)
    np.testing.assert_array_equal(read["action"], np.concatenate([numbers(0, 7, 50), numbers(2, 7, 50)]))
    (line,) = [line for line in imported.left_out if line.startswith("train 1: ")]
    return line


def opened(root):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    return LeRobotDataset("local/new", root=root, video_backend="pyav")


def shown(item, camera):
    return np.round(item[f"observation.images.{camera}"].permute(1, 2, 0).numpy() * 255)


def test_numbers_pictures_and_texts_are_those_of_the_records(tmp_path):
    from PIL import Image

    source = write(tmp_path / "cups")
    assert (detect(source), detect(source / "1.0.0")) == ("rlds", "rlds")
    rename = {"pose": GOAL, "gripper": "observation.gripper"}
    imported, folder, read = bring_in(source, tmp_path / "new", rename=rename)
    assert (imported.format, imported.episodes, imported.frames) == ("rlds", 3, sum(LENGTHS))
    np.testing.assert_array_equal(read["action"], whole(7, 50))
    np.testing.assert_array_equal(read[STATE], whole(5))
    np.testing.assert_array_equal(read[GOAL], whole(16, 20))
    assert folder.names(GOAL)[3:5] == ["pose[0,3]", "pose[1,0]"]
    np.testing.assert_array_equal(
        read["observation.gripper"][:, 0], np.concatenate([np.arange(n) - 3 for n in LENGTHS])
    )
    theirs = opened(tmp_path / "new")
    for i, start in enumerate(STARTS):
        for t in range(LENGTHS[i]):
            item = theirs[start + t]
            assert (item["episode_index"], item["frame_index"], item["task"]) == (i, t, TEXTS[i])
            np.testing.assert_array_equal(shown(item, "image"), pictures(i)[t])
            decoded = np.asarray(Image.open(io.BytesIO(jpeg(pictures(i)[t][..., ::-1]))))
            np.testing.assert_array_equal(shown(item, "wrist"), decoded)
    for line in (
        "observation/depth: pictures (64, 72, 1) of uint16, not of colours with 8 bits",
        "observation/packed: packed with 'zlib', which is not read",
        "observation/tokens: a list in each step, which is not read",
        "episode_metadata: of the episode, not of its steps",
        "reward (1,) float32: not asked for (rename=, join=)",
    ):
        assert line in imported.left_out
    assert "task: what 'language_instruction' says" in imported.assumed
    assert "the splits train, val are all taken, one after the other" in imported.assumed
    assert any(line.startswith("the last action of an episode is taken as it is") for line in imported.assumed)


def test_an_action_in_parts_is_joined_in_the_order_that_is_asked_for(tmp_path):
    parts = {"rotation": tensor(3), "gripper": tensor(1)}
    source = write(tmp_path / "cups", {"action": dictionary(**parts)})
    for i, name in enumerate(("cups-train.tfrecord-00000-of-00002", SECOND, "cups-val.tfrecord-00000-of-00001")):
        stored = {"steps/action/rotation": (numbers(i, 3).ravel(), "float")}
        stored |= {"steps/action/gripper": (numbers(i, 1, 9).ravel(), "float")}
        write_records(source / "1.0.0" / name, [episode(i) | stored])
    refuses(source, r"in parts: say in which order, 'join=\{action: \[action/gripper, action/rotation\]\}'")
    join = {"action": ["action/rotation", "action/gripper"]}
    _, folder, read = bring_in(source, tmp_path / "new", join=join)
    np.testing.assert_array_equal(read["action"], np.concatenate([whole(3), whole(1, 9)], axis=1))
    assert folder.names("action") == ["rotation[0]", "rotation[1]", "rotation[2]", "gripper[0]"]


def test_a_text_may_change_within_an_episode_or_be_missing(tmp_path):
    said = [b"Reach.", b"Reach.", b"", b"Grasp."]
    source = write(tmp_path / "cups", language_instruction=(said, "byte"))
    imported, _, _ = bring_in(source, tmp_path / "new")
    theirs = opened(tmp_path / "new")
    assert [theirs[STARTS[1] + t]["task"] for t in range(4)] == ["Reach.", "Reach.", "not told", "Grasp."]
    assert "task: 'not told' in the frames of which nobody told" in imported.assumed
    source = write(tmp_path / "silent", language_instruction=([b""] * 4, "byte"))
    imported, _, _ = bring_in(source, tmp_path / "other")
    assert opened(tmp_path / "other")[STARTS[1]]["task"] == "not told"
    assert "task: 'not told', as nobody told (task=...)" in imported.assumed


def test_the_text_of_older_datasets_is_a_task_too(tmp_path):
    observation = steps()["observation"]["featuresDict"]["features"]
    told = dictionary(**observation, natural_language_instruction=tensor(dtype="string"))
    source = write(tmp_path / "cups", {"observation": told, "language_instruction": tensor()})
    path = source / "1.0.0/cups-val.tfrecord-00000-of-00001"
    numeric = {"steps/language_instruction": (np.zeros(LENGTHS[2], "f4"), "float")}
    texts = {"steps/observation/natural_language_instruction": ([b"Push."] * LENGTHS[2], "byte")}
    write_records(path, [episode(2) | numeric | texts])
    for old in source.glob("1.0.0/cups-train*"):
        old.unlink()
    imported, _, _ = bring_in(source, tmp_path / "new")
    assert opened(tmp_path / "new")[0]["task"] == "Push."
    assert "split train: 2 of its 2 files are missing" in imported.left_out


def test_the_rate_is_not_told(tmp_path):
    refuses(write(tmp_path / "cups"), "rlds files do not tell how many frames a second", rate_hz=None)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (
            {"action": (numbers(1, 7).ravel()[:-1], "float")},
            "'action' holds 27 numbers, features.json tells (7,) a step",
        ),
        ({"action": (numbers(1, 7)[:3].ravel(), "float")}, "has 4 frames, 'action' 3"),
        ({"action": ([b"x"] * 4, "byte")}, "'action' holds texts or files, features.json tells of numbers"),
        ({"action": (np.full(28, np.nan, "f4"), "float")}, "'action' is not finite at frame 0"),
        ({"action": ([], "float"), "language_instruction": ([], "byte")}, "it has no frame"),
        ({"observation/gripper": (np.full(4, 2**40), "int")}, "'observation/gripper' holds numbers that are no int32"),
        (
            {"observation/image": (np.ones(4, int), "int")},
            "'observation/image' holds numbers, features.json tells of p",
        ),
        ({"observation/image": ([b"no picture"] * 4, "byte")}, "'observation/image': a picture cannot be decoded"),
        ({"observation/image": ([png(pictures(1, 32)[0])] * 4, "byte")}, "holds pictures (32, 40, 3), features.json"),
        ({"observation/image": ([png(pictures(1)[0, ..., 0])] * 4, "byte")}, "is of mode 'L', not of colours"),
        (
            {"observation/wrist_image": ([jpeg(pictures(1, size)[0]) for size in (64, 64, 32, 64)], "byte")},
            "'observation/wrist_image': pictures are of several sizes",
        ),
        ({"language_instruction": ([b"a", b"b"], "byte")}, "'language_instruction' holds 2 texts"),
        ({"language_instruction": ([b"\xff"] * 4, "byte")}, "is no UTF-8 text"),
        ({"is_first": (np.array([1, 0, 1, 0]), "int")}, "'is_first' is set at step 2 of 4"),
        ({"is_last": (np.array([0, 1, 0, 1]), "int")}, "'is_last' is set at step 1 of 4"),
    ],
)
def test_an_episode_that_is_not_sound_is_left_out_by_name(tmp_path, changes, match):
    source = write(tmp_path / "cups", **changes)
    rename = {"gripper": "observation.gripper"}
    assert match in left_out(source, tmp_path / "new", rename=rename)
    refuses(source, "train 1 cannot be taken", rename=rename, strict=True)


def test_a_record_whose_checksum_does_not_fit_is_left_out(tmp_path):
    source = write(tmp_path / "cups")
    path = source / "1.0.0" / SECOND
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "does not fit, the file is damaged" in left_out(source, tmp_path / "new")


def test_a_record_that_is_no_example_is_left_out(tmp_path):
    from tfrecord.writer import TFRecordWriter

    source, content = write(tmp_path / "cups"), b"\x0a\xff\xff\xff\xff\x0fno example"
    length, checksum = struct.pack("<Q", len(content)), TFRecordWriter.masked_crc
    (source / "1.0.0" / SECOND).write_bytes(length + checksum(length) + content + checksum(content))
    assert "it is no tf.train.Example" in left_out(source, tmp_path / "new")


@pytest.mark.parametrize("end", [3, 11, 500, -5, -1])
def test_a_file_that_was_cut_off_is_refused(tmp_path, end):
    source = write(tmp_path / "cups")
    path = source / "1.0.0" / SECOND
    path.write_bytes(path.read_bytes()[:end])
    refuses(source, f"{SECOND}' is cut off in its record 0: download it again")


@pytest.mark.parametrize("length", [2**63, 2**40, 2**30 + 1])
def test_a_length_that_a_file_cannot_hold_is_refused_before_it_is_read(tmp_path, length):
    from tfrecord.writer import TFRecordWriter

    source = write(tmp_path / "cups")
    head, path = struct.pack("<Q", length), source / "1.0.0" / SECOND
    path.write_bytes(b"\0" * 12 + path.read_bytes())
    refuses(source, "holds no record at byte 0 .damaged, or compressed.")
    path.write_bytes(head + TFRecordWriter.masked_crc(head) + b"x" * 100)
    refuses(source, "is cut off in its record 0")
    if length < 2**31:
        os.truncate(path, length + 16)  # which takes no room on the disk
        refuses(source, f"its record 0 has {length} bytes, too many for an episode")


def test_files_that_are_missing_or_too_many_are_told(tmp_path):
    source = write(tmp_path / "cups")
    folder = source / "1.0.0"
    write_records(folder / SECOND, [episode(1), episode(1)])
    refuses(source, f"{SECOND}' holds 2 episodes, dataset_info.json tells 1")
    (folder / SECOND).unlink()
    imported, _, _ = bring_in(source, tmp_path / "a")
    assert "split train: 1 of its 2 files are missing" in imported.left_out
    assert imported.episodes == 2
    (folder / "dataset_info.json").unlink()
    assert bring_in(source, tmp_path / "b")[0].episodes == 2
    write_records(folder / "saucers-train.tfrecord-00001-of-00002", [episode(1)])
    refuses(source, "holds files of several datasets")
    for path in folder.glob("*.tfrecord*"):
        path.unlink()
    refuses(source, "holds no '<name>-train.tfrecord-00000-of-00001'")


def test_what_is_not_one_dataset_in_tfrecords_is_refused(tmp_path):
    source = write(tmp_path / "cups")
    refuses(source / "1.0.0" / SECOND, "is no folder: name the one that holds 'features.json'")
    (source / "1.0.0").rename(source / "2.0.0")
    write(source.parent / "more")
    (source.parent / "more/1.0.0").rename(source / "1.0.0")
    refuses(source, r"holds several datasets \(1.0.0, 2.0.0\): name one")
    (source / "1.0.0/features.json").unlink()
    refuses(source / "1.0.0", "holds no 'features.json', which tells the shapes")
    (source / "2.0.0/cups-test.array_record-00000-of-00001").touch()
    refuses(source / "2.0.0", "'array_record', which is not read: write it as tfrecord with TFDS")
    info = json.loads((source / "2.0.0/dataset_info.json").read_text()) | {"fileFormat": "riegeli"}
    (source / "2.0.0/dataset_info.json").write_text(json.dumps(info))
    refuses(source / "2.0.0", "'riegeli', which is not read")


@pytest.mark.parametrize("name", ["features.json", "dataset_info.json", SECOND])
def test_nothing_leads_out_of_the_source_or_hangs(tmp_path, name):
    source = write(tmp_path / "cups")
    path = source / "1.0.0" / name
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    refuses(source, "is a link that leads out of")
    path.unlink()
    os.mkfifo(path)
    refuses(source, "no regular file")


@pytest.mark.parametrize("content", ["[" * 10**5, "[]", "{", "\0", "{}", '{"featuresDict": {"features": {"a": {}}}}'])
def test_features_that_are_none_are_refused(tmp_path, content):
    source = write(tmp_path / "cups")
    (source / "1.0.0/features.json").write_text(content)
    refuses(source, "features.json' (is not valid JSON|tells of no 'steps')")


@pytest.mark.parametrize(
    ("told", "match"),
    [
        ({"action": tensor(10**6, 10**6)}, r"tells of 'action' with the shape .*, which cannot be"),
        ({"action": tensor(10**12)}, r"tells of 'action' with the shape .*, which cannot be"),
        ({"action": tensor(-7)}, r"tells of 'action' with the shape .*, which cannot be"),
        ({"action": {"tensor": {"shape": {"dimensions": 7}}}}, r"tells of 'action' with the shape '7'"),
        ({"a\nb": tensor()}, "a feature whose name is no text"),
        ({"/".join("a" * 40): tensor()}, "nested too deep"),
        ({"action": tensor(7, encoding="zlib")}, "none of .* is known to be the action"),
        ({"action": tensor(-1)}, "none of .* is known to be the action"),
        ({"action": tensor(0)}, "none of .* is known to be the action"),
        ({"action": tensor(7, dtype="complex64")}, "none of .* is known to be the action"),
        ({"action": None}, "none of .* is known to be the action"),
        ({"action": image(64, 72, 3)}, "'action' holds numbers, features.json tells of pictures"),
    ],
)
def test_features_that_make_no_sense_are_refused(tmp_path, told, match):
    refuses(write(tmp_path / "cups", told), match)


def test_what_is_too_large_for_a_vector_is_left_out(tmp_path):
    observation = steps()["observation"]["featuresDict"]["features"]
    told = dictionary(**observation | {"pose": tensor(80, 80)})
    source = write(tmp_path / "cups", {"observation": told, "later": sequence(tensor(2))})
    for name in (SECOND, "cups-train.tfrecord-00000-of-00002"):
        (source / "1.0.0" / name).unlink()
    stored = {"steps/observation/pose": (np.zeros(LENGTHS[2] * 6400, "f4"), "float")}
    write_records(source / "1.0.0/cups-val.tfrecord-00000-of-00001", [episode(2) | stored])
    imported, _, _ = bring_in(source, tmp_path / "new")
    assert any(line.startswith("observation/pose (80, 80) float32: neither a vector") for line in imported.left_out)
    assert "later: a list in each step, which is not read" in imported.left_out
    refuses(source, r"cannot be made of observation/pose \(80, 80\) float32: neither", rename={"pose": GOAL})


def test_a_missing_library_is_told(tmp_path, monkeypatch):
    import sys

    source = write(tmp_path / "cups")
    for library in ("tfrecord", "tfrecord.writer", "tfrecord.example_pb2"):
        monkeypatch.setitem(sys.modules, library, None)
    refuses(source, r"RLDS needs a library: pip install 'dist2-robot\[import\]'")
