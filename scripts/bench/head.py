"""What a head costs: a whole training step of a policy with each of them, and each of them alone.

    python scripts/bench/head.py --threads 1

One process, all heads in turn and several times, so that a busy machine is as unkind to one as to the other. A step is
forward, loss, backward, clipping and optimiser, on a batch of random numbers: the work does not depend on what is
learned. Times are those of this process on a CPU and those on the clock on a GPU.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.checkpoints.registry import build_loss, build_policy
from dist2_robot.policies.token_policy import TokenPolicy
from dist2_robot.training.config import TrainerConfig
from dist2_robot.training.trainer import Trainer
from dist2_robot.types import ENVIRONMENT_STATE, STATE, Batch, Observation

HEADS = {
    "free": {"name": "free"},
    "mixture": {"name": "mixture"},
    "mixture, 3 logistics": {"name": "mixture", "components": 3},
    "mixture, gaussian": {"name": "mixture", "kind": "gaussian"},
    "smooth": {"name": "smooth"},
    "factored": {"name": "factored"},
}
SIZES = {STATE: 4, ENVIRONMENT_STATE: 35}
HORIZON, WIDTH, DIMENSIONS = 8, 64, 4
SETTINGS = [(256, "token"), (128, "step")]  # the second is the default of dist2-train
SPEC = ActionSpec(
    tuple(ActionDimension(f"joint_{i}", "joint", "rad", -1.0, 1.0) for i in range(DIMENSIONS)),
    "absolute",
    30.0,
    "robot",
)
DISTANCES = {name: {"name": name, "unit": "tolerance"} for name in ("squared", "absolute")}
DIST2 = {"name": "dist2", "tau": 2.0, "distance": DISTANCES["squared"]}
ENERGY = {"name": "energy", "distance": DISTANCES["absolute"]}
LOSSES = {
    "cross_entropy": {"name": "cross_entropy"},
    "dist2": DIST2,
    "dist2_energy": {"name": "sum", "terms": {"dist2": {"weight": 1.0, **DIST2}, "energy": {"weight": 1.0, **ENERGY}}},
}


def new_policy(head: dict, bins: int, queries: str) -> TokenPolicy:
    """Build a policy as dist2-train does, with fresh weights."""
    torch.manual_seed(0)
    policy = build_policy(
        SPEC,
        {
            "name": "token",
            "tokenizer": {"name": "uniform", "horizon": HORIZON, "bins": bins},
            "head": head,
            "observation": {"numbers": SIZES},
            "width": WIDTH,
            "depth": 2,
            "attention_heads": 4,
            "queries": queries,
            "decoding": "local_mean",
        },
    )
    assert isinstance(policy, TokenPolicy)
    return policy


def random_batch(rows: int, device: torch.device) -> Batch:
    """Return observations and actions that mean nothing."""
    observation = Observation({name: torch.randn(rows, size) for name, size in SIZES.items()})
    actions = 2 * torch.rand(rows, HORIZON, DIMENSIONS) - 1
    return Batch(observation, actions, torch.zeros(rows, HORIZON, dtype=torch.bool)).to(device)


def training_step(policy: TokenPolicy, loss: nn.Module, batch: Batch) -> Callable[[], object]:
    """Return what takes one step of the trainer."""
    settings = TrainerConfig(
        steps=10**6,
        batch_size=len(batch.actions),
        learning_rate=3e-4,
        weight_decay=1e-4,
        warmup_steps=100,
        gradient_clip=1.0,
        ema_decay=0.99,
        log_every=50,
        validate_every=0,
        save_every=0,
        evaluate_every=0,
    )
    nothing = {"tracker": None, "validate": None, "evaluate": None, "save": lambda *_: None}
    trainer = Trainer(policy, loss, settings, **nothing)  # type: ignore[arg-type]
    return lambda: trainer.train_step(batch)


def head_alone(policy: TokenPolicy, batch: Batch) -> Callable[[], object]:
    """Return what takes logits and gradients of the head alone."""
    rows, positions = len(batch.actions), policy.tokenizer.tokens_per_chunk
    queries = positions // policy.tokens_per_query
    features = torch.randn(rows, queries, WIDTH, device=batch.actions.device, requires_grad=True)
    direction = torch.randn(rows, positions, policy.tokenizer.vocab_size, device=features.device)
    wanted = [features, *policy.head.parameters()]
    return lambda: torch.autograd.grad(policy.head(features), wanted, direction)


def time_ms(run: Callable[[], object], times: int, device: torch.device) -> float:
    """Return the mean time of a run in milliseconds."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    started = clock()
    for _ in range(times):
        run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return 1000 * (clock() - started) / times


def in_turn(runs: dict[str, Callable[[], object]], repeats: int, device: torch.device) -> dict[str, list[float]]:
    """Return the times of each, measured in turn after a turn to warm up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            taken = time_ms(run, 3, device)
            if repeat:
                times[name].append(taken)
    return times


def compare(bins: int, queries: str, loss_name: str, rows: int, repeats: int, device: torch.device) -> float:
    """Print a table; return how many times a training step with free logits one with a mixture takes."""
    policies = {name: new_policy(head, bins, queries).to(device) for name, head in HEADS.items()}
    loss = build_loss(policies["free"].tokenizer, LOSSES[loss_name]).to(device)
    batch = random_batch(rows, device)
    steps = in_turn({name: training_step(p, loss, batch) for name, p in policies.items()}, repeats, device)
    alone = in_turn({name: head_alone(p, batch) for name, p in policies.items()}, repeats, device)
    tokens = policies["free"].tokenizer.tokens_per_chunk
    print(f"\n{bins} bins, {tokens} tokens, one query a {queries}, batch {rows}, {loss_name}, {device}; ms")
    print(f"{'head':<22} {'step':>7} {'fastest':>8} {'/ free':>7} {'head alone':>11} {'parameters':>11}")
    median = {name: statistics.median(times) for name, times in steps.items()}
    for name, policy in policies.items():
        ratio, parameters = median[name] / median["free"], sum(p.numel() for p in policy.head.parameters())
        print(
            f"{name:<22} {median[name]:>7.2f} {min(steps[name]):>8.2f} {ratio:>7.2f} "
            f"{statistics.median(alone[name]):>11.2f} {parameters:>11,}"
        )
    return median["mixture"] / median["free"]


def main() -> None:
    """Measure, print tables and the ratio at 256 bins and 32 tokens."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument("--repeats", type=int, default=15, help="of three steps with each head")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--loss", choices=LOSSES, default="dist2_energy")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    common = (arguments.loss, arguments.batch_size, arguments.repeats, device)
    ratio, *_ = [compare(bins, queries, *common) for bins, queries in SETTINGS]
    print(f"ratio: {ratio:.2f} mixture over free, training step")


if __name__ == "__main__":
    main()
