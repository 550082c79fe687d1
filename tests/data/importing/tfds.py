"""Small recordings as TFDS writes them in RLDS, with the writer of another library."""

import io
import json
from pathlib import Path

import numpy as np

from tests.data.importing.others import LENGTHS, jpeg, numbers, pictures

TEXTS = ("Wave.", "Stäck the cups.", "Stäck the cups.")
CLASS = "tensorflow_datasets.core.features"


def png(picture: np.ndarray) -> bytes:
    """Return a picture as a PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def tensor(*shape: int, dtype: str = "float32", encoding: str = "none") -> dict:
    """Return what features.json tells of numbers or, without a shape, of one."""
    told = {"dimensions": [str(n) for n in shape]} if shape else {}
    return {
        "pythonClassName": f"{CLASS}.tensor_feature.Tensor",
        "tensor": {"shape": told, "dtype": dtype, "encoding": encoding},
    }


def image(*shape: int, dtype: str = "uint8") -> dict:
    """Return what features.json tells of pictures."""
    told = {"shape": {"dimensions": [str(n) for n in shape]}, "dtype": dtype, "encodingFormat": "png"}
    return {"pythonClassName": f"{CLASS}.image_feature.Image", "image": told}


def dictionary(**entries: dict) -> dict:
    """Return what features.json tells of a dictionary."""
    return {"pythonClassName": f"{CLASS}.features_dict.FeaturesDict", "featuresDict": {"features": entries}}


TEXT = {"pythonClassName": f"{CLASS}.text_feature.Text", "text": {}}


def sequence(feature: dict) -> dict:
    """Return what features.json tells of steps, or of a list in a step."""
    return {"pythonClassName": f"{CLASS}.dataset_feature.Dataset", "sequence": {"feature": feature, "length": "-1"}}


def steps() -> dict[str, dict]:
    """Return what the steps hold."""
    return {
        "action": tensor(7),
        "language_instruction": TEXT,
        "reward": tensor(),
        "observation": dictionary(
            image=image(64, 72, 3),
            wrist_image=image(-1, -1, 3),
            depth=image(64, 72, 1, dtype="uint16"),
            state=tensor(5, dtype="float64"),
            pose=tensor(4, 4),
            gripper=tensor(dtype="int32"),
            packed=tensor(3, encoding="zlib"),
            tokens=sequence(tensor(dtype="int32")),
        ),
        **{name: tensor(dtype="bool") for name in ("is_first", "is_last", "is_terminal")},
    }


def episode(i: int, **changes: tuple) -> dict[str, tuple]:
    """Return the keys of a record -> (values, kind)."""
    length = LENGTHS[i]
    place, film = np.arange(length), pictures(i)
    return {
        "steps/action": (numbers(i, 7, 50).ravel(), "float"),
        "steps/language_instruction": ([TEXTS[i].encode()] * length, "byte"),
        "steps/reward": ((place == length - 1).astype("f4"), "float"),
        "steps/is_first": ((place == 0).astype(int), "int"),
        "steps/is_last": ((place == length - 1).astype(int), "int"),
        "steps/is_terminal": ((place == length - 1).astype(int), "int"),
        "steps/observation/image": ([png(picture) for picture in film], "byte"),
        "steps/observation/wrist_image": ([jpeg(picture) for picture in film[..., ::-1]], "byte"),
        "steps/observation/depth": ([b"depth"] * length, "byte"),
        "steps/observation/state": (numbers(i, 5).ravel(), "float"),
        "steps/observation/pose": (numbers(i, 16, 20).ravel(), "float"),
        "steps/observation/gripper": (place - 3, "int"),
        "steps/observation/packed": ([b"packed"] * length, "byte"),
        "steps/observation/tokens/ragged_flat_values": (place, "int"),
        "steps/observation/tokens/ragged_row_lengths_0": (np.ones(length, int), "int"),
        "episode_metadata/file_path": ([b"/home/a/b.h5"], "byte"),
    } | {f"steps/{key}": value for key, value in changes.items()}


def write_records(path: Path, episodes: list[dict[str, tuple]]) -> Path:
    """Write a TFRecord file."""
    from tfrecord.writer import TFRecordWriter

    writer = TFRecordWriter(str(path))
    for each in episodes:
        writer.write(each)
    writer.close()
    return path


def write_rlds(root: Path, told: dict[str, dict] | None = None, **changes: tuple) -> Path:
    """Write a dataset of two files for training and one for validation.

    Args:
        root: Gets a folder of its version.
        told: What features.json tells of steps in place of, or besides, what it should.
        changes: In the record of the second episode.
    """
    folder = root / "1.0.0"
    folder.mkdir(parents=True)
    features = dictionary(
        steps=sequence(dictionary(**steps() | (told or {}))), episode_metadata=dictionary(file_path=TEXT)
    )
    (folder / "features.json").write_text(json.dumps(features, indent=4))
    splits = [{"name": "train", "shardLengths": ["1", "1"]}, {"name": "val", "shardLengths": ["1"]}]
    info = {"fileFormat": "tfrecord", "name": "cups", "version": "1.0.0", "splits": splits}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    write_records(folder / "cups-train.tfrecord-00000-of-00002", [episode(0)])
    write_records(folder / "cups-train.tfrecord-00001-of-00002", [episode(1, **changes)])
    write_records(folder / "cups-val.tfrecord-00000-of-00001", [episode(2)])
    return root
