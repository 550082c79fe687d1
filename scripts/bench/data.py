"""How fast action chunks are read: our windows, LeRobot's dataset item by item, and LeRobot's behind a DataLoader.

    python scripts/bench/data.py                 # random numbers; the same with pictures as PNG; and as video
    python scripts/bench/data.py --root data/push

The same frames in the same order, in turn and several times, in one process and one thread, pictures as floats from 0
to 1 with their channels first, as LeRobot gives them. First all values are compared, which must be equal to the bit.
How long it takes to decode all pictures once, which we do before, is printed beside.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from torch import Tensor
from torch.utils.data import DataLoader

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.data.batches import BatchStream
from dist2_robot.data.episode import Episode
from dist2_robot.data.folder import open_folder
from dist2_robot.data.picture_cache import read_pictures
from dist2_robot.data.table import read_table
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.data.writer import write_dataset
from dist2_robot.types import ACTION, Batch

CAMERA = "observation.images.front"
KINDS = ("state", "png", "video")


def record(root: Path, kind: str, pixels: int = 96, episodes: int = 20, frames: int = 100) -> None:
    """Write random states (8 + 12 numbers), actions (7), and by request pictures of random squares, as a dataset."""
    rng = np.random.default_rng(0)
    sizes = {"observation.state": 8, "observation.environment_state": 12, ACTION: 7}
    spec = ActionSpec(
        tuple(ActionDimension(f"joint_{i}", "joint", "rad", -4.0, 4.0) for i in range(7)), "absolute", 30.0, "robot"
    )
    names = {name: [f"x{i}" for i in range(size)] for name, size in sizes.items() if name != ACTION}
    written = [
        Episode({n: rng.standard_normal((frames, s), np.float32) for n, s in sizes.items()}, "Measure.", seed)
        for seed in range(episodes)
    ]
    if kind != "state":
        for episode in written:
            pictures = np.zeros((frames, pixels, pixels, 3), np.uint8)
            for picture in pictures:
                for _ in range(6):
                    y, x = rng.integers(0, pixels * 3 // 4, 2)
                    picture[y : y + pixels // 4, x : x + pixels // 4] = rng.integers(0, 256, 3)
            episode.features[CAMERA] = pictures  # type: ignore[index]
    settings = {"observation_names": names, "robot_type": "none", "recording": {}}
    write_dataset(root, written, spec, **settings, video=kind == "video")


def count_differences(windows: ChunkWindows, dataset: LeRobotDataset, frames: Tensor) -> int:
    """Return how many of the numbers at some frames are not the same, actions, padding and observations."""
    batch = windows.gather(frames)
    ours = {**as_lerobot(batch), "action_is_pad": batch.is_padding}
    different = 0
    for row, frame in enumerate(frames.tolist()):
        item: dict[str, Tensor] = dataset[frame]  # type: ignore[call-overload, assignment]
        different += sum(int((values[row] != item[name].view_as(values[row])).sum()) for name, values in ours.items())
    return different


def as_lerobot(batch: Batch) -> dict[str, Tensor]:
    """Return what is seen and done, pictures as floats from 0 to 1 with their channels first."""
    seen = {n: x.movedim(-1, 1).float() / 255 if x.ndim == 4 else x for n, x in batch.observation.features.items()}
    return {**seen, ACTION: batch.actions}


def items_per_s(read: Callable[[], int]) -> float:
    """Return items per second of a function that reads some and says how many."""
    started = time.perf_counter()
    items = read()
    return items / (time.perf_counter() - started)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a LeRobot dataset; random ones otherwise")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="of random datasets")
    parser.add_argument("--horizon", type=int, default=16, help="steps of a chunk")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--items", type=int, default=512, help="that LeRobot reads in a repeat; we read more")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    sizes = arguments.horizon, arguments.batch_size, arguments.items, arguments.repeats
    if arguments.root:
        print(compare(arguments.root, *sizes))
        return
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in arguments.kinds:
            print(f"\n{kind}")
            record(Path(folder) / kind, kind)
            lines.append(compare(Path(folder) / kind, *sizes))
    print("\n" + "\n".join(lines))


def compare(root: Path, horizon: int, batch_size: int, items: int, repeats: int) -> str:
    """Compare, measure in turn, print a table, and return the ratio of the medians as a line."""
    torch.set_num_threads(1)
    opened = open_folder(root)
    table = read_table(opened)
    n_frames = len(table.features[ACTION])
    began = time.perf_counter()
    pictures = {
        camera: read_pictures([opened], [None], camera, size, memory_gb=4.0, cache=root)
        for camera, size in opened.cameras().items()
    }
    table = replace(table, features={**table.features, **pictures})
    if pictures:
        print(f"{len(pictures) * n_frames} pictures decoded once in {time.perf_counter() - began:.1f} s")
    times = 10 if pictures else 100
    windows = ChunkWindows(table, torch.arange(n_frames), horizon)
    offsets = [step / opened.rate_hz for step in range(horizon)]
    dataset = LeRobotDataset(f"local/{root.name}", root=root, delta_timestamps={ACTION: offsets}, video_backend="pyav")
    order = torch.randint(n_frames, (items,), generator=torch.Generator().manual_seed(0))
    different = count_differences(windows, dataset, order)
    print(f"{n_frames} frames, chunks of {horizon}: {different} numbers of {items} items differ")
    if different:
        raise SystemExit("the windows are not the same, so their speeds are not compared")

    def ours() -> int:
        batches = BatchStream(windows, batch_size, seed=0).from_step(0)
        return sum(len(as_lerobot(next(batches))[ACTION]) for _ in range(times * items // batch_size))

    def theirs() -> int:
        return len([dataset[frame] for frame in order.tolist()])

    def their_loader() -> int:
        return sum(len(batch[ACTION]) for batch in DataLoader(dataset, batch_size, sampler=order.tolist()))

    readers = {"ours, batches": ours, "LeRobotDataset[i]": theirs, "its DataLoader": their_loader}
    rates: dict[str, list[float]] = {name: [] for name in readers}
    print(f"{'items/s':>8} " + " ".join(f"{name:>18}" for name in readers))
    for repeat in range(repeats):
        for name, read in readers.items():
            rates[name].append(items_per_s(read))
        print(f"{repeat:>8} " + " ".join(f"{rates[name][-1]:>18,.0f}" for name in readers))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    print(f"{'median':>8} " + " ".join(f"{value:>18,.0f}" for value in medians.values()))
    ratio = medians["ours, batches"] / max(medians["LeRobotDataset[i]"], medians["its DataLoader"])
    return (
        f"ratio: {ratio:.1f} items/s of our batches over the faster of LeRobot's two ({root.name}, chunks of {horizon})"
    )


if __name__ == "__main__":
    main()
