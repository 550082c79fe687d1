"""What decoding one chunk costs: each rule on a chunk of 14 dimensions, one of which wraps.

    python scripts/bench/decoding.py --threads 1

Beside them what two rules would cost without their short cuts: a median from all arcs between two tokens of each
position, and a least risk from a table of distances for each position. All are timed by turns in this process. Memory
is that of a process of its own: by how much it grows at most at the first choice, caches included (on Linux).
"""

import argparse
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.checkpoints.registry import build_policy
from dist2_robot.distances.difference import difference
from dist2_robot.policies.discrete_policy import DiscretePolicy
from dist2_robot.types import STATE

RULES = ("argmax", "mean", "local_mean", "median", "min_risk")
ALL_ARCS, ALL_TABLES = "median, all arcs", "min_risk, a table a position"
DIMENSIONS, HORIZON, BINS = 14, 50, 256


def new_policy() -> DiscretePolicy:
    """Build a policy with fresh weights whose first dimension wraps."""
    turn = ActionDimension("turn", "joint", "rad", -math.pi, math.pi, wraps=True)
    rest = [ActionDimension(f"joint_{i}", "joint", "rad", -1.0, 1.0) for i in range(1, DIMENSIONS)]
    config = {
        "name": "token",
        "tokenizer": {"name": "uniform", "horizon": HORIZON, "bins": BINS},
        "head": {"name": "free"},
        "observation": {"numbers": {STATE: 4}},
        "width": 16,
        "depth": 1,
        "attention_heads": 2,
        "decoding": "argmax",
        "distance": {"name": "squared", "unit": "tolerance"},
    }
    policy = build_policy(ActionSpec((turn, *rest), "absolute", 50.0, "robot"), config)
    assert isinstance(policy, DiscretePolicy)
    return policy.eval()


def choices(policy: DiscretePolicy) -> dict[str, Callable[[torch.Tensor], object]]:
    """Return name -> what chooses from the logits of a chunk (1, L, V)."""
    rules = {rule: partial(policy.decode, decoding=rule) for rule in RULES}
    tables: list[torch.Tensor] = []

    def all_arcs(logits: torch.Tensor) -> torch.Tensor:
        values, periods = policy.tokenizer.values(), policy.tokenizer.periods()
        arcs = difference(values[:, :, None], values[:, None], periods.where(periods.isfinite(), 1.0)[:, None, None])
        return torch.einsum("bnv,nvw->bnw", logits.softmax(-1), arcs.abs()).argmin(-1)

    def all_tables(logits: torch.Tensor) -> torch.Tensor:
        if not tables:
            assert policy.distance is not None
            table = policy.tokenizer.points().distances(policy.distance)
            tables.append(table.distances[table.groups])
        return torch.einsum("bnv,nvw->bnw", logits.softmax(-1), tables[0]).argmin(-1)

    return {**rules, ALL_ARCS: all_arcs, ALL_TABLES: all_tables}


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--repeats", type=int, default=15)
    options.add_argument("--memory-of", help="print the MiB that one of them takes at first, and nothing else")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    policy, logits = new_policy(), 3 * torch.randn(1, HORIZON * DIMENSIONS, BINS)
    if given.memory_of:
        print(_first_memory(choices(policy), logits, given.memory_of))
        return
    chosen = choices(policy)
    times: dict[str, list[float]] = {name: [] for name in chosen}
    with torch.inference_mode():
        for _ in range(given.repeats + 1):
            for name, choose in chosen.items():
                begin = time.perf_counter()
                choose(logits)
                times[name].append(1000 * (time.perf_counter() - begin))
    print(f"one chunk of {HORIZON} steps, {DIMENSIONS} dimensions, {BINS} bins, on {given.threads} threads of a CPU")
    print(f"{'rule':30} {'ms a chunk':>12} {'most MiB':>10}")
    medians = {name: statistics.median(each[1:]) for name, each in times.items()}  # the first fills caches
    for name, milliseconds in medians.items():
        command = [sys.executable, __file__, "--threads", str(given.threads), "--memory-of", name]
        memory = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
        print(f"{name:30} {milliseconds:12.1f} {memory:>10}", flush=True)
    print(f"ratio: {medians[ALL_ARCS] / medians['median']:.1f} time of a median from all arcs over that of the median")


def _first_memory(chosen: Mapping[str, Callable[[torch.Tensor], object]], logits: torch.Tensor, name: str) -> int:
    """Return the MiB by which the memory of this process grows at most, at the first choice."""
    with torch.inference_mode():
        chosen["argmax"](logits)  # what all of them need
        Path("/proc/self/clear_refs").write_text("5")  # the most so far is what it holds now
        before = _most_memory()
        chosen[name](logits)
    return round((_most_memory() - before) / 1024)


def _most_memory() -> int:
    """Return the most that this process held, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
