"""What it costs to have the policy in a process of its own: a Unix socket and a websocket beside the inference itself.

    python scripts/bench/serving.py                          # a policy of default size with random weights, state only
    python scripts/bench/serving.py --checkpoint runs/push

The server is a process of its own with one thread; this process asks it with `PolicyClient`. The
three are measured in turn, in several rounds, so that what else the computer does meets all of them. One observation
as numpy arrays to one chunk as numpy arrays, checks included. The wall clock is of use on an idle machine alone;
processor time, of both processes together, says how much work it is on a busy one too.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.checkpoints.manifest import Manifest
from dist2_robot.checkpoints.provenance import provenance
from dist2_robot.checkpoints.registry import build_policy
from dist2_robot.checkpoints.store import save_checkpoint
from dist2_robot.deploy.forms.eager_policy import EagerPolicy, blank_request
from dist2_robot.deploy.serving.client import PolicyClient

NUMBERS = {"observation.state": 6, "observation.environment_state": 9}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--calls", type=int, default=200, help="of each, in a round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as opened:
        checkpoint = options.checkpoint or save_default(Path(folder) / "checkpoint")
        inference = EagerPolicy.load(checkpoint)
        features, task = blank_request(inference.card)
        ways = {"inference alone": Way(lambda: inference.infer(features, task, None), None)}
        for name, address in (("Unix socket", f"unix:{folder}/private/socket"), ("websocket", "ws://127.0.0.1:0")):
            where, process_id = opened.enter_context(served(checkpoint, address))
            client = opened.enter_context(PolicyClient(where))
            ways[name] = Way(partial(client.chunk, features, task), process_id)
        measure(ways.values(), options.calls, options.rounds)
    print(f"{options.rounds} rounds of {options.calls} calls each, ms")
    print(f"{'':<16} {'median':>8} {'p99':>8} {'largest':>8} {'processor time':>15}")
    for name, way in ways.items():
        median, p99, largest = 1000 * np.quantile(way.seconds, [0.5, 0.99, 1.0])
        print(f"{name:<16} {median:8.2f} {p99:8.2f} {largest:8.2f} {1000 * way.cpu_s / len(way.seconds):15.2f}")
    ratio = ways["Unix socket"].cpu_s / ways["inference alone"].cpu_s
    print(f"ratio: {ratio:.2f} processor time of a request over a Unix socket over that of the inference alone")


@dataclass
class Way:
    """How to come to a chunk, what each call took, and the processor time of all calls.

    Attributes:
        call: Does it.
        process_id: Of the server; None where there is none.
        seconds: Of each call.
        cpu_s: Of this process and the server.
    """

    call: Callable[[], object]
    process_id: int | None
    seconds: list[float] = field(default_factory=list)
    cpu_s: float = 0.0

    def spent_s(self) -> float:
        """Return the processor time that was spent so far."""
        if self.process_id is None:
            return time.process_time()
        user, system = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()[11:13]
        return time.process_time() + (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def measure(ways: Iterable[Way], calls: int, rounds: int) -> None:
    """Time each call of each way, after a round that does not count."""
    for way in ways:
        for _ in range(20):
            way.call()
    for _ in range(rounds):
        for way in ways:
            spent = way.spent_s()
            for _ in range(calls):
                begin = time.perf_counter()
                way.call()
                way.seconds.append(time.perf_counter() - begin)
            way.cpu_s += way.spent_s() - spent


@contextlib.contextmanager
def served(checkpoint: Path, address: str) -> Iterator[tuple[str, int]]:
    """Give the address of a server of a checkpoint, and the id of its process."""
    command = [sys.executable, "-m", "dist2_robot.cli.serve", f"checkpoint={checkpoint}", f"address={address}"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        for line in server.stdout:
            if line.startswith("serving at "):
                yield line.removeprefix("serving at ").strip(), server.pid
                return
        raise SystemExit("the server ended")
    finally:
        server.terminate()
        server.wait()


def save_default(folder: Path) -> Path:
    """Save a policy of default size with random weights."""
    dimensions = tuple(ActionDimension(f"joint_{i}", "joint", "deg", -100.0, 100.0) for i in range(6))
    spec = ActionSpec(dimensions, "absolute", 20.0, "robot")
    config = {
        "name": "token",
        "tokenizer": {"name": "uniform", "horizon": 8, "bins": 128},
        "head": {"name": "mixture"},
        "observation": {"numbers": NUMBERS},
        "width": 64,
        "depth": 2,
        "attention_heads": 4,
        "decoding": "local_mean",
    }
    policy = build_policy(spec, config)
    names = {name: [f"x{i}" for i in range(size)] for name, size in NUMBERS.items()}
    made = {"environments": [], "tasks": [], "dataset": {}, "step": 0, "golden_tasks": []}
    manifest = Manifest(policy.config(), spec.to_dict(), names, provenance=provenance(), **made)
    save_checkpoint(folder, manifest, policy.state_dict())
    return folder


if __name__ == "__main__":
    main()
