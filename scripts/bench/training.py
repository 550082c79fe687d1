"""How fast our policy trains: in our loop, and in LeRobot's own training script on LeRobot's own dataset.

    python scripts/bench/training.py --root data/push
    python scripts/bench/training.py --root data/push --sizes tiny small base --steps 30

The same policy, loss, batch size, optimiser and demonstrations, in turn in one process and one thread, without
validation and checkpoints. Steps are timed from one forward pass to the next, without the first ones. Then LeRobot's
script once more with our dataset in place of its own. Beside it, where the time of our loop goes. With --workers
LeRobot's loader has processes of its own, which is not one process any more.
"""

import argparse
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from lerobot.configs import PreTrainedConfig
from lerobot.configs.default import DatasetConfig
from lerobot.configs.train import TrainPipelineConfig
from lerobot.datasets import factory
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from lerobot.optim.optimizers import AdamWConfig
from lerobot.policies.pretrained import PreTrainedPolicy
from lerobot.scripts import lerobot_train
from torch import nn

from dist2_robot.checkpoints.registry import build_loss
from dist2_robot.cli.compose import compose_config
from dist2_robot.cli.dataset import load_training_data
from dist2_robot.cli.new_policy import new_policy
from dist2_robot.data.batches import BatchStream
from dist2_robot.data.fast_lerobot import FastLeRobotDataset
from dist2_robot.policies.policy import Policy
from dist2_robot.training.config import TrainerConfig
from dist2_robot.training.trainer import Trainer
from dist2_robot.types import ACTION, Batch, Observation

WARM_UP = 5  # steps that are not timed


@PreTrainedConfig.register_subclass("dist2_bench")
@dataclass
class WrappedConfig(PreTrainedConfig):
    """As little as LeRobot needs to know of our policy."""

    horizon: int = 8

    @property
    def observation_delta_indices(self) -> None:
        return None

    @property
    def action_delta_indices(self) -> list[int]:
        return list(range(self.horizon))

    @property
    def reward_delta_indices(self) -> None:
        return None

    def get_optimizer_preset(self) -> AdamWConfig:
        return AdamWConfig(lr=3e-4, weight_decay=1e-4, grad_clip_norm=1.0)

    def get_scheduler_preset(self) -> None:
        return None

    def validate_features(self) -> None:
        pass


class WrappedPolicy(PreTrainedPolicy):
    """Our policy as LeRobot calls it; only what its training uses."""

    config_class = WrappedConfig  # type: ignore[assignment]
    name = "dist2_bench"  # type: ignore[assignment]

    def __init__(self, config: WrappedConfig, policy: Policy, loss: nn.Module) -> None:
        super().__init__(config)
        self.policy, self.objective = policy, loss
        self.started: list[float] = []

    def forward(self, batch: dict[str, Any]) -> tuple[torch.Tensor, dict[str, Any]]:
        self.started.append(time.perf_counter())
        seen = Observation({name: batch[name] for name in self.policy.observation.names})
        output = self.policy.loss(self.objective, Batch(seen, batch[ACTION], batch["action_is_pad"]))
        return output.loss, {}

    def get_optim_params(self) -> Any:
        return self.parameters()

    def reset(self) -> None:
        raise NotImplementedError

    def predict_action_chunk(self, batch: dict[str, Any], **_: Any) -> torch.Tensor:
        raise NotImplementedError

    def select_action(self, batch: dict[str, Any], **_: Any) -> torch.Tensor:
        raise NotImplementedError


class Silent:
    """A tracker that keeps nothing."""

    def log(self, record: Any) -> None:
        pass

    def close(self) -> None:
        pass


class Clock:
    """Adds up the time that is spent in functions."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, its time counted under a name."""

        def call(*arguments: Any, **keywords: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments, **keywords)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

        return call


def main() -> None:
    """Measure, print a table and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="a LeRobot dataset without pictures")
    parser.add_argument("--sizes", nargs="+", default=["tiny", "small"], choices=["tiny", "small", "base"])
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=60, help="a repeat; LeRobot takes as many")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=0, help="of LeRobot's loader")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.INFO)
    lines = []
    for size in arguments.sizes:
        ours, theirs, shares = [], [], []
        columns = (
            f"{'':>8}{'dist2-train':>14}{'lerobot-train':>16}{'with our dataset':>19}{'our time in the network':>26}"
        )
        print(f"\n{size}: samples/s\n{columns}")
        for repeat in range(arguments.repeats):
            rate, share, spent = train_ours(arguments.root, size, arguments.batch_size, arguments.steps)
            ours.append(rate)
            shares.append(share)
            sizes = arguments.root, size, arguments.batch_size, arguments.steps
            theirs.append(train_theirs(*sizes, workers=arguments.workers))
            mixed = train_theirs(*sizes, workers=0, dataset=FastLeRobotDataset)
            print(f"{repeat:>8}{rate:>14,.0f}{theirs[-1]:>16,.0f}{mixed:>19,.0f}{share:>26.1%}   {spent}")
        ratio, share = statistics.median(ours) / statistics.median(theirs), statistics.median(shares)
        lines.append(
            f"ratio: {ratio:.1f} samples/s of dist2-train over lerobot-train, {size}, {share:.0%} of our time in "
            "forward, backward and optimiser"
        )
    print("\n" + "\n".join(lines))


def prepare(root: Path, size: str) -> tuple[Any, Policy, nn.Module]:
    """Return data, a new policy and its loss."""
    config = compose_config("train", ["env=none", f"dataset.root={root}", f"size={size}", "dataset.validation=0.0"])
    torch.manual_seed(0)
    data = load_training_data(config["dataset"], config["policy"]["horizon"], seed=0)
    policy = new_policy(config, data)
    return data, policy, build_loss(policy.tokenizer, config["loss"])  # type: ignore[attr-defined]


def train_ours(root: Path, size: str, batch_size: int, steps: int) -> tuple[float, float, str]:
    """Return samples/s of our loop, the share of its time in forward, backward and optimiser, and where it goes."""
    data, policy, loss = prepare(root, size)
    config = compose_config("train", ["env=none", f"dataset.root={root}"])["trainer"]
    settings = TrainerConfig(**config | {"steps": steps + WARM_UP, "batch_size": batch_size})
    clock, started = Clock(), []
    trainer = Trainer(
        policy, loss, settings, tracker=Silent(), validate=None, evaluate=None, save=lambda *_: None, seed=0
    )
    trainer.model.register_forward_pre_hook(lambda *_: started.append(time.perf_counter()))
    trainer.model.forward = clock.timed("forward", trainer.model.forward)
    trainer.accelerator.backward = clock.timed("backward", trainer.accelerator.backward)
    trainer.optimizer.step = clock.timed("optimiser", trainer.optimizer.step)
    trainer.average.update = clock.timed("average", trainer.average.update)
    trainer._next_step = clock.timed("step", trainer._next_step)
    batches = BatchStream(data.training, batch_size, seed=0)
    batches.windows.gather = clock.timed("data", batches.windows.gather)  # type: ignore[method-assign]
    trainer.run(batches.from_step(0))
    spent = clock.seconds
    whole = spent.pop("step")
    share = sum(spent[name] for name in ("forward", "backward", "optimiser")) / whole
    parts = ", ".join(f"{name} {seconds / whole:.1%}" for name, seconds in spent.items())
    return batch_size / _per_step(started), share, parts


def train_theirs(
    root: Path, size: str, batch_size: int, steps: int, *, workers: int, dataset: type[LeRobotDataset] = LeRobotDataset
) -> float:
    """Return samples/s of LeRobot's training script with our policy, and one of the datasets."""
    _, policy, loss = prepare(root, size)
    config = WrappedConfig(horizon=policy.horizon, device="cpu", push_to_hub=False)
    wrapped = WrappedPolicy(config, policy, loss)
    factories = lerobot_train.make_policy, lerobot_train.make_pre_post_processors, factory.LeRobotDataset
    factory.LeRobotDataset = dataset  # type: ignore[misc]
    lerobot_train.make_policy = lambda **_: wrapped
    lerobot_train.make_pre_post_processors = lambda **_: (lambda batch: batch, lambda action: action)  # type: ignore[assignment]
    try:
        with tempfile.TemporaryDirectory() as folder:
            lerobot_train.train(
                TrainPipelineConfig(
                    dataset=DatasetConfig(repo_id=f"local/{root.name}", root=str(root)),
                    policy=config,
                    output_dir=Path(folder) / "run",
                    num_workers=workers,
                    batch_size=batch_size,
                    steps=steps + WARM_UP,
                    save_checkpoint=False,
                    env_eval_freq=0,
                )
            )
    finally:
        lerobot_train.make_policy, lerobot_train.make_pre_post_processors, factory.LeRobotDataset = factories
    return batch_size / _per_step(wrapped.started)


def _per_step(started: list[float]) -> float:
    return (started[-1] - started[WARM_UP - 1]) / (len(started) - WARM_UP)


if __name__ == "__main__":
    main()
