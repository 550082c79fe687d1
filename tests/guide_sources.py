"""Small recordings, and whatever else a reader of the guides brings along, under the names that the guides have."""

import json
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tests.data.importing.others import write_robomimic
from tests.data.importing.tfds import TEXT, dictionary, sequence, tensor, write_records


def smooth(lengths: Iterable[int], size: int, seed: int = 0) -> np.ndarray:
    """Return (T, size) float32: numbers of people who move, of all episodes one after the other."""
    rng = np.random.default_rng(seed)
    parts = [np.sin(np.linspace(0, 3, n)[:, None] + rng.uniform(0, 6, size)) for n in lengths]
    return np.concatenate(parts).astype("f4")


def write_pusht(path: Path) -> None:
    """Write a replay buffer in a zip, as Diffusion Policy does."""
    import zarr
    from zarr.storage import ZipStore

    with ZipStore(path, mode="w") as store:
        group = zarr.open_group(store, mode="w", zarr_format=2)
        group.create_array("data/action", data=256 + 200 * smooth((30,) * 4, 2))
        group.create_array("data/state", data=np.pi * (1 + smooth((30,) * 4, 5, 1)))
        group.create_array("meta/episode_ends", data=np.cumsum((30,) * 4))


def write_door(path: Path) -> None:
    """Write the names that the Adroit hand's recordings have."""
    lengths = (30,) * 4
    np.savez(path, act=smooth(lengths, 28), obs=smooth(lengths, 39, 1), episode_ends=np.cumsum(lengths))


def write_can(path: Path) -> None:
    """Write demonstrations of robomimic that tell their rate."""
    import h5py

    with h5py.File(write_robomimic(path), "a") as file:
        file["data"].attrs["env_args"] = json.dumps({"env_kwargs": {"control_freq": 20, "robots": ["Panda"]}})


def complete(spec: Path) -> None:
    """Tell the units and the limits of an arm that a recording does not, as the guide has its reader do."""
    lines = spec.read_text().replace("unit: '?'", "unit: '%'").splitlines()
    if spec.name == "arm.yaml":
        for i, line in enumerate(lines):
            low = 0.0 if "name: gripper" in line else -100.0
            lines[i] = re.sub(r"low: [-.\de]+, high: [-.\de]+", f"low: {low}, high: 100.0", line)
    spec.write_text("\n".join(lines))


def write_fractal(path: Path) -> None:
    """Write an RLDS dataset whose action is a dictionary."""
    sizes = {"world_vector": 3, "rotation_delta": 3, "gripper_closedness_action": 1}
    told = dictionary(
        steps=sequence(
            dictionary(
                action=dictionary(**{name: tensor(size) for name, size in sizes.items()}),
                observation=dictionary(state=tensor(5)),
                is_first=tensor(dtype="bool"),
                is_last=tensor(dtype="bool"),
                language_instruction=TEXT,
            )
        )
    )
    path.mkdir(parents=True)
    (path / "features.json").write_text(json.dumps(told))
    splits = [{"name": "train", "shardLengths": ["3"]}]
    info = {"fileFormat": "tfrecord", "name": "fractal", "version": "0.1.0", "splits": splits}
    (path / "dataset_info.json").write_text(json.dumps(info))
    length = 12
    record = {
        **{f"steps/action/{name}": (smooth((length,), size).ravel(), "float") for name, size in sizes.items()},
        "steps/observation/state": (smooth((length,), 5).ravel(), "float"),
        "steps/is_first": ((np.arange(length) == 0).astype(int), "int"),
        "steps/is_last": ((np.arange(length) == length - 1).astype(int), "int"),
        "steps/language_instruction": ([b"Pick the can."] * length, "byte"),
    }
    write_records(path / "fractal-train.tfrecord-00000-of-00001", [record] * 3)


def write_token(path: Path) -> None:
    """Write a token as the guide's line in Python does, for its owner alone."""
    path.write_text(secrets.token_urlsafe())
    path.chmod(0o600)


def write_language_model(folder: Path) -> None:
    """Write a random model of a few words."""
    from transformers import LlamaConfig

    from tests.models.tiny_language_models import LLAMA, write_model

    folder.mkdir(parents=True)
    write_model(folder, LlamaConfig(**LLAMA, max_position_embeddings=512))
