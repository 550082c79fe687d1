"""How fast action chunks become tokens and tokens become chunks, for every tokenizer with its defaults.

    python scripts/bench/tokenizer.py --root data/push

Batches of different chunks, in turn and several times, on one thread: encoding a batch of 64 as a training does, on
chunks that were not encoded before and on the same ones again (some tokenizers remember), and decoding single chunks as
a robot does. The last column is the share of chunks whose tokens a second round trip leaves as they are. Without --root
the chunks are random smooth motions of seven joints.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from torch import Tensor

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.checkpoints.registry import build_tokenizer
from dist2_robot.cli.dataset import load_training_data
from dist2_robot.config_dir import config_dir
from dist2_robot.errors import InputError
from dist2_robot.tokenizers.tokenizer import Tokenizer

BATCH = 64


def smooth_motions(horizon: int, count: int = 4096) -> tuple[ActionSpec, Tensor]:
    """Return seven joints and random chunks of them, each a sum of three slow waves."""
    dimensions = tuple(ActionDimension(f"joint_{i}", "joint", "rad", -3.0, 3.0) for i in range(7))
    generator = torch.Generator().manual_seed(0)
    phase, size = torch.rand(2, count, 3, 1, 7, generator=generator)
    time_s = torch.arange(horizon)[:, None] / 30
    waves = size * torch.sin(2 * torch.pi * (phase + time_s * torch.tensor([0.2, 0.5, 1.0])[:, None, None]))
    return ActionSpec(dimensions, "absolute", 30.0, "file"), waves.sum(dim=1)


def recorded(root: Path, horizon: int) -> tuple[ActionSpec, Tensor]:
    """Return the spec of a dataset and all its whole chunks."""
    settings = {"root": root, "repo_id": None, "revision": None, "episodes": None, "observations": None}
    data = load_training_data({**settings, "validation": 0.0}, horizon, seed=0)
    batch = data.training.gather(torch.arange(len(data.training)))
    return data.spec, batch.actions[~batch.is_padding.any(dim=1)]


def microseconds(work: Callable[[Tensor], object], parts: list[Tensor]) -> float:
    """Return the median of the time that each part takes, for a row of it."""
    times = []
    for part in parts:
        started = time.perf_counter()
        work(part)
        times.append((time.perf_counter() - started) / len(part))
    return 1e6 * statistics.median(times)


def measure(tokenizer: Tokenizer, chunks: Tensor) -> str:
    """Return the figures of one tokenizer as a row."""
    started = time.perf_counter()
    tokenizer.fit(chunks)
    fit_s = time.perf_counter() - started
    order = torch.randperm(len(chunks), generator=torch.Generator().manual_seed(0))
    batches = list(chunks[order[: 16 * BATCH]].split(BATCH))
    first = microseconds(tokenizer.encode, batches)
    again = microseconds(tokenizer.encode, batches)
    tokens = tokenizer.encode(torch.cat(batches))
    kept = float((tokenizer.encode(tokenizer.decode(tokens)) == tokens).all(dim=1).double().mean())
    decode = microseconds(tokenizer.decode, list(tokens[:256].split(1)))
    return f"{fit_s:>8.2f} {first:>14.1f} {again:>14.1f} {decode:>14.1f} {100 * kept:>11.1f} %"


def main() -> None:
    """Print a row for each tokenizer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a LeRobot dataset")
    parser.add_argument("--horizon", type=int, default=8, help="steps of a chunk")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    root, horizon = arguments.root, arguments.horizon
    spec, chunks = recorded(root, horizon) if root else smooth_motions(horizon)
    print(f"{len(chunks)} chunks of {horizon} steps of {len(spec)} dimensions")
    print(f"{'':>14} {'fit s':>8} {'encode us':>14} {'once more us':>14} {'decode one us':>14} {'same tokens':>13}")
    for path in sorted((config_dir() / "tokenizer").glob("*.yaml")):
        settings = yaml.safe_load(path.read_text()) | {"horizon": horizon}
        try:
            print(f"{path.stem:>14} {measure(build_tokenizer(spec, settings), chunks)}", flush=True)
        except (InputError, ValueError) as error:
            print(f"{path.stem:>14} {error}", flush=True)


if __name__ == "__main__":
    main()
