"""Small recordings in other people's formats, each of the same three episodes."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dist2_robot.data.scheduling import scheduling_kept

LENGTHS = (5, 4, 7)
STARTS = (0, 5, 9)
TASK = "Stack the cups."
CAMERA = "observation.images.top"
FPS = 10


def numbers(episode: int, size: int, offset: int = 0) -> np.ndarray:
    """Return (T, size) float32, different in each place."""
    length = LENGTHS[episode]
    return (np.arange(length * size, dtype=np.float32).reshape(length, size) / 7 + 100 * episode + offset).astype("f4")


def whole(size: int, offset: int = 0) -> np.ndarray:
    """Return the numbers of all episodes, one after the other."""
    return np.concatenate([numbers(i, size, offset) for i in range(len(LENGTHS))])


def pictures(episode: int, size: int = 64) -> np.ndarray:
    """Return (T, size, size + 8, 3) with a gradient, brighter at each frame, whose colours differ."""
    ramp = np.linspace(0, 120, size + 8)[None, None, :, None] * np.array([1.0, 0.5, 0.2])
    t = np.arange(LENGTHS[episode])[:, None, None, None] * 8 + 20 * episode
    return np.broadcast_to(ramp + t, (LENGTHS[episode], size, size + 8, 3)).astype(np.uint8)


def jpeg(picture: np.ndarray) -> bytes:
    """Return a picture as a JPEG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def write_video(path: Path, frames: np.ndarray, fps: int = FPS, pixels: str = "yuv420p") -> None:
    """Write frames with H.264."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixels
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def write_lerobot_v2(root: Path, version: str = "v2.1", *, video: bool = True, **changes: object) -> Path:
    """Write a dataset whose names are nested as recorders of Unitree robots nest them."""
    (root / "meta").mkdir(parents=True)
    vector = {"dtype": "float32", "shape": [3], "names": [["pan", "lift", "grip"]]}
    index = {"dtype": "int64", "shape": [1], "names": None}
    features = {
        "observation.state": vector,
        "action": vector,
        "next.done": {"dtype": "bool", "shape": [1], "names": None},
        "timestamp": {"dtype": "float32", "shape": [1], "names": None},
        **dict.fromkeys(("frame_index", "episode_index", "index", "task_index"), index),
    }
    if video:
        axes = ["height", "width", "channel"]
        features[CAMERA] = {"dtype": "video", "shape": [64, 72, 3], "names": axes, "info": {"video.fps": FPS}}
    info = {
        "codebase_version": version,
        "robot_type": "two_arms",
        "total_episodes": len(LENGTHS),
        "total_frames": sum(LENGTHS),
        "chunks_size": 1000,
        "fps": FPS,
        "features": features,
    }
    (root / "meta/info.json").write_text(json.dumps(info | changes))
    (root / "meta/tasks.jsonl").write_text(json.dumps({"task_index": 0, "task": TASK}) + "\n")
    with (root / "meta/episodes.jsonl").open("w") as file:
        for i, length in enumerate(LENGTHS):
            file.write(json.dumps({"episode_index": i, "tasks": [TASK], "length": length}) + "\n")
    for i, length in enumerate(LENGTHS):
        write_rows(root / f"data/chunk-000/episode_{i:06d}.parquet", i)
        if video:
            write_video(root / f"videos/chunk-000/{CAMERA}/episode_{i:06d}.mp4", pictures(i))
        assert length == len(numbers(i, 3))
    return root


def write_rows(path: Path, episode: int, **changes: np.ndarray | list) -> None:
    """Write the table of an episode of LeRobot v2."""
    length = LENGTHS[episode]
    columns = {
        "observation.state": list(numbers(episode, 3)),
        "action": list(numbers(episode, 3, 50)),
        "next.done": np.arange(length) == length - 1,
        "timestamp": (np.arange(length) / FPS).astype("f4"),
        "frame_index": np.arange(length),
        "episode_index": np.full(length, episode),
        "index": np.arange(length) + STARTS[episode],
        "task_index": np.zeros(length, int),
    } | changes
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), path)


def write_lerobot_v3(root: Path, names: dict[str, str]) -> Path:
    """Write a dataset with LeRobot alone, under other names of features."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    vector = {"dtype": "float32", "shape": (3,), "names": ["pan", "lift", "grip"]}
    video = {"dtype": "video", "shape": (64, 72, 3), "names": ["height", "width", "channels"]}
    features = {names["state"]: vector, names["action"]: vector, names["camera"]: video}
    dataset = LeRobotDataset.create("x/y", fps=FPS, features=features, root=root, video_backend="pyav")
    for i, length in enumerate(LENGTHS):
        for t in range(length):
            values = {names["state"]: numbers(i, 3)[t], names["action"]: numbers(i, 3, 50)[t]}
            dataset.add_frame({**values, names["camera"]: pictures(i)[t], "task": TASK if i else "Wave."})
        with scheduling_kept():
            dataset.save_episode()
    dataset.finalize()
    return root


def write_zarr(path: Path, zarr_format: int = 2) -> Path:
    """Write a replay buffer as Diffusion Policy does."""
    import zarr
    from zarr.storage import ZipStore

    store = ZipStore(path, mode="w") if path.suffix == ".zip" else path
    group = zarr.open_group(store, mode="w", zarr_format=zarr_format)
    ends = np.cumsum(LENGTHS).astype(np.int64)
    film = np.concatenate([pictures(i, 24) for i in range(len(LENGTHS))])
    for name, values in {
        "data/action": whole(2, 50),
        "data/state": whole(5),
        "data/img": film,
        "data/depth": np.zeros((sum(LENGTHS), 80, 80, 1), np.uint16),
        "data/keypoint": whole(6, 70).reshape(-1, 3, 2),
        "data/poses": whole(32, 90).reshape(-1, 2, 4, 4),
        "data/n_contacts": whole(1),
        "meta/episode_ends": ends,
    }.items():
        group.create_array(name, data=values, chunks=(3, *values.shape[1:]))
    if isinstance(store, ZipStore):
        store.close()
    return path


def write_robomimic(path: Path) -> Path:
    """Write demonstrations as robomimic does, out of order, with a key that is no array of the observation."""
    import h5py

    with h5py.File(path, "w") as file:
        file.create_group("mask")["train"] = np.array([b"demo_0"])
        for i in (2, 0, 1):
            demo = file.create_group(f"data/demo_{i}")
            demo["actions"] = numbers(i, 7, 50).astype(np.float64)
            demo["rewards"] = np.zeros(LENGTHS[i])
            for place, (key, size) in enumerate(
                {"robot0_eef_pos": 3, "robot0_eef_quat": 4, "robot0_gripper_qpos": 2, "object": 5}.items()
            ):
                demo[f"obs/{key}"] = numbers(i, size, place * 10)
                demo[f"next_obs/{key}"] = numbers(i, size)
            demo["obs/agentview_image"] = pictures(i, 24)
            demo["obs/agentview_depth"] = np.zeros((LENGTHS[i], 80, 80, 1), "f4")
            demo["obs/poses"] = numbers(i, 32, 90).reshape(-1, 2, 4, 4)
    return path


def write_aloha(folder: Path, *, compressed: bool = False) -> Path:
    """Write one file an episode as ALOHA does."""
    import h5py

    folder.mkdir()
    for i, length in enumerate(LENGTHS):
        with h5py.File(folder / f"episode_{i + 9}.hdf5", "w") as file:  # 9, 10, 11: in order of numbers, not of letters
            file["action"] = numbers(i, 14, 50)
            file["observations/qpos"] = numbers(i, 14)
            file["observations/qvel"] = numbers(i, 14)
            film: np.ndarray = pictures(i, 24)
            if compressed:
                buffers = [jpeg(picture) for picture in film]
                film = np.zeros((length, max(map(len, buffers)) + 16), np.uint8)
                for row, content in zip(film, buffers, strict=True):
                    row[: len(content)] = np.frombuffer(content, np.uint8)
            file["observations/images/cam_high"] = film
    return folder


def write_minari(folder: Path, *, nested: bool = False) -> Path:
    """Write a dataset as Minari does: an observation more than actions."""
    import h5py

    (folder / "data").mkdir(parents=True)
    with h5py.File(folder / "data/main_data.hdf5", "w") as file:
        for i in range(len(LENGTHS)):
            last = np.full((1, 4), -1, np.float64)
            episode = file.create_group(f"episode_{i}")
            seen = np.concatenate([numbers(i, 4).astype(np.float64), last])
            if nested:
                episode["observations/observation"] = seen
                episode["observations/desired_goal"] = seen[:, :2]
            else:
                episode["observations"] = seen
            episode["actions"] = numbers(i, 2, 50)
            for key in ("rewards", "terminations", "truncations"):
                episode[key] = np.zeros(LENGTHS[i])
    return folder


def write_d4rl(path: Path) -> Path:
    """Write flat arrays as D4RL does; the last episode is cut off."""
    import h5py

    with h5py.File(path, "w") as file:
        file["observations"], file["actions"] = whole(4), whole(2, 50)
        file["rewards"] = np.zeros(sum(LENGTHS))
        terminals, timeouts = np.zeros(sum(LENGTHS), bool), np.zeros(sum(LENGTHS), bool)
        terminals[STARTS[1] - 1], timeouts[STARTS[2] - 1] = True, True
        file["terminals"], file["timeouts"] = terminals, timeouts
        file["infos/qpos"], file["metadata/algorithm"] = whole(3), "SAC"
    return path
